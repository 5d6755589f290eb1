"""CER and WER: edits per true character or word, for text read from pictures.

    rate = sum of distances / sum of true lengths        over the whole set (micro): long lines weigh more; may exceed 1

`official_cer` and `official_wer` are jiwer 4.0 with its defaults: no case folding, no Unicode normalisation, ends
stripped. WER takes runs of white space as one space but splits at spaces only ("a<tab>b" is one word); CER keeps
every inner space. Where all truths are empty the rate is the *number* of inserted words. `cer` and `wer` compare
canonical Unicode (NFC, so that "é" typed in two ways is one letter) with all white space collapsed, and refuse a set
that has nothing to read.
"""

import re
import unicodedata
from collections.abc import Callable, Hashable, Sequence

from showtell.metrics.edit_distance import levenshtein


def official_cer(predictions: Sequence[str], truths: Sequence[str]) -> float:
    """Character error rate, as jiwer's."""
    return _rate(predictions, truths, str.strip)


def official_wer(predictions: Sequence[str], truths: Sequence[str]) -> float:
    """Word error rate, as jiwer's."""
    return _rate(predictions, truths, _official_words)


def cer(predictions: Sequence[str], truths: Sequence[str]) -> float:
    """Character error rate. Raises ValueError when the truths hold no character."""
    return _rate(predictions, truths, lambda text: " ".join(_words(text)), needs_text=True)


def wer(predictions: Sequence[str], truths: Sequence[str]) -> float:
    """Word error rate. Raises ValueError when the truths hold no word."""
    return _rate(predictions, truths, _words, needs_text=True)


def _rate(
    predictions: Sequence[str],
    truths: Sequence[str],
    units: Callable[[str], Sequence[Hashable]],
    needs_text: bool = False,
) -> float:
    if not truths or len(predictions) != len(truths):
        raise ValueError(f"{len(predictions)} predictions for {len(truths)} truths; one each, empty where none came")
    pairs = [(units(truth), units(said)) for said, truth in zip(predictions, truths, strict=True)]
    edits, length = sum(levenshtein(*pair) for pair in pairs), sum(len(truth) for truth, _ in pairs)
    if not length and needs_text:
        raise ValueError("the truths hold no text at all, so no error rate is defined")
    return edits / length if length else float(edits)


def _official_words(text: str) -> list[str]:
    return [word for word in re.sub(r"\s\s+", " ", text).strip().split(" ") if word]


def _words(text: str) -> list[str]:
    return unicodedata.normalize("NFC", text).split()
