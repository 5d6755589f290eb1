"""A stand-in for the model that obeys the assistant's contract: fixed words, boxes and attention, no weights.

Everything it says follows from the question and the size of the picture, so that a test can compute what the page must
draw. Attention of a word is a bump around the word's own centre; location tokens look at the middle of their box.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from showtell.core.errors import ShowtellError
from showtell.core.geometry import Box, Frame
from showtell.images.view import ViewTransform
from showtell.instruct.answer import Answer, AnswerToken, LabelledBox

ROWS = COLS = 12
SIDE = 96
Place = tuple[str, tuple[float, float, float, float]]
SAUCER: Place = ("cup", (0.16, 0.12, 0.79, 0.83))
SPOON: Place = ("spoon", (0.52, 0.52, 0.98, 0.87))
SCRIPT: dict[str, tuple[str | Place, ...]] = {
    "what is in the picture?": ("a", " white", " cup", " of", " cof", "fee", " and", " a", " spoon", "."),
    "where is the spoon?": ("the", " spoon", " is", " here", ":", SPOON),
    "where are the things?": ("a", " cup", SAUCER, " and", " a", " spoon", SPOON),
    "how many cups are there?": ("one", "."),
    "is there a cat?": ("no", ",", " there", " is", " no", " cat", " in", " the", " picture", "."),
}


@dataclass(frozen=True)
class FakeState:
    frame: Frame
    view: ViewTransform


class FakeAssistant:
    """Answers from `SCRIPT`; `hold`, when set, keeps the question "wait" from ending until the event is set."""

    def __init__(self) -> None:
        self.name = "stand-in"
        self.encoded = 0
        self.asked: list[str] = []
        self.hold = threading.Event()

    def encode(self, image: np.ndarray) -> FakeState:
        self.encoded += 1
        frame = Frame(image.shape[1], image.shape[0])
        return FakeState(frame, padded_view(frame))

    def ask(self, image: FakeState, question: Any, *, trace_attention: bool = False) -> Answer:
        words = question if isinstance(question, str) else question[0]
        self.asked.append(words)
        if words == "wait":
            self.hold.wait(timeout=20)
        if words == "fail":
            raise ShowtellError("the question cannot be answered: it is the word fail.")
        if words == "break":
            raise ValueError("a defect")
        if not isinstance(question, str):
            return self._say(image, ("a", " cup", "."))
        return self._say(image, SCRIPT.get(words, ("I", " do", " not", " know", ".")))

    def ground(self, image: FakeState, phrase: str, *, trace_attention: bool = False) -> Answer:
        self.asked.append(phrase)
        found = [place for place in (SAUCER, SPOON) if place[0] in phrase or phrase == "things"]
        return self._say(image, tuple(found) or ("nothing", " like", " that"))

    def _say(self, state: FakeState, script: Sequence[str | Place]) -> Answer:
        places = [piece for piece in script if not isinstance(piece, str)]
        tokens: list[AnswerToken] = []
        for number, piece in enumerate(script):
            tokens += self._tokens(piece, number, state)
        text = "".join(piece for piece in script if isinstance(piece, str))
        boxes = tuple(LabelledBox(label, Box.from_unit(unit, state.frame)) for label, unit in places)
        return answer(text, boxes, tuple(tokens), state.view)

    def _tokens(self, piece: str | Place, number: int, state: FakeState) -> list[AnswerToken]:
        if isinstance(piece, str):
            x, y = 0.2 + 0.61 * math.modf(number * 0.618)[0], 0.25 + 0.5 * math.modf(number * 0.414)[0]
            if "spoon" in piece:
                x, y = 0.78, 0.68
            return [AnswerToken(piece, 0.995, bump(x, y, 0.1))]
        unit = piece[1]
        box = state.view.to_view(Box.from_unit(unit, state.frame))
        x, y = (box.x1 + box.x2) / 2 / SIDE, (box.y1 + box.y2) / 2 / SIDE
        located = [AnswerToken(f"<loc_{round(u * 63)}>", 0.99, bump(x, y, 0.12)) for u in unit]
        return [AnswerToken("<box>", 0.99, bump(x, y, 0.12)), *located]


def answer(text: str, boxes: tuple[LabelledBox, ...], tokens: tuple[AnswerToken, ...], view: ViewTransform) -> Answer:
    """An answer as the library's own assistant would hand it over."""
    sure = math.prod(token.probability for token in tokens)
    return Answer(text, boxes, (), sure, "stand-in", {"encode": 0.01}, tokens, (ROWS, COLS), view)


def padded_view(frame: Frame) -> ViewTransform:
    """The longer side becomes `SIDE`, the picture is centred."""
    scale = SIDE / max(frame.width, frame.height)
    left, top = (SIDE - scale * frame.width) / 2, (SIDE - scale * frame.height) / 2
    return ViewTransform(scale, scale, left, top, frame, Frame(SIDE, SIDE))


def bump(x: float, y: float, spread: float) -> list[float]:
    """Attention of one token: a Gaussian around (x, y), in shares of the view."""
    centres = [((col + 0.5) / COLS, (row + 0.5) / ROWS) for row in range(ROWS) for col in range(COLS)]
    raw = [math.exp(-((cx - x) ** 2 + (cy - y) ** 2) / (2 * spread**2)) + 0.01 for cx, cy in centres]
    return [value / sum(raw) for value in raw]
