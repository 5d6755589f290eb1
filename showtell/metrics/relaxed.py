"""Relaxed accuracy: a number read from a chart may be off by 5 percent; anything else must match (ChartQA).

    correct = |p - t| / |t| <= 0.05                              (Methani et al. 2020, Masry et al. 2022)

`official_relaxed_match` is pix2struct's function, which lmms-eval and VLMEvalKit carry too. Python's `float` decides
what a number is, so "1,000" and "$5" are words and "nan" is a number; "12%" is 0.12 and never equals "12"; a truth of
0 is compared as a string, so "0.0" is wrong. `relaxed_match` reads thousands separators, a leading currency sign and
a minus of any kind, drops the percent sign on both sides (the axis of a chart says "12" where its title says "%"),
and accepts only an exact number for a truth of 0. Years keep their 5 percent in both: nothing in an answer says that
it is one.
"""

import math
import re
import unicodedata
from collections.abc import Sequence

TOLERANCE = 0.05


def official_relaxed_match(prediction: str, truth: str) -> bool:
    """Whether the answer is right, bug for bug."""
    said, true = _official_number(prediction), _official_number(truth)
    if said is not None and true:
        return abs(said - true) / abs(true) <= TOLERANCE
    return prediction.lower() == truth.lower()


def relaxed_match(prediction: str, truths: Sequence[str]) -> bool:
    """Whether the answer is right for any of the truths."""
    return any(_matches(prediction, truth) for truth in truths)


def _matches(prediction: str, truth: str) -> bool:
    said, true = _number(prediction), _number(truth)
    if said is None or true is None:
        return bool(prediction.strip()) and _plain(prediction) == _plain(truth)
    return abs(said - true) <= TOLERANCE * abs(true)


def _official_number(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100.0 if text.endswith("%") else float(text)
    except ValueError:
        return None


def _number(text: str) -> float | None:
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", _plain(text).replace("−", "-"))
    found = re.fullmatch(r"(-?)\s*[$€£¥]?\s*((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*%?", text)
    value = float(found[1] + found[2]) if found else math.nan
    return value if math.isfinite(value) else None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).lower().split()).rstrip(".")
