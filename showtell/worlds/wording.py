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

_SMALL = frozenset("is the in do you me of any does have it here see show".split())
_ORDERS = frozenset(
    "find locate draw box give mark show detect point click put tap read describe caption write tell list name go "
    "count say spell identify check touch summarize".split()
)
_REQUESTS = ("could you", "would you", "i want you to", "i would like you to", "will you", "you should")
_BEFOREHAND = (
    *("hi,", "hello!", "now", "ok,", "so", "look:", "question:", "in this picture,", "here is a question:"),
    *("i wonder:", "quickly:", "next:", "and", "tell me:", "i would like to know:", "say,", "one more:"),
)
_AFTERWARDS = ("here", "in this picture", "in this scene", "on this image", "then", "exactly")


class Wording:
    """Puts questions into words, those of training or held-out ones."""

    def __init__(self, dice: Dice, phrasings: str) -> None:
        """Raises ConfigError for phrasings other than "train" and "heldout"."""
        if phrasings not in ("train", "heldout"):
            raise ConfigError(f"phrasings {phrasings!r} is unknown; choose 'train' or 'heldout'")
        self.dice = dice
        self._ways = TRAIN if phrasings == "train" else HELD_OUT
        self._varied = phrasings == "train"

    def question(self, way: str, place: Part | None = None, **slots: str) -> tuple[Part, ...]:
        """A random wording of a way of asking, its slots filled."""
        text = self.dice.choice(self._ways[way])
        if self._varied:
            text = self._hasty(text)
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

    def _hasty(self, text: str) -> str:
        """Now and then one small word is left out, so that no question hangs on a single one of them."""
        words = text.split(" ")
        droppable = [i for i, word in enumerate(words) if word in _SMALL]
        if len(words) < 4 or not droppable or not self.dice.chance(0.1):
            return text
        dropped = self.dice.choice(droppable)
        return " ".join(word for i, word in enumerate(words) if i != dropped)

    def _as_people_write(self, text: str) -> str:
        """Words before or after it that ask nothing; a question may lose its mark, an order gain a please."""
        if self._varied and self.dice.chance(0.22):
            text = self._wrapped(text)
        mark = self.dice.next()
        if text.endswith("?"):
            return text[:-1] if mark < 0.2 else text
        if mark < 0.1:
            return f"please {text}"
        if mark < 0.15:
            return f"{text}, please"
        return f"{text}." if mark < 0.35 else text

    def _wrapped(self, text: str) -> str:
        """The same question or order with a polite or empty phrase around it."""
        order = text.partition(" ")[0] in _ORDERS
        if order and self.dice.chance(0.5):
            return f"{self.dice.choice(_REQUESTS)} {text}?"
        if not order and text.endswith("?") and self.dice.chance(0.2):
            return f"{text[:-1]} {self.dice.choice(_AFTERWARDS)}?"
        return f"{self.dice.choice(_BEFOREHAND)} {text}"
