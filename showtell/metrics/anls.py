"""ANLS: average normalised Levenshtein similarity, for questions answered by reading (DocVQA, InfographicVQA, ST-VQA).

    NL(p, t) = distance(p, t) / max(|p|, |t|)      similarity = 1 - NL, but 0 for too bad a match; best over the truths

(Biten et al. 2019.) Case does not matter, white space does, as words: a run of spaces is one.

`official_anls` is the script of the RRC competition server as Qwen-VL, lmms-eval and VLMEvalKit distribute it. It
measures the distance between strings with white space collapsed and divides by the lengths of the *uncollapsed* ones
in upper case, so that padding an answer with spaces raises its score and "ß" counts twice; exactly half right keeps
0.5. `anls` is the paper's equation on the collapsed strings, where exactly half right is 0 (the `anls` package
computes it too, except that "ß" counts twice there as well).
"""

from collections.abc import Sequence

from showtell.metrics.edit_distance import levenshtein

THRESHOLD = 0.5


def official_anls(prediction: str, truths: Sequence[str]) -> float:
    """Similarity of one answer, bug for bug. Raises ValueError without truths."""
    _require(truths)
    errors = []
    for truth in truths:
        length = max(len(truth.upper()), len(prediction.upper()))
        errors.append(levenshtein(_words(truth), _words(prediction)) / length if length else 0.0)
    similarity = 1 - min(errors)
    return similarity if similarity >= THRESHOLD else 0.0


def anls(prediction: str, truths: Sequence[str]) -> float:
    """Similarity of one answer. Raises ValueError without truths."""
    _require(truths)
    return max(_similarity(_words(prediction), _words(truth)) for truth in truths)


def _similarity(prediction: str, truth: str) -> float:
    length = max(len(prediction), len(truth))
    error = levenshtein(truth, prediction) / length if length else 0.0
    return 1 - error if error < THRESHOLD else 0.0


def _words(text: str) -> str:
    return " ".join(text.strip().lower().split())


def _require(truths: Sequence[str]) -> None:
    if not truths:
        raise ValueError("ANLS needs at least one true answer, and there are none")
