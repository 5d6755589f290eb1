"""From the model's answer to what the page draws: words with their boxes, chances and the patches they looked at.

    tokens   "a" " re" "d" " car" <box> <loc_3> <loc_9> <loc_40> <loc_52>
    words    [a] [red] [car] [box 0]              chance of a word = product over its tokens
                                                  patches of a word = mean over its tokens, normalised to sum to 1

Attention lives on a grid of rows x cols in the frame the model saw (padded, stretched or cropped). Each cell of that
grid is carried back to pixels of the original picture by the same `ViewTransform` that carries the boxes; a cell that
lies in the padding has no place on the picture and is `None`. The page only draws what it is given here.

Attention tells where the model looked, not what decided its answer; interventions belong to the chapters.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from showtell.core.geometry import Box, Frame
from showtell.images.view import ViewTransform
from showtell.instruct.answer import Answer, AnswerToken

LOCATION = re.compile(r"\s*<loc_\d+>\s*")
SPECIAL = re.compile(r"\s*<[^<>\s]+>\s*")
LIT_TIMES_UNIFORM = 1.5
"""A patch is lit when its share of the attention is at least this many times the uniform share."""


@dataclass
class _Group:
    """Tokens that are shown together: the pieces of a word, or the coordinates of one box or point."""

    located: bool
    tokens: list[AnswerToken] = field(default_factory=list)


def explain(answer: Answer, frame: Frame) -> dict[str, Any]:
    """JSON-ready description of an answer about a picture whose original frame is `frame`."""
    rows, cols = answer.grid
    return {
        "answer": answer.answer,
        "frame": [frame.width, frame.height],
        "boxes": [{"label": b.label, "box": _rounded(b.box.xyxy)} for b in answer.boxes],
        "points": [{"label": p.label, "point": _rounded((p.point.x, p.point.y))} for p in answer.points],
        "confidence": round(answer.confidence, 4),
        "model": answer.model,
        "dropped": list(answer.dropped),
        "timings": answer.timings,
        "words": _words(answer, rows * cols),
        "patches": {
            "rows": rows,
            "cols": cols,
            "cells": patch_cells(answer.view, rows, cols),
            "threshold": round(LIT_TIMES_UNIFORM / max(rows * cols, 1), 5),
        },
    }


def patch_cells(view: ViewTransform, rows: int, cols: int) -> list[list[float] | None]:
    """Each cell of the grid, row by row, as xyxy pixels of the original picture; `None` where it is all padding."""
    height, width = view.target.height / max(rows, 1), view.target.width / max(cols, 1)
    cells: list[list[float] | None] = []
    for row in range(rows):
        for col in range(cols):
            cell = Box(col * width, row * height, (col + 1) * width, (row + 1) * height, view.target)
            place = view.to_original(cell)
            visible = place.x2 - place.x1 > 1e-6 and place.y2 - place.y1 > 1e-6
            cells.append(_rounded(place.xyxy) if visible else None)
    return cells


def _words(answer: Answer, patches: int) -> list[dict[str, Any]]:
    places = _places(answer)
    words = []
    for group in _groups(answer.tokens):
        words.append(
            {
                "text": "" if group.located else "".join(token.text for token in group.tokens).strip(),
                "place": places.pop(0) if group.located and places else None,
                "probability": round(math.prod(token.probability for token in group.tokens), 4),
                "weights": _share(group.tokens, patches),
            }
        )
    return [word for word in words if word["text"] or word["place"] is not None]


def _places(answer: Answer) -> list[list[Any] | None]:
    """For each run of location tokens, in order, the box or point it became; None where it was no place."""
    runs = [[token.text.strip() for token in group.tokens] for group in _groups(answer.tokens) if group.located]
    dropped = {sentence.partition(": ")[0] for sentence in answer.dropped}
    counts = {"box": 0, "point": 0}
    places: list[list[Any] | None] = []
    for run in runs:
        kind = {4: "box", 2: "point"}.get(len(run))
        if kind is None or " ".join(run) in dropped:
            places.append(None)
            continue
        places.append([kind, counts[kind]])
        counts[kind] += 1
    fits = counts["box"] == len(answer.boxes) and counts["point"] == len(answer.points)
    return places if fits else [None] * len(runs)


def _groups(tokens: Sequence[AnswerToken]) -> list[_Group]:
    groups: list[_Group] = []
    open_group = False
    for token in tokens:
        located = LOCATION.fullmatch(token.text) is not None
        if not located and (SPECIAL.fullmatch(token.text) or not token.text):
            open_group = False  # a control token, such as the one that announces a box, ends what came before
            continue
        same = open_group and groups[-1].located == located
        if not same or (not located and token.text[0].isspace()):
            groups.append(_Group(located))
        groups[-1].tokens.append(token)
        open_group = True
    return groups


def _share(tokens: Sequence[AnswerToken], patches: int) -> list[float] | None:
    traced = [token.attention for token in tokens if token.attention is not None]
    if not traced or any(len(weights) != patches for weights in traced):
        return None
    sums = [math.fsum(column) for column in zip(*traced, strict=True)]
    total = math.fsum(sums)
    return [round(value / total, 5) for value in sums] if total > 0 else None


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 2) for value in values]
