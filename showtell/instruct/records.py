"""Records of a data source (`data/record.py`) as conversations: the same turns, in the types the template reads."""

from collections.abc import Sequence

from showtell.data.record import Turn
from showtell.instruct.conversation import Conversation, Message, Picture


def as_conversation(turns: Sequence[Turn]) -> Conversation:
    """Turns with the numbers of pictures as typed parts; text stays text, whatever it spells."""
    return Conversation(
        tuple(
            Message(turn.role, tuple(Picture(part) if isinstance(part, int) else part for part in turn.parts))
            for turn in turns
        )
    )
