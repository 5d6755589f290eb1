"""Scores of answers, each in two definitions at least: official, bug for bug, and clean.

    Said(text, boxes, points)  x  Item.reference  --METRICS[name]-->  {"official": [...], "clean": [...], ...}

Answers in words are scored by `metrics/departures.py`, whose tables also hold what other harnesses would have given.
Answers that are places, descriptions and classes have their own rows here. A metric sees all items of a task at once,
because some official scripts guess with one generator over the whole run, and CIDEr weighs words by the set it is
computed on. Raises DataError for a reference of the wrong kind. Not here: intervals (`summary.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from showtell.core.errors import DataError
from showtell.core.geometry import Box, Point
from showtell.evaluation.task import Item
from showtell.metrics.boxes import box_hit, mdetr_hit, pointing_hit, shikra_hit
from showtell.metrics.cider import official_cider
from showtell.metrics.departures import METRICS as WORDS
from showtell.metrics.departures import scores as score_words
from showtell.metrics.mmmu import official_mmmu_open, open_answer
from showtell.metrics.ptb import ptb_tokens
from showtell.metrics.rouge import rouge_l
from showtell.metrics.screens import official_click
from showtell.metrics.text import exact_match, normalize_answer


@dataclass(frozen=True)
class Said:
    """What a model answered.

    text: the words.
    boxes, points: places, in pixels of the picture.
    confidence: probability of the answer, 0..1; None where nothing is known of it.
    """

    text: str
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    confidence: float | None = None


Scores = dict[str, list[float]]
Metric = Callable[[Sequence[Said], Sequence[Item]], Scores]


def words(name: str) -> Metric:
    """A metric of answers in words."""

    def score(said: Sequence[Said], items: Sequence[Item]) -> Scores:
        rows = [{"prediction": one.text, **item.reference} for one, item in zip(said, items, strict=True)]
        return score_words(WORDS[name], rows)

    return score


def mmmu(said: Sequence[Said], items: Sequence[Item]) -> Scores:
    """Options by letter; open questions, which have none, by their numbers or words."""
    found: Scores = {"official": [], "clean": []}
    lettered = [(one, item) for one, item in zip(said, items, strict=True) if "options" in item.reference]
    options = words("mmmu")(*zip(*lettered, strict=True)) if lettered else {}
    by_id = {item.id: {name: values[row] for name, values in options.items()} for row, (_, item) in enumerate(lettered)}
    for one, item in zip(said, items, strict=True):
        opened = by_id.get(item.id)
        if opened is None:
            truths = _accepted(item)
            opened = {"official": official_mmmu_open(one.text, truths), "clean": open_answer(one.text, truths)}
        for name in found:
            found[name].append(float(opened[name]))
    return found


def exact(said: Sequence[Said], items: Sequence[Item]) -> Scores:
    """Equal strings; equal after normalisation, to any accepted answer."""
    accepted = [_accepted(item) for item in items]
    pairs = list(zip(said, accepted, strict=True))
    return {
        "official": [float(one.text.strip() in truths) for one, truths in pairs],
        "clean": [float(exact_match(one.text, truths)) for one, truths in pairs],
    }


def _accepted(item: Item) -> list[str]:
    truths = item.reference.get("answers", item.reference.get("answer"))
    truths = [truths] if isinstance(truths, str) else truths
    if not isinstance(truths, list | tuple) or not truths or not all(isinstance(one, str) for one in truths):
        raise DataError(f"item {item.id}: this metric needs an answer in words, and the reference is {item.reference}")
    return list(truths)


def class_name(said: Sequence[Said], items: Sequence[Item]) -> Scores:
    """The class whose name the answer is; clean also takes an answer that holds exactly one name of a class."""
    official, clean = [], []
    for one, item in zip(said, items, strict=True):
        truth = _accepted(item)[0]
        words_said = f" {normalize_answer(one.text)} "
        names = [name for name in item.reference.get("classes", []) if f" {normalize_answer(name)} " in words_said]
        names = [name for name in names if not any(name != other and name in other for other in names)]
        official.append(float(one.text.strip().lower() == truth.lower()))
        clean.append(float(names == [truth]))
    return {"official": official, "clean": clean}


def boxes(said: Sequence[Said], items: Sequence[Item]) -> Scores:
    """Acc@0.5 of the first box, and what other papers call by the same name."""
    pairs = [(one.boxes[0] if one.boxes else None, _box(item)) for one, item in zip(said, items, strict=True)]
    return {
        "official": [float(box_hit(*pair)) for pair in pairs],
        "clean": [float(box_hit(*pair)) for pair in pairs],
        "acc@0.75": [float(box_hit(*pair, 0.75)) for pair in pairs],
        "shikra (> 0.5)": [float(shikra_hit(*pair)) for pair in pairs],
        "mdetr (giou)": [float(mdetr_hit(*pair)) for pair in pairs],
    }


def clicks(said: Sequence[Said], items: Sequence[Item]) -> Scores:
    """A click inside the element: as SeeClick's script reads the text, and as the model's convention says."""
    pairs = list(zip(said, items, strict=True))
    return {
        "official": [float(official_click(one.text, _box(item))) for one, item in pairs],
        "clean": [float(pointing_hit(_click(one), _box(item))) for one, item in pairs],
    }


def _click(said: Said) -> Point | None:
    return said.points[0] if said.points else said.boxes[0].center if said.boxes else None


def _box(item: Item) -> Box:
    box = item.reference.get("box")
    if not isinstance(box, Box):
        raise DataError(f"item {item.id}: this metric needs a box, and the reference is {item.reference}")
    return box


def captioned(said: Sequence[Said], items: Sequence[Item]) -> Scores:
    """CIDEr-D in tenths, idf from the references of this very run; ROUGE-L beside it, which no other item moves."""
    references = [item.reference.get("captions") for item in items]
    for item, some in zip(items, references, strict=True):
        if not isinstance(some, list) or not some:
            raise DataError(f"item {item.id}: this metric needs captions, and the reference is {item.reference}")
    true = [[ptb_tokens(caption) for caption in some] for some in references if some]
    own = [ptb_tokens(one.text) for one in said]
    cider = [value / 10 for value in official_cider(own, true)]
    return {
        "official": cider,
        "clean": [rouge_l(one, some) for one, some in zip(own, true, strict=True)],
    }


def ranking(said: Sequence[Said], items: Sequence[Item]) -> Scores:
    """R@1, R@5 and R@10 of keys, one a line, the best first."""
    found: Scores = {"official": [], "clean": [], "r@5": [], "r@10": []}
    for one, item in zip(said, items, strict=True):
        right = item.reference.get("right")
        if not isinstance(right, list) or not right:
            raise DataError(f"item {item.id}: this metric needs the keys that are right, and there are none")
        order = one.text.split("\n")
        for name, most in (("official", 1), ("clean", 1), ("r@5", 5), ("r@10", 10)):
            found[name].append(float(any(key in right for key in order[:most])))
    return found


def judged(said: Sequence[Said], items: Sequence[Item]) -> Scores:
    """Items that bring their own judge, as those of the worlds do: their facts say how right an answer is."""
    found = [float(item.reference["score"](one)) for one, item in zip(said, items, strict=True)]
    return {"official": found, "clean": found}


METRICS: Mapping[str, Metric] = {
    **{name: words(name) for name in WORDS},
    "mmmu": mmmu,
    "choice": words("scienceqa"),
    "exact": exact,
    "class": class_name,
    "box": boxes,
    "click": clicks,
    "captions": captioned,
    "ranking": ranking,
    "facts": judged,
}


def score(metric: str, said: Sequence[Said], items: Sequence[Item]) -> dict[str, list[float]]:
    """Every definition of a metric, one value an item. Raises DataError for a reference that it cannot use."""
    return METRICS[metric](said, items)


def reference_to_json(reference: Mapping[str, Any]) -> dict[str, Any]:
    """What a record shows of what is right."""
    plain: dict[str, Any] = {}
    for name, value in reference.items():
        if isinstance(value, Box):
            plain[name] = [round(edge, 2) for edge in value.xyxy]
        elif not callable(value):
            plain[name] = value
    return plain
