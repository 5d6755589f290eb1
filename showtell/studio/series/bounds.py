"""Bounds: what each field of a demo's state may be, said once, for the URL, the controls and the tests.

    @dataclass(frozen=True)
    class State:
        patch: int = stepped(12, low=4, high=24, step=4, label="Patch side", unit="px")
        kind: str = one_of("pca", {"pca": "principal components", "random": "random weights"}, label="Weights")

    ?patch=8&kind=random  --read_state-->  State(patch=8, kind="random")  --write_state-->  {"patch": "8", ...}

A state either passes `read_state` whole or is refused with one sentence that names the field; no `view` checks anything
again. Text longer than `MOST_CHARACTERS` is not looked at; nothing is evaluated. Fields that live on a grid are in
`grid_bounds.py`, lists and places on a circle in `list_bounds.py`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from showtell.studio.limits import RequestError

MOST_CHARACTERS = 600
S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class Bound(ABC):
    """What one field may be.

    label: its name on the page.
    """

    label: str

    @abstractmethod
    def read(self, text: str) -> Any:
        """The value that `text` writes; raises ValueError with what is possible instead."""

    @abstractmethod
    def write(self, value: Any) -> str:
        """The inverse of `read`."""

    @abstractmethod
    def control(self) -> dict[str, Any]:
        """What the page needs to draw the control; `kind` says which."""

    @abstractmethod
    def examples(self) -> tuple[Any, ...]:
        """A few values inside the bound, its corners among them; tests run every view on them."""


@dataclass(frozen=True, kw_only=True)
class Stepped(Bound):
    """A number low, low + step, ..., high; whole when `step` is. `runs`: the page can let it run to its end."""

    low: float
    high: float
    step: float
    unit: str = ""
    runs: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.step, int) and isinstance(self.low, int)

    @property
    def count(self) -> int:
        return round((self.high - self.low) / self.step) + 1

    def at(self, index: int) -> float:
        value = self.low + index * self.step
        return round(value) if self.whole else round(value, 6)

    def read(self, text: str) -> float:
        value = number_in(text)
        index = round((value - self.low) / self.step) if abs(value) < 1e9 else -1
        if not 0 <= index < self.count or abs(self.at(index) - value) > 1e-6:
            raise ValueError(f"it goes from {self.low:g} to {self.high:g} in steps of {self.step:g}")
        return self.at(index)

    def write(self, value: float) -> str:
        return f"{value:.6g}"

    def control(self) -> dict[str, Any]:
        return {"kind": "slider", "low": self.low, "high": self.high, "step": self.step} | {
            "unit": self.unit,
            "runs": self.runs,
        }

    def examples(self) -> tuple[Any, ...]:
        return self.at(0), self.at(self.count // 2), self.at(self.count - 1)


@dataclass(frozen=True, kw_only=True)
class OneOf(Bound):
    """One of a few names; `options` maps each to what the page calls it. `typed` gives the value its type back."""

    options: Mapping[str, str]
    typed: type = str

    def read(self, text: str) -> Any:
        if text not in self.options:
            raise ValueError(f"use one of {', '.join(self.options)}")
        return self.typed(text)

    def write(self, value: Any) -> str:
        return str(value)

    def control(self) -> dict[str, Any]:
        return {"kind": "choice", "options": [[value, name] for value, name in self.options.items()]}

    def examples(self) -> tuple[Any, ...]:
        return tuple(self.typed(text) for text in self.options)


@dataclass(frozen=True, kw_only=True)
class Switch(Bound):
    """On or off."""

    def read(self, text: str) -> bool:
        if text not in ("0", "1"):
            raise ValueError("it is 0 or 1")
        return text == "1"

    def write(self, value: bool) -> str:
        return "1" if value else "0"

    def control(self) -> dict[str, Any]:
        return {"kind": "switch"}

    def examples(self) -> tuple[Any, ...]:
        return False, True


@dataclass(frozen=True, kw_only=True)
class Words(Bound):
    """A line of text."""

    most: int

    def read(self, text: str) -> str:
        words = " ".join(text.split())
        if not words or len(words) > self.most or not words.isprintable():
            raise ValueError(f"write one line of at most {self.most} characters")
        return words

    def write(self, value: str) -> str:
        return value

    def control(self) -> dict[str, Any]:
        return {"kind": "words", "most": self.most}

    def examples(self) -> tuple[Any, ...]:
        return tuple(text[: self.most].strip() for text in ("what is in the picture?", "a", "<image> is only text"))


def stepped(
    default: float, *, low: float, high: float, step: float, label: str, unit: str = "", runs: bool = False
) -> Any:
    return _bounded(default, Stepped(label=label, low=low, high=high, step=step, unit=unit, runs=runs))


def one_of(default: Any, options: Mapping[str, str], *, label: str, typed: type = str) -> Any:
    return _bounded(default, OneOf(label=label, options=options, typed=typed))


def switch(default: bool, *, label: str) -> Any:
    return _bounded(default, Switch(label=label))


def _bounded(default: Any, bound: Bound) -> Any:
    """A dataclass field that carries its bound; its default is held to it at once."""
    assert bound.read(bound.write(default)) == default, f"the default {default!r} of {bound.label!r} is out of bounds"
    return field(default=default, metadata={"bound": bound})


def bounded(default: Any, bound: Bound) -> Any:
    return _bounded(default, bound)


def bounds_of(kind: type) -> dict[str, Bound]:
    """Field name -> bound, in the order of the class."""
    return {entry.name: entry.metadata["bound"] for entry in fields(kind)}


def read_state(kind: type[S], query: Mapping[str, str]) -> S:
    """A state from the text of a URL; fields left out keep their defaults.

    Raises RequestError for an unknown field or a value out of bounds.
    """
    bounds = bounds_of(kind)
    values: dict[str, Any] = {}
    for name, text in query.items():
        if name not in bounds:
            raise RequestError(f"This figure has no setting {name[:40]!r}; it has {', '.join(bounds)}.", 422)
        try:
            if len(text) > MOST_CHARACTERS:
                raise ValueError(f"it is written in at most {MOST_CHARACTERS} characters")
            values[name] = bounds[name].read(text)
        except ValueError as error:
            raise RequestError(f"{bounds[name].label} cannot be {text[:40]!r}: {error}.", 422) from None
    return kind(**values)


def write_state(state: Any) -> dict[str, str]:
    """Field name -> text, every field."""
    return {name: bound.write(getattr(state, name)) for name, bound in bounds_of(type(state)).items()}


def example_states(kind: type[S]) -> Iterator[S]:
    """States that move one field at a time to each of its examples."""
    for name, bound in bounds_of(kind).items():
        for value in bound.examples():
            yield kind(**{name: value})


def number_in(text: str) -> float:
    """A finite number written in ASCII; raises ValueError."""
    try:
        value = float(text) if len(text) <= 24 and text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("it is a number")
    return value
