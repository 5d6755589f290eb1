"""Where scores depart: the same answers under the official definition, the clean one, and those of the harnesses.

    rows of answers -> one score a row and definition:   official   clean   lmms-eval   vlmevalkit
                                              "Yes"      0          1       1           1            where ten say "yes"

A metric names the fields that its rows need; a row without them is refused by its number. `PROBES` holds a few rows a
metric on which the definitions part ways, so that the table says something before there is a model. Not here:
printing it, and RefCOCO's answers, whose convention of boxes is needed to read them (`cli/metrics.py` adds that).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from showtell.core.errors import DataError
from showtell.metrics import harnesses
from showtell.metrics.anls import anls, official_anls
from showtell.metrics.gqa import official_gqa_match
from showtell.metrics.mmmu import official_mmmu_choice
from showtell.metrics.multiple_choice import choice, official_scienceqa_choice
from showtell.metrics.relaxed import official_relaxed_match, relaxed_match
from showtell.metrics.text import exact_match
from showtell.metrics.vqa import official_textvqa_accuracy, official_vqa_accuracy, vqa_accuracy
from showtell.metrics.yes_no import official_pope_answer, yes_or_no

Row = Mapping[str, Any]
Definition = Callable[[Sequence[Row]], list[float]]


@dataclass(frozen=True)
class Metric:
    """One benchmark's score in its several definitions.

    fields: what a row holds, by name, with its type.
    definitions: "official" and "clean" first, then the harnesses; each scores all rows at once, in order.
    probes: rows on which they depart.
    """

    fields: Mapping[str, type | tuple[type, ...]]
    definitions: Mapping[str, Definition]
    probes: Sequence[Row]


def scores(metric: Metric, rows: Sequence[Row]) -> dict[str, list[float]]:
    """The score of each row under each definition. Raises DataError for no rows, or naming one that cannot be used."""
    if not rows:
        raise DataError("there is no row to score; give one answer a line")
    for number, row in enumerate(rows):
        for field, kind in metric.fields.items():
            if not isinstance(row.get(field), kind) or row.get(field) == []:
                kinds = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
                raise DataError(
                    f"row {number}: the field {field} should be a {kinds}, and is {str(row.get(field))[:60]!r}"
                )
    try:
        return {name: definition(rows) for name, definition in metric.definitions.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"these rows cannot be scored: {error}") from error


def each(score: Callable[[Row], float]) -> Definition:
    """A definition that scores every row on its own."""
    return lambda rows: [float(score(row)) for row in rows]


def _answers(score: Callable[[str, Sequence[str]], float]) -> Definition:
    return each(lambda row: score(row["prediction"], row["answers"]))


def _yes_no(said: Callable[[str], str | None]) -> Definition:
    return each(lambda row: said(row["prediction"]) == row["answer"])


def _letter(parse: Callable[[str, Sequence[str], random.Random], int | None]) -> Definition:
    """Multiple choice; parsers that guess share one generator over the whole run, as the scripts do."""

    def score(rows: Sequence[Row]) -> list[float]:
        generator = random.Random(42)
        said = [parse(row["prediction"], row["options"], generator) for row in rows]
        return [
            float(index is not None and "ABCDEFGHI"[index] == row["answer"])
            for index, row in zip(said, rows, strict=True)
        ]

    return score


MANY: dict[str, type | tuple[type, ...]] = {"prediction": str, "answers": list}
ONE: dict[str, type | tuple[type, ...]] = {"prediction": str, "answer": str}
OPTIONS = ONE | {"options": list}

METRICS: dict[str, Metric] = {
    "vqa": Metric(
        MANY,
        {
            "official": _answers(official_vqa_accuracy),
            "clean": _answers(vqa_accuracy),
            "lmms-eval": _answers(harnesses.lmms_vqa_accuracy),
            "vlmevalkit": _answers(harnesses.kit_vqa_accuracy),
        },
        [
            {"prediction": "Yes", "answers": ["yes"] * 10},
            {"prediction": "2.", "answers": ["2"] * 9 + ["3"]},
            {"prediction": "twelve", "answers": ["12"] * 10},
            {"prediction": "grey.", "answers": ["grey"] * 10},
        ],
    ),
    "textvqa": Metric(
        MANY,
        {"official": _answers(official_textvqa_accuracy), "clean": _answers(vqa_accuracy)},
        [
            {"prediction": "none", "answers": ["0"] * 10},
            {"prediction": "joe's", "answers": ["joes"] * 10},
            {"prediction": "eleven", "answers": ["11"] * 10},
        ],
    ),
    "anls": Metric(
        MANY,
        {"official": _answers(official_anls), "clean": _answers(anls)},
        [{"prediction": "ax", "answers": ["ab"]}, {"prediction": "10  pm", "answers": ["10 am"]}],
    ),
    "chartqa": Metric(
        ONE,
        {
            "official": each(lambda row: official_relaxed_match(row["prediction"], row["answer"])),
            "clean": each(lambda row: relaxed_match(row["prediction"], [row["answer"]])),
            "vlmevalkit": each(lambda row: official_relaxed_match(row["prediction"].strip(), row["answer"])),
        },
        [
            {"prediction": "1,000", "answer": "1000"},
            {"prediction": "0.0", "answer": "0"},
            {"prediction": "12", "answer": "12%"},
            {"prediction": "Blue ", "answer": "blue"},
        ],
    ),
    "pope": Metric(
        ONE,
        {
            "official": _yes_no(official_pope_answer),
            "clean": _yes_no(yes_or_no),
            "lmms-eval": _yes_no(harnesses.lmms_pope_answer),
            "vlmevalkit": _yes_no(harnesses.kit_pope_answer),
        },
        [
            {"prediction": "Yes, there is a dog.", "answer": "yes"},
            {"prediction": "NO", "answer": "no"},
            {"prediction": "banana", "answer": "yes"},
            {"prediction": "There is not.", "answer": "no"},
        ],
    ),
    "gqa": Metric(
        ONE,
        {
            "official": each(lambda row: official_gqa_match(row["prediction"], row["answer"])),
            "clean": each(lambda row: exact_match(row["prediction"], [row["answer"]])),
            "lmms-eval": each(lambda row: harnesses.lmms_gqa_match(row["prediction"], row["answer"])),
        },
        [
            {"prediction": "T-shirt", "answer": "tshirt"},
            {"prediction": "the dog", "answer": "dog"},
            {"prediction": " yes", "answer": "yes"},
        ],
    ),
    "scienceqa": Metric(
        OPTIONS,
        {
            "official": _letter(lambda text, options, _: official_scienceqa_choice(text, options)),
            "clean": _letter(lambda text, options, _: choice(text, options)),
        },
        [
            {"prediction": "B\n", "answer": "B", "options": ["iron", "wood"]},
            {"prediction": "The answer is B", "answer": "B", "options": ["iron", "wood"]},
            {"prediction": "wood", "answer": "B", "options": ["iron", "wood"]},
        ],
    ),
    "mmmu": Metric(
        OPTIONS,
        {
            "official": _letter(official_mmmu_choice),
            "clean": _letter(lambda text, options, _: choice(text, options)),
            "lmms-eval": _letter(harnesses.lmms_mmmu_choice),
            "vlmevalkit": _letter(lambda text, options, _: harnesses.kit_choice(text, options)),
        },
        [
            {"prediction": "**C**", "answer": "C", "options": ["red", "green", "blue", "gray"]},
            {"prediction": "It is from the USA somewhere", "answer": "A", "options": ["red", "green", "blue", "gray"]},
            {"prediction": "A dog is blue", "answer": "C", "options": ["red", "green", "blue", "gray"]},
            {"prediction": "b", "answer": "B", "options": ["red", "green", "blue", "gray"]},
        ],
    ),
}
