"""Bounds of fields that are lists: a scale of chosen numbers, places on a circle, a few names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from showtell.studio.series.bounds import Bound, bounded, number_in


@dataclass(frozen=True, kw_only=True)
class Ticks(Bound):
    """One of a rising list of numbers, drawn as a slider with a stop at each: for scales that are not even."""

    values: tuple[float, ...]
    unit: str = ""

    def read(self, text: str) -> float:
        value = number_in(text)
        near = min(self.values, key=lambda one: abs(one - value))
        if abs(near - value) > 1e-6 * max(1.0, abs(near)):
            raise ValueError(f"it is one of {', '.join(f'{one:g}' for one in self.values)}")
        return near

    def write(self, value: float) -> str:
        return f"{value:g}"

    def control(self) -> dict[str, Any]:
        return {"kind": "ticks", "values": [self.write(value) for value in self.values], "unit": self.unit}

    def examples(self) -> tuple[Any, ...]:
        return self.values[0], self.values[len(self.values) // 2], self.values[-1]


def ticks(default: float, values: Sequence[float], *, label: str, unit: str = "") -> Any:
    return bounded(default, Ticks(label=label, values=tuple(values), unit=unit))


@dataclass(frozen=True, kw_only=True)
class Angles(Bound):
    """`count` places on a circle in whole degrees, 0..359, written 10_200_35; set by moving points."""

    count: int

    def read(self, text: str) -> tuple[int, ...]:
        parts = text.split("_")
        if len(parts) != self.count or not all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts):
            raise ValueError(f"it is {self.count} whole numbers of degrees with underscores between them")
        angles = tuple(int(part) for part in parts)
        if max(angles) > 359:
            raise ValueError("degrees go from 0 to 359")
        return angles

    def write(self, value: tuple[int, ...]) -> str:
        return "_".join(map(str, value))

    def control(self) -> dict[str, Any]:
        return {"kind": "angles", "count": self.count}

    def examples(self) -> tuple[Any, ...]:
        return (0,) * self.count, tuple(360 * i // self.count for i in range(self.count)), (359,) * self.count


@dataclass(frozen=True, kw_only=True)
class Names(Bound):
    """A few short names with commas between them, none twice; `trial` are names that a view can be tried with."""

    least: int
    most: int
    letters: int = 60
    trial: tuple[tuple[str, ...], ...]

    def read(self, text: str) -> tuple[str, ...]:
        names = tuple(" ".join(part.split()) for part in text.split(","))
        if not self.least <= len(names) <= self.most:
            raise ValueError(f"it is {self.least} to {self.most} names with commas between them")
        if len(set(names)) != len(names) or not all(names):
            raise ValueError("no name may be empty or stand there twice")
        if not all(len(name) <= self.letters and name.isprintable() for name in names):
            raise ValueError(f"a name has at most {self.letters} printable characters")
        return names

    def write(self, value: tuple[str, ...]) -> str:
        return ", ".join(value)

    def control(self) -> dict[str, Any]:
        return {"kind": "words", "most": (self.letters + 2) * self.most}

    def examples(self) -> tuple[Any, ...]:
        return self.trial
