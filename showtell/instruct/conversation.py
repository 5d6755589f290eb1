"""A conversation is typed: messages with roles, made of parts — text, a picture, a box, a point.

    user       [Picture] "where is the red flag?"
    assistant  Box(...)
    user       "and what is at " Box(...) "?"
    assistant  "a dog"

Nothing here is a string with marks in it: a user who types `<image>` has typed text. Boxes and points carry the frame
they were measured in; the template writes them in the model's own convention.
"""

from dataclasses import dataclass
from typing import Literal

from showtell.core.geometry import Box, Point

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Picture:
    """The place of a picture in a message: its number among the conversation's pictures."""

    index: int = 0


Part = str | Picture | Box | Point


@dataclass(frozen=True)
class Message:
    """One turn."""

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Conversation:
    """Turns in order."""

    messages: tuple[Message, ...]

    @property
    def pictures(self) -> int:
        """How many pictures it shows."""
        return sum(isinstance(part, Picture) for message in self.messages for part in message.parts)


def question(*parts: Part, answer: tuple[Part, ...] | None = None) -> Conversation:
    """One question, and its answer when there is one to learn from."""
    turns = [Message("user", parts)]
    if answer is not None:
        turns.append(Message("assistant", answer))
    return Conversation(tuple(turns))
