"""How often the small models of chapter 4 are right, on boards that none of them was trained on.

held_out(skill, n)  ->  n boards, each with one question and its answer
right(...)          ->  share of answers of which every word is the model's own first choice, read after the truth
                        up to it; for a model that writes the likeliest word this is the same as writing the answer
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from showtell.studio.board_models import FOLDER, pixels_of
from showtell.worlds import board
from showtell.worlds.dice import keyed

RECORD = FOLDER / "board-scores.json"
FIRST = 10**7  # index of the first held-out board; training stays far below
ASKED = ("color", "shape", "where", "count", "exists", "relation")
Reads = Callable[[Tensor, Int[Tensor, "rows words"]], Float[Tensor, "rows words vocab"]]
"""Pixels and rows of ids to next-word scores."""


@dataclass(frozen=True)
class HeldOut:
    """Questions as padded rows `. question ? answer .`

    answer: where an answer's words are predicted, one place before them.
    """

    pixels: Float[Tensor, "rows 3 side side"]
    ids: Int[Tensor, "rows words"]
    answer: Bool[Tensor, "rows words"]
    swapped: Bool[Tensor, " rows"]


def held_out(skill: str, count: int) -> HeldOut:
    """The first `count` held-out boards that allow a question of the skill."""
    chosen: list[tuple[np.ndarray, board.Asked]] = []
    index = FIRST
    while len(chosen) < count:
        dice = keyed(1, index)
        seen = board.sample(dice)
        asked = board.ask(seen, skill, dice)
        if asked is not None:
            chosen.append((board.draw(seen, dice), asked))
        index += 1
    rows = [encoded(asked) for _, asked in chosen]
    width = max(len(ids) for ids, _ in rows)
    ids, answer = torch.zeros(count, width, dtype=torch.long), torch.zeros(count, width, dtype=torch.bool)
    for row, (words, first) in enumerate(rows):
        ids[row, : len(words)] = torch.tensor(words)
        answer[row, first - 1 : len(words) - 2] = True  # the stop after it is not counted
    swapped = torch.tensor([asked.swapped for _, asked in chosen])
    return HeldOut(pixels_of([picture for picture, _ in chosen]), ids, answer, swapped)


def encoded(asked: board.Asked) -> tuple[list[int], int]:
    """(ids of a question with its answer, place of the answer's first word)."""
    words = (board.STOP, *asked.question, *asked.answer, board.STOP)
    return board.encode(words), 1 + len(asked.question)


@torch.no_grad()
def right(reads: Reads, questions: HeldOut) -> Bool[Tensor, " rows"]:
    """Which of the questions are answered word for word."""
    said = reads(questions.pixels, questions.ids)[:, :-1].argmax(dim=-1)
    wrong = (said != questions.ids[:, 1:]) & questions.answer[:, :-1]
    return ~wrong.any(dim=1)


def share(flags: Sequence[bool] | Tensor) -> float:
    """Share of True."""
    return float(torch.as_tensor(flags).double().mean())


@cache
def recorded() -> Mapping[str, Any]:
    """What `recipes/board.py` counted: {"questions": n, "latents": {skill: [...]}, "meeting": {way: {kind: share}}}."""
    return dict(json.loads(RECORD.read_text(encoding="utf-8")))


def band(questions: int) -> float:
    """Three standard errors of a share counted on so many questions, at the most."""
    return 3 * 0.5 / questions**0.5
