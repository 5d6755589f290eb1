"""What comes back when a model is asked: words, places, and how sure it was.

The model writes one token sequence; words and places are told apart by token, never by searching the text. Boxes are in
pixels of the original picture. A sequence of location tokens that is no place is reported in `dropped`, not repaired.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from showtell.core.geometry import Box, Point
from showtell.images.view import ViewTransform
from showtell.instruct.template import Template
from showtell.text.generate import Generated

LOCATION = re.compile(r"\s*<loc_\d+>\s*")
SPECIAL = re.compile(r"\s*<[^<>\s]+>\s*")


@dataclass(frozen=True)
class LabelledBox:
    """A box in pixels of the original picture and what it is called."""

    label: str
    box: Box


@dataclass(frozen=True)
class LabelledPoint:
    """A point in pixels of the original picture and what it is called."""

    label: str
    point: Point


@dataclass(frozen=True)
class AnswerToken:
    """One token as it was written.

    attention: share of attention to each image token, mean over layers and heads; None unless it was traced.
    id: its number in the model's vocabulary; None where whoever made the answer did not say.
    """

    text: str
    probability: float
    attention: list[float] | None = None
    id: int | None = None


@dataclass(frozen=True)
class Answer:
    """The reply to one question.

    answer: the words, without places.
    confidence: geometric mean of the tokens' probabilities, the end included; not calibrated.
    timings: seconds by part.
    grid: (rows, cols) of image tokens, in the view's frame.
    dropped: sentences about location tokens that were no place.
    """

    answer: str
    boxes: tuple[LabelledBox, ...]
    points: tuple[LabelledPoint, ...]
    confidence: float
    model: str
    timings: dict[str, float]
    tokens: tuple[AnswerToken, ...]
    grid: tuple[int, int]
    view: ViewTransform
    dropped: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The reply as plain data; boxes are [x1, y1, x2, y2]."""
        plain: dict[str, Any] = {
            "answer": self.answer,
            "boxes": [{"label": b.label, "box": [round(v, 1) for v in b.box.xyxy]} for b in self.boxes],
            "confidence": round(self.confidence, 4),
            "model": self.model,
            "timings": {name: round(seconds, 4) for name, seconds in self.timings.items()},
        }
        if self.points:
            plain["points"] = [
                {"label": p.label, "point": [round(p.point.x, 1), round(p.point.y, 1)]} for p in self.points
            ]
        return plain

    def labelled(self, labels: list[str]) -> "Answer":
        """The same answer with the boxes called by `labels`, in order."""
        named = tuple(LabelledBox(label, b.box) for label, b in zip(labels, self.boxes, strict=True))
        return replace(self, boxes=named)


def read_answer(
    generated: Generated,
    template: Template,
    view: ViewTransform,
    *,
    model: str,
    grid: tuple[int, int],
    timings: dict[str, float],
    attention: list[list[float]] | None = None,
) -> Answer:
    """Tokens to words and places. A place's label is the words before it; "" where it has none."""
    pieces = template.tokenizer.pieces(generated.ids)
    parsed = template.codec.parse(pieces, view.target)
    boxes, points, start = [], [], 0
    for located in parsed.shapes:
        label = template.tokenizer.decode(generated.ids[start : located.start]).strip(" ,.")
        original = view.to_original(located.shape)
        if isinstance(original, Box):
            boxes.append(LabelledBox(label, original))
        else:
            points.append(LabelledPoint(label, original))
        start = located.stop
    words = " ".join(template.tokenizer.decode(generated.ids).split()).replace(" ,", ",").strip(" ,")
    probabilities = [*generated.probabilities, generated.stop_probability]
    sure = math.exp(sum(math.log(max(p, 1e-12)) for p in probabilities) / len(probabilities))
    shown = attention or [None] * len(pieces)  # type: ignore[list-item]
    written = zip(pieces, generated.probabilities, shown, generated.ids, strict=True)
    tokens = tuple(AnswerToken(piece, p, a, token) for piece, p, a, token in written)
    dropped = tuple(f"{' '.join(run.tokens)}: {run.reason}" for run in parsed.dropped)
    return Answer(words, tuple(boxes), tuple(points), sure, model, timings, tokens, grid, view, dropped)


@dataclass
class TokenGroup:
    """Tokens that are shown together: the pieces of a word, or the coordinates of one box or point.

    start: number of its first token.
    """

    located: bool
    start: int
    tokens: list[AnswerToken] = field(default_factory=list)


def token_groups(tokens: Sequence[AnswerToken]) -> list[TokenGroup]:
    """Words and places in order; control tokens, such as the one that announces a box, belong to neither."""
    groups: list[TokenGroup] = []
    open_group = False
    for number, token in enumerate(tokens):
        located = LOCATION.fullmatch(token.text) is not None
        if not located and (SPECIAL.fullmatch(token.text) or not token.text):
            open_group = False  # a control token, such as the one that announces a box, ends what came before
            continue
        same = open_group and groups[-1].located == located
        if not same or (not located and token.text[0].isspace()):
            groups.append(TokenGroup(located, number))
        groups[-1].tokens.append(token)
        open_group = True
    return groups
