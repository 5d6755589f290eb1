"""How published chat models want a conversation written: rendered once into ids, loss mask, roles and picture slots.

    turns    user [picture] "what is this?"          assistant "a dog"
    pieces   <|im_start|> user\\n  #64  what is this? <|im_end|> \\n <|im_start|> assistant\\n  a dog  <|im_end|> \\n
    roles    control      control  img  user                   control                        assistant        control
    mask                                                                                      TRAINED

Each piece knows who says it and whether the model must learn it. Text pieces that touch are tokenised in one go, as the
model saw them in training (the space before "a dog" is the markup's, the token " a" is not), and a token belongs to the
piece of its first character that is not a space. The markup around turns may name control tokens; what a user typed
never does. The formats themselves are `chat_formats.py`. The template of our own models, with boxes and shared
pictures, is `instruct/template.py`.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from showtell.core.errors import DataError
from showtell.text.tokenizer import Tokenizer

Role = Literal["system", "user", "assistant"]
TokenRole = Literal["image", "control", "system", "user", "assistant"]


@dataclass(frozen=True)
class Place:
    """Where a picture stands in a turn: its number among the conversation's pictures."""

    index: int = 0


@dataclass(frozen=True)
class Turn:
    """What one side says: text and pictures in order."""

    role: Role
    parts: tuple[str | Place, ...]


@dataclass(frozen=True, kw_only=True)
class ChatFormat:
    """The markup of one family; the strings may name control tokens.

    control: names of the control tokens that the markup uses.
    stop: control token that ends an answer; trained where the format writes it.
    implicit: control token that the tokenizer itself puts before everything.
    begin: markup before everything.
    openings, closings: markup around a turn, by role; a role without opening is refused.
    prompt: markup that asks for an answer.
    gap: written after an opening unless a picture comes first.
    picture: markup around a picture, whose place is `{}`.
    pictures_first: the pictures of a turn are written before its text.
    strip: white space around a turn's text is dropped.
    default_system: what the system says in a conversation without system turn.
    system_inside: for formats without system turn: markup around it, at the beginning of the first user's text.
    answer_prefix: markup before the last turn's text if that is an answer.
    """

    control: tuple[str, ...]
    stop: str
    implicit: str = ""
    begin: str = ""
    openings: dict[str, str]
    closings: dict[str, str]
    prompt: str
    gap: str = ""
    picture: str = "{}"
    pictures_first: bool = False
    strip: bool = False
    default_system: str | None = None
    system_inside: str | None = None
    answer_prefix: str = ""


@dataclass(frozen=True)
class Rendered:
    """A conversation as the model reads it; `ids`, `loss_mask` and `roles` have one entry a token.

    loss_mask: whether the token is something the model must learn to write.
    image_slots: (first token, number of tokens) of each picture, in order.
    """

    ids: list[int] = field(default_factory=list)
    loss_mask: list[bool] = field(default_factory=list)
    roles: list[TokenRole] = field(default_factory=list)
    image_slots: list[tuple[int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def write(self, ids: Sequence[int], role: TokenRole, trained: bool) -> None:
        self.ids.extend(ids)
        self.loss_mask.extend([trained] * len(ids))
        self.roles.extend([role] * len(ids))


@dataclass(frozen=True)
class Piece:
    """A stretch of text, one control token, or one picture."""

    content: str | Place
    kind: Literal["text", "control", "picture"]
    role: TokenRole
    trained: bool = False


def render(
    format: ChatFormat,
    tokenizer: Tokenizer,
    turns: Sequence[Turn],
    pictures: Sequence[Sequence[int]] = (),
    *,
    prompt: bool = False,
) -> Rendered:
    """Tokens of a conversation.

    Args:
        pictures: the ids that stand for each picture, already as many as it has image tokens.
        prompt: end with the markup that asks for an answer.

    Raises DataError for a role the format does not know, a picture that was not given, or (unless `prompt`) a
    conversation in which nothing is trained on.
    """
    out = Rendered()
    if format.implicit:
        out.write([tokenizer.id(format.implicit)], "control", False)
    run: list[Piece] = []
    start = True
    for piece in (*pieces_of(format, turns, prompt), None):
        if piece is not None and piece.kind == "text":
            run.append(piece)
            continue
        if run:
            write_run(out, tokenizer, run, start)
            run, start = [], False
        if piece is None:
            break
        start = False
        if isinstance(piece.content, str):
            out.write([tokenizer.id(piece.content)], piece.role, piece.trained)
        else:
            write_picture(out, pictures, piece.content)
    if not prompt and not any(out.loss_mask):
        raise DataError("nothing in this conversation is trained on; it needs an assistant turn")
    return out


def write_run(out: Rendered, tokenizer: Tokenizer, run: Sequence[Piece], at_start: bool) -> None:
    """Text pieces that touch, tokenised together; each token goes to the piece of its first character that is no space.

    A token of spaces alone goes to the piece of its last one.
    """
    texts = [str(piece.content) for piece in run]
    starts = [0, *accumulate(map(len, texts))][:-1]
    text = "".join(texts)
    ids, spans = tokenizer.encode_with_spans(text, at_start)
    for id, (first, end) in zip(ids, spans, strict=True):
        place = next((i for i in range(first, end) if not text[i].isspace()), max(first, end - 1))
        piece = run[bisect_right(starts, place) - 1]
        out.write([id], piece.role, piece.trained)


def write_picture(out: Rendered, pictures: Sequence[Sequence[int]], place: Place) -> None:
    if place.index >= len(pictures):
        raise DataError(f"the conversation shows picture {place.index + 1} but only {len(pictures)} were given")
    ids = pictures[place.index]
    out.image_slots.append((len(out.ids), len(ids)))
    out.write(ids, "image", False)


def pieces_of(format: ChatFormat, turns: Sequence[Turn], prompt: bool) -> Iterator[Piece]:
    """The whole conversation in order; pieces of text are never empty."""
    yield from markup(format, format.begin)
    turns = with_system(format, turns)
    inside = None
    for number, turn in enumerate(turns):
        if turn.role == "system" and format.system_inside is not None and number == 0:
            inside = turn
            continue
        if turn.role not in format.openings:
            known = ", ".join(format.openings)
            raise DataError(f"this model's chat format has no role {turn.role!r}; it knows {known}")
        last = number == len(turns) - 1
        yield from pieces_of_turn(format, turn, inside, format.answer_prefix if last else "")
        inside = None
    if prompt:
        yield from markup(format, format.prompt)


def with_system(format: ChatFormat, turns: Sequence[Turn]) -> Sequence[Turn]:
    """The turns, with the default system turn before them if they have none."""
    if format.default_system is None or (turns and turns[0].role == "system"):
        return turns
    return (Turn("system", (format.default_system,)), *turns)


def pieces_of_turn(format: ChatFormat, turn: Turn, inside: Turn | None, answer_prefix: str) -> Iterator[Piece]:
    """One turn with its markup; `inside` is the system turn that is written at its beginning."""
    answering = turn.role == "assistant"
    parts = clean(format, turn, at_start=inside is None)
    yield from markup(format, format.openings[turn.role])
    if format.gap and not (parts and isinstance(parts[0], Place)):
        yield from markup(format, format.gap)
    if inside is not None and format.system_inside is not None:
        before, after = format.system_inside.split("{}")
        yield from markup(format, before)
        yield from (Piece(part, "text", "system") for part in inside.parts if isinstance(part, str) and part)
        yield from markup(format, after)
    if answering:
        yield from markup(format, answer_prefix)
    for part in parts:
        if isinstance(part, Place):
            before, after = format.picture.split("{}")
            yield from markup(format, before)
            yield Piece(part, "picture", "image")
            yield from markup(format, after)
        else:
            yield Piece(part, "text", turn.role, answering)
    for piece in markup(format, format.closings[turn.role]):
        ends = answering and piece.content == format.stop
        yield Piece(piece.content, piece.kind, "assistant" if ends else "control", ends)


def clean(format: ChatFormat, turn: Turn, at_start: bool) -> list[str | Place]:
    """The parts of a turn that are not empty, stripped (in front only `at_start`) and ordered as the format wants."""
    parts = list(turn.parts)
    if format.strip and parts and isinstance(parts[-1], str):
        parts[-1] = parts[-1].rstrip()
    if format.strip and at_start and parts and isinstance(parts[0], str):
        parts[0] = parts[0].lstrip()
    parts = [part for part in parts if part != ""]
    return sorted(parts, key=lambda part: isinstance(part, str)) if format.pictures_first else parts


def markup(format: ChatFormat, text: str) -> Iterator[Piece]:
    """Markup cut at the control tokens it names."""
    names = "|".join(re.escape(name) for name in format.control)
    for part in re.split(f"({names})", text):
        if part:
            yield Piece(part, "control" if part in format.control else "text", "control")
