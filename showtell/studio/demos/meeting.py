"""4.5 Early, mid, late: three places at which a question and a picture can meet, trained alike."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from showtell.fusion.late import LateVLM
from showtell.studio import board_models as models
from showtell.studio.board_scores import Reads, band, held_out, recorded, right, share
from showtell.studio.series import board_editor
from showtell.studio.series.bounds import bounded, one_of, switch
from showtell.studio.series.demo import Demo
from showtell.studio.series.heat import Heat
from showtell.studio.series.palette import sequential
from showtell.studio.series.scene import Bars, Concept, Scene
from showtell.studio.series.tools import Tools
from showtell.worlds import board

QUESTIONS = {
    question: question
    for question in (
        "is there a red star ?",
        "what color is the star ?",
        "where is the star ?",
        "how many red ?",
        "is the star above the circle ?",
    )
}
WAYS: dict[str, tuple[str, Concept]] = {
    "early": ("early: patches are words", "query"),
    "mid": ("mid: tower, then words", "image"),
    "late": ("late: one vector at the end", "text"),
}
KINDS = ("color", "shape", "where", "count", "exists", "relation")
FEW = 48  # questions a kind that the check counts again
DEFAULT = (0, board.item("red", "circle"), 0, board.item("blue", "star"), 0, 0, 0, board.item("red", "cross"), 0)


@dataclass(frozen=True)
class State:
    board: tuple[int, ...] = bounded(DEFAULT, board_editor.BOARD)
    brush: int = bounded(board_editor.HAND, board_editor.BRUSH)
    exchanged: bool = switch(False, label="Exchange the colours of the first two things")
    question: str = one_of("where is the star ?", QUESTIONS, label="Question")


class Meeting(Demo[State]):
    name = "meeting"
    number = "4.5"
    title = "Early, mid, late"
    lede = (
        "One question to three models that had the same lessons and differ only in where words and picture meet. "
        "Exchange the colours of two things: nothing else on the board changes, and the right answer may."
    )
    claim = (
        "On held-out boards mid fusion counts, locates and confirms more often rightly than late fusion, and names the "
        "shape of a thing more often than early fusion."
    )
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        seen = exchanged(state.board) if state.exchanged else state.board
        said_by = {way: answer(way, seen, state.question) for way in WAYS}
        table = recorded()["meeting"]
        values = torch.tensor([[table[way][kind] for kind in KINDS] for way in WAYS])
        return Scene(
            widgets=(
                *board_editor.editor(
                    seen, state.brush, title="The board, colours exchanged" if state.exchanged else "The board"
                ),
                *(bars(way, said_by[way]) for way in WAYS),
                Heat(
                    title=f"Right answers on {recorded()['questions']} held-out questions of each kind, recorded",
                    rgb=sequential(values, top=1.0),
                    rows=[name for name, _ in WAYS.values()],
                    cols=KINDS,
                    values=values.flatten().tolist(),
                    texts=[f"{100 * value:.0f} %" for value in values.flatten().tolist()],
                    note="guessing: colour and shape 25 %, where 11 %, exists and relation 50 %",
                    size="full",
                ),
            ),
            says=said(state, said_by, table),
            facts=(
                *((name, f"{parameters(way):,} numbers") for way, (name, _) in WAYS.items()),
                ("model", "trained by recipes/board.py"),
            ),
        )

    def check(self, tools: Tools) -> None:
        record, few = recorded(), scores(FEW)
        for way, shares in record["meeting"].items():
            for kind, value in shares.items():
                assert abs(value - few[way][kind]) < band(FEW) + band(record["questions"]), (way, kind)
        for kind in ("where", "count", "exists"):
            assert record["meeting"]["mid"][kind] > record["meeting"]["late"][kind] + band(record["questions"]), kind
        assert record["meeting"]["mid"]["shape"] > record["meeting"]["early"]["shape"] + band(record["questions"])
        twice = exchanged(exchanged(DEFAULT))
        assert twice == DEFAULT and exchanged(DEFAULT) != DEFAULT


def exchanged(seen: board.Board) -> board.Board:
    """The board with the colours of its first two things exchanged."""
    there = board.things(seen)
    if len(there) < 2:
        return seen
    cells = list(seen)
    for thing, color in zip(there[:2], (there[1].color, there[0].color), strict=True):
        cells[thing.cell] = board.item(color, thing.shape)
    return tuple(cells)


@torch.no_grad()
def reads(way: str) -> Reads:
    """Pixels and words to scores, by one of the three models."""
    model = models.fused(way)

    def read(pixels: Tensor, ids: Tensor) -> Tensor:
        with torch.no_grad():
            if isinstance(model, LateVLM):
                hidden = models.read_beside(model, model.image_vector(pixels), ids)
            else:
                hidden = models.read_after(model, model.image_tokens(pixels), ids)
            return model.decoder.logits(hidden)

    return read


def answer(way: str, seen: board.Board, question: str) -> Tensor:
    """Probabilities of the next word."""
    words = torch.tensor([board.encode((board.STOP, *question.split()))])
    return reads(way)(models.pixels_of([board_editor.picture(seen)]), words)[0, -1].softmax(-1)


def scores(questions: int) -> dict[str, dict[str, float]]:
    """Share of right answers, by way and kind of question."""
    asked = {kind: held_out(kind, questions) for kind in KINDS}
    return {way: {kind: share(right(reads(way), rows)) for kind, rows in asked.items()} for way in WAYS}


def bars(way: str, probabilities: Tensor) -> Bars:
    name, concept = WAYS[way]
    best = [int(i) for i in probabilities.argsort(descending=True)[:3]]
    return Bars(
        title=name[0].upper() + name[1:],
        names=[board.WORDS[number] for number in best],
        values=[float(probabilities[number]) for number in best],
        texts=[f"{100 * float(probabilities[number]):.0f} %" for number in best],
        top=1.0,
        concepts=[concept] * len(best),
        size="s",
    )


def parameters(way: str) -> int:
    return sum(p.numel() for p in models.fused(way).parameters())


def said(state: State, said_by: dict[str, Tensor], table: dict[str, dict[str, float]]) -> str:
    words = {way: board.WORDS[int(np.asarray(p.argmax()))] for way, p in said_by.items()}
    right_of = {way: f"{100 * table[way]['count']:.0f} %" for way in WAYS}
    return (
        f"Early says “{words['early']}”, mid “{words['mid']}”, late “{words['late']}”. Asked to count on held-out "
        f"boards they are right {right_of['early']}, {right_of['mid']} and {right_of['late']} of the time."
    )
