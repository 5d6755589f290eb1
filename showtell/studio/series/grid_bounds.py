"""Bounds of fields that live on a grid: a cell, a set of cells, a permutation, a table of numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from showtell.studio.series.bounds import Bound, number_in


@dataclass(frozen=True, kw_only=True)
class Cell(Bound):
    """A place in a grid, counted row by row; it is set by pointing at a widget, so it has no control of its own."""

    count: int

    def read(self, text: str) -> int:
        value = number_in(text)
        if value != int(value) or not 0 <= value < self.count:
            raise ValueError(f"it is a whole number from 0 to {self.count - 1}")
        return int(value)

    def write(self, value: int) -> str:
        return str(value)

    def control(self) -> dict[str, Any]:
        return {"kind": "pointed", "count": self.count}

    def examples(self) -> tuple[Any, ...]:
        return 0, self.count // 3, self.count - 1


@dataclass(frozen=True, kw_only=True)
class Cells(Bound):
    """Up to `most` different places in a grid, written 3.17.40 or -; set by pointing."""

    count: int
    most: int

    def read(self, text: str) -> tuple[int, ...]:
        parts = [] if text == "-" else text.split(".")
        if not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in parts):
            raise ValueError("it is written as whole numbers with points between them, or as -")
        cells = tuple(int(part) for part in parts)
        if len(set(cells)) != len(cells) or len(cells) > self.most or any(cell >= self.count for cell in cells):
            raise ValueError(f"it holds at most {self.most} different places below {self.count}")
        return cells

    def write(self, value: tuple[int, ...]) -> str:
        return ".".join(map(str, value)) or "-"

    def control(self) -> dict[str, Any]:
        return {"kind": "cells", "most": self.most}

    def examples(self) -> tuple[Any, ...]:
        return (), (0,), tuple(range(self.most)), (self.count - 1,)


@dataclass(frozen=True, kw_only=True)
class Order(Bound):
    """A permutation of 0 ... count - 1, written 2.0.1; the page offers to shuffle it and to put it back."""

    count: int

    def read(self, text: str) -> tuple[int, ...]:
        parts = text.split(".")
        if not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in parts):
            raise ValueError("it is written as whole numbers with points between them")
        order = tuple(int(part) for part in parts)
        if sorted(order) != list(range(self.count)):
            raise ValueError(f"it must hold each of 0 to {self.count - 1} exactly once")
        return order

    def write(self, value: tuple[int, ...]) -> str:
        return ".".join(map(str, value))

    def control(self) -> dict[str, Any]:
        return {"kind": "order", "count": self.count}

    def examples(self) -> tuple[Any, ...]:
        return tuple(range(self.count)), tuple(reversed(range(self.count)))


@dataclass(frozen=True, kw_only=True)
class Numbers(Bound):
    """A small square table of numbers, row by row, written 0_1_-4; `presets` are offered by name."""

    side: int
    low: float
    high: float
    presets: Mapping[str, tuple[float, ...]]

    def read(self, text: str) -> tuple[float, ...]:
        parts = text.split("_")
        if len(parts) != self.side**2:
            raise ValueError(f"it is {self.side**2} numbers with underscores between them")
        values = tuple(number_in(part) for part in parts)
        if not all(self.low <= value <= self.high for value in values):
            raise ValueError(f"each number lies from {self.low:g} to {self.high:g}")
        return values

    def write(self, value: tuple[float, ...]) -> str:
        return "_".join(f"{number:g}" for number in value)

    def control(self) -> dict[str, Any]:
        presets = [[name, self.write(values)] for name, values in self.presets.items()]
        return {"kind": "numbers", "side": self.side, "low": self.low, "high": self.high, "presets": presets}

    def examples(self) -> tuple[Any, ...]:
        return (*self.presets.values(), (0.0,) * self.side**2)
