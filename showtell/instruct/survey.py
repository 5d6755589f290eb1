"""What a file of conversations holds, before anybody trains on it: every row is rendered once and counted.

    rows -> usable      tokens by role, trained tokens, lengths, pictures
         -> too long    longer than the model reads
         -> zero loss   nothing in it is learned: no answer, or empty ones
         -> twice       the same words and pictures as an earlier row
         -> refused     what contradicts itself, by row number and reason; nothing is repaired, nothing is lost

How a row becomes tokens is the model's template, the very one that training uses; where rows come from is the
caller's.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from showtell.core.errors import DataError, ImageError
from showtell.core.geometry import Frame
from showtell.instruct.assistant import Assistant
from showtell.instruct.conversation import Conversation, Picture
from showtell.instruct.published import Published
from showtell.text.chat import Place, Rendered, Turn, render
from showtell.text.tokenizer import Tokenizer

OWN_CONTEXT = 2048  # tokens; models trained here declare none
Read = Callable[[], tuple[Conversation, list[Frame], Sequence[Any]]]


@dataclass(frozen=True)
class Rendering:
    """How one model writes conversations down.

    write: conversation and the frames of its pictures to tokens.
    context: most tokens it reads.
    """

    write: Callable[[Conversation, Sequence[Frame]], Rendered]
    tokenizer: Tokenizer
    context: int


def rendering_of(model: Assistant | Published) -> Rendering:
    """Raises ConfigError for a published model that cannot be talked to."""
    if isinstance(model, Assistant):
        template, plan = model.template, model.plan
        return Rendering(
            lambda said, frames: template.render(said, [plan(f) for f in frames]), template.tokenizer, OWN_CONTEXT
        )
    speaking = model.speaking()

    def write(said: Conversation, frames: Sequence[Frame]) -> Rendered:
        if frames and speaking.sight is None:
            raise DataError(f"{model.name} reads no pictures, and the row shows {len(frames)}")
        layouts = speaking.sight.layouts(frames) if speaking.sight is not None and frames else []
        pictures = [speaking.picture_ids(layout) for layout in layouts]
        return render(speaking.chat, speaking.tokenizer, turns_of(said), pictures)

    return Rendering(write, speaking.tokenizer, model.context)


def turns_of(said: Conversation) -> list[Turn]:
    """For a published chat format; raises DataError for boxes and points, which it has no words for."""
    turns = []
    for message in said.messages:
        parts = [Place(part.index) if isinstance(part, Picture) else part for part in message.parts]
        if not all(isinstance(part, str | Place) for part in parts):
            raise DataError("the row holds boxes or points; only models trained here have words for them")
        turns.append(Turn(message.role, tuple(part for part in parts if isinstance(part, str | Place))))
    return turns


@dataclass
class Survey:
    """Counts over a file; lists hold row numbers.

    refused: (row, reason).
    twice: (row, the earlier row it repeats).
    too_long: (row, tokens).
    """

    rows: int = 0
    usable: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    trained: int = 0
    pictures: int = 0
    lengths: list[int] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    pictures_missing: list[int] = field(default_factory=list)
    zero_loss: list[int] = field(default_factory=list)
    twice: list[tuple[int, int]] = field(default_factory=list)
    too_long: list[tuple[int, int]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values; of the lengths three figures."""
        lengths = sorted(self.lengths) or [0]
        at = {"median": 0.5, "95 %": 0.95, "longest": 1.0}
        return {
            "rows": self.rows,
            "usable": self.usable,
            "tokens": dict(self.tokens),
            "trained": self.trained,
            "pictures": self.pictures,
            "lengths": {name: lengths[round(share * (len(lengths) - 1))] for name, share in at.items()},
            "too_long": self.too_long,
            "zero_loss": self.zero_loss,
            "pictures_missing": self.pictures_missing,
            "twice": self.twice,
            "refused": self.refused,
        }


def survey(reads: Iterable[tuple[int, Read]], rendering: Rendering, longest: int | None = None) -> Survey:
    """Look at every row.

    Args:
        reads: (row number, what reads it: the conversation, the frames and the names of its pictures).
        longest: tokens from which a row is too long; None = the model's context.
    """
    found, seen = Survey(), dict[str, int]()
    limit = longest or rendering.context
    for number, read in reads:
        found.rows += 1
        try:
            said, frames, names = read()
            if not learned(said):
                found.zero_loss.append(number)
                continue
            rendered = rendering.write(said, frames)
        except ImageError as error:
            found.pictures_missing.append(number)
            found.refused.append((number, str(error)))
            continue
        except DataError as error:
            if "the picture" in str(error):
                found.pictures_missing.append(number)
            found.refused.append((number, str(error)))
            continue
        first = seen.setdefault(fingerprint(said, names), number)
        if first != number:
            found.twice.append((number, first))
        count(found, number, rendered, limit)
    return found


def count(found: Survey, number: int, rendered: Rendered, limit: int) -> None:
    found.tokens.update(rendered.roles)
    found.trained += sum(rendered.loss_mask)
    found.pictures += len(rendered.image_slots)
    found.lengths.append(len(rendered.ids))
    if len(rendered.ids) > limit:
        found.too_long.append((number, len(rendered.ids)))
    else:
        found.usable += 1


def learned(said: Conversation) -> bool:
    """Whether an answer says anything."""
    answers = (part for message in said.messages if message.role == "assistant" for part in message.parts)
    return any(not isinstance(part, str) or part.strip() for part in answers)


def fingerprint(said: Conversation, names: Sequence[Any]) -> str:
    """Equal for the same words about the same pictures."""
    spoken = [[message.role, [repr(part) for part in message.parts]] for message in said.messages]
    return hashlib.sha256(json.dumps([spoken, [repr(name) for name in names]]).encode()).hexdigest()
