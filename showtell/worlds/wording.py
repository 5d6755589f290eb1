"""Wording: a way of asking, some names and a place become the parts of a question.

    "color", the="the scissors"    ->  ("what color are the scissors?",)          the verb agrees
    "name_at", Point(...)          ->  ("name the thing at ", Point(...))         a place stays a place

Which of the wordings is taken is a roll of the dice; it may lose its question mark or gain a please, as people write.
Not here: the wordings themselves (`phrases.py`, `phrases_heldout.py`).
"""

from showtell.core.errors import ConfigError
from showtell.core.geometry import Box
from showtell.worlds.answers import Part
from showtell.worlds.dice import Dice
from showtell.worlds.grammar import agree, head, is_plural
from showtell.worlds.phrases import TRAIN
from showtell.worlds.phrases_heldout import HELD_OUT


class Wording:
    """Puts questions into words, those of training or held-out ones."""

    def __init__(self, dice: Dice, phrasings: str) -> None:
        """Raises ConfigError for phrasings other than "train" and "heldout"."""
        if phrasings not in ("train", "heldout"):
            raise ConfigError(f"phrasings {phrasings!r} is unknown; choose 'train' or 'heldout'")
        self.dice = dice
        self._ways = TRAIN if phrasings == "train" else HELD_OUT

    def question(self, way: str, place: Part | None = None, **slots: str) -> tuple[Part, ...]:
        """A random wording of a way of asking, its slots filled."""
        text = self.dice.choice(self._ways[way])
        for slot in ("the", "a"):
            if slot in slots and is_plural(head(slots[slot])):
                text = agree(text, f"{{{slot}}}")
        if slots:
            text = text.format_map(slots) if place is None else text.replace("{the}", slots.get("the", ""))
        text = self._as_people_write(text)
        if place is None:
            return (text,)
        before, after = text.split("{box}" if isinstance(place, Box) else "{point}")
        return tuple(part for part in (before, place, after) if part != "")

    def _as_people_write(self, text: str) -> str:
        """A question may lose its mark; an order may gain a please or a full stop."""
        mark = self.dice.next()
        if text.endswith("?"):
            return text[:-1] if mark < 0.2 else text
        if mark < 0.1:
            return f"please {text}"
        if mark < 0.15:
            return f"{text}, please"
        return f"{text}." if mark < 0.35 else text
