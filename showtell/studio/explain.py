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
from collections.abc import Sequence
from typing import Any

from showtell.core.geometry import Frame
from showtell.images.view import ViewTransform
from showtell.instruct.answer import Answer, AnswerToken, token_groups

LIT_TIMES_UNIFORM = 1.5
"""A patch is lit when its share of the attention is at least this many times the uniform share."""


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
    return [None if cell is None else _rounded(cell.xyxy) for cell in view.cells(rows, cols)]


def _words(answer: Answer, patches: int) -> list[dict[str, Any]]:
    places = _places(answer)
    words = []
    for group in token_groups(answer.tokens):
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
    runs = [[token.text.strip() for token in group.tokens] for group in token_groups(answer.tokens) if group.located]
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


def _share(tokens: Sequence[AnswerToken], patches: int) -> list[float] | None:
    traced = [token.attention for token in tokens if token.attention is not None]
    if not traced or any(len(weights) != patches for weights in traced):
        return None
    sums = [math.fsum(column) for column in zip(*traced, strict=True)]
    total = math.fsum(sums)
    return [round(value / total, 5) for value in sums] if total > 0 else None


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 2) for value in values]
