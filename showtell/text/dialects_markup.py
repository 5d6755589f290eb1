"""Boxes and points as JSON or tags: Qwen2.5-VL, Qwen3-VL, Gemini, Molmo. And Moondream's, which are no text at all.

    Qwen2.5, Qwen3   ```json [{"bbox_2d": [120, 250, 480, 900], "label": "dog"}, ...] ```      "point_2d" for points
    Gemini           [{"box_2d": [250, 120, 900, 480], "label": "dog"}]                        y first
    Molmo            <point x="61.5" y="40.4" alt="dog">dog</point>     <points x1= y1= x2= y2= alt="dogs">dogs</points>
    Moondream        bins of the centre and of the size: x, y in 1024 steps, width and height as powers of two

JSON is read object by object, so that a list that was cut short still gives the objects before the cut; an object
that is not JSON is refused, never repaired. Molmo's points stand in order of their x.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from showtell.core.geometry import Box, Frame, Point
from showtell.text.axis import Axis, Found, Labelled, Reading, Refused, reading

PERCENT = Axis(scale=100, places=1)
OBJECT = re.compile(r'\{(?:[^{}"]|"(?:[^"\\]|\\.){0,2000}")*\}')
POINT_TAG = re.compile(r"<points?\s([^<>]*)>(?:([^<]{0,200})</points?>)?")
ATTRIBUTE = re.compile(r'\b([xy])(\d{0,4})="\s*(-?\d{1,6}(?:\.\d{1,6})?)"')


@dataclass(frozen=True)
class JsonDialect:
    """Objects with a box or a point and a label.

    axis: what the numbers mean.
    frame: which frame they refer to, in words.
    box_key, point_key: names of the fields.
    """

    axis: Axis
    frame: str
    box_key: str
    point_key: str

    def write(self, items: Sequence[Labelled]) -> str:
        """One object a shape, in a fenced block."""
        objects = []
        for label, shapes in items:
            for shape in shapes:
                numbers = [int(number) for number in self.axis.numbers(shape)]
                objects.append({self.box_key if len(numbers) == 4 else self.point_key: numbers, "label": label})
        lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in objects)
        return f"```json\n[\n{lines}\n]\n```"

    def read(self, text: str, frame: Frame) -> Reading:
        """Every shape in the text, in pixels of `frame`; never raises for a text."""
        items: list[Found | Refused] = []
        spans = []
        for match in OBJECT.finditer(text):
            said = match[0]
            if self.box_key in said or self.point_key in said:
                spans.append(match.span())
                items.append(self._item(said, match.start(), frame))
        keys = rf'"(?:{re.escape(self.box_key)}|{re.escape(self.point_key)})"'
        return reading(items, spans, [match.start() for match in re.finditer(keys, text)], text)

    def _item(self, said: str, start: int, frame: Frame) -> Found | Refused:
        try:
            one = json.loads(said)
        except (ValueError, RecursionError):
            return Refused(said, start, "not JSON")
        key, length = (self.box_key, 4) if self.box_key in one else (self.point_key, 2)
        numbers = one.get(key)
        if not isinstance(numbers, list) or len(numbers) != length or not all(map(_is_number, numbers)):
            return Refused(said, start, f"{key} should hold {length} numbers")
        shape = self.axis.shape(numbers, frame)
        if isinstance(shape, str):
            return Refused(said, start, shape)
        label = one.get("label")
        return Found(shape, label if isinstance(label, str) else None, start, start + len(said))


@dataclass(frozen=True)
class MolmoDialect:
    """Points as tags, in percent of the picture with one decimal."""

    axis: Axis = PERCENT
    frame: str = "the original picture"

    def write(self, items: Sequence[Labelled]) -> str:
        """One tag a label. Raises ValueError for boxes, which Molmo does not write."""
        return " ".join(self._tag(label, shapes) for label, shapes in items)

    def read(self, text: str, frame: Frame) -> Reading:
        """Every point in the text, in pixels of `frame`; never raises for a text."""
        items: list[Found | Refused] = []
        spans = []
        for match in POINT_TAG.finditer(text):
            spans.append(match.span())
            alt = re.search(r'\balt="([^"<>]*)"', match[1])
            label = alt[1] if alt else match[2]
            places: dict[str, dict[str, float]] = {}
            for side, number, value in ATTRIBUTE.findall(match[1]):
                places.setdefault(number, {})[side] = float(value)
            for place in places.values():
                shape = self.axis.shape([place["x"], place["y"]], frame) if len(place) == 2 else "an x without its y"
                if isinstance(shape, str):
                    items.append(Refused(match[0], match.start(), shape))
                else:
                    items.append(Found(shape, label, *match.span()))
            if not places:
                items.append(Refused(match[0], match.start(), "a point without coordinates"))
        return reading(items, spans, [match.start() for match in re.finditer(r"<points?\b", text)], text)

    def _tag(self, label: str, shapes: Sequence[Any]) -> str:
        if not all(isinstance(shape, Point) for shape in shapes):
            raise ValueError("this convention has no way to write a box")
        places = sorted((self.axis.numbers(shape) for shape in shapes), key=lambda place: place[0])
        if len(places) == 1:
            return f'<point x="{places[0][0]:.1f}" y="{places[0][1]:.1f}" alt="{label}">{label}</point>'
        sides = " ".join(f'x{i}="{x:.1f}" y{i}="{y:.1f}"' for i, (x, y) in enumerate(places, start=1))
        return f'<points {sides} alt="{label}">{label}</points>'


@dataclass(frozen=True)
class MoondreamBins:
    """Moondream 2's heads: two bins for a centre or point, two for a size; no text.

    A centre's bin b is b / 1024, a size's 2^(10 b / 1023 - 10): steps of 0.7 percent, from 1/1024 to the whole side.
    """

    bins: int = 1024
    frame: str = "the original picture"

    def encode(self, shape: Box | Point) -> tuple[int, ...]:
        """(x, y) of a point, (x, y, width, height) of a box, all as bins."""
        box = shape.clip()
        center = box.center if isinstance(box, Box) else box
        places = tuple(min(int(position * self.bins), self.bins - 1) for position in center.unit)
        if isinstance(box, Point):
            return places
        sizes = box.width / box.frame.width, box.height / box.frame.height
        return places + tuple(round((math.log2(max(size, 2**-10)) + 10) / 10 * (self.bins - 1)) for size in sizes)

    def decode(self, bins: Sequence[int], frame: Frame) -> Box | Point:
        """The shape. Raises ValueError unless there are two or four bins, all in range."""
        if len(bins) not in (2, 4) or not all(0 <= one < self.bins for one in bins):
            raise ValueError(f"a point has 2 bins and a box 4, from 0 to {self.bins - 1}, not {list(bins)}")
        x, y = (one / self.bins for one in bins[:2])
        if len(bins) == 2:
            return Point.from_unit((x, y), frame)
        width, height = (2 ** (one / (self.bins - 1) * 10 - 10) for one in bins[2:])
        return Box.from_unit((x - width / 2, y - height / 2, x + width / 2, y + height / 2), frame)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
