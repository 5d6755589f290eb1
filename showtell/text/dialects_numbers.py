"""Boxes and points as numbers in brackets: LLaVA, Shikra, Qwen-VL, Qwen2-VL, DeepSeek-VL2, CogAgent, Fuyu, ShowUI.

    label     opening            shapes, a mark between them                closing
    a dog     [                  0.120,0.250,0.480,0.900 ; ...              ]                   Shikra
    <ref>..   <|box_start|>      (120,250),(480,900)                        <|box_end|>         Qwen2-VL

One class writes and reads all of them from these five strings; `dialects.py` has the table. A shape counts once its
last bracket or closing mark, or the mark between shapes, has been read: "[0.1, 0.2, 0.3, 0.4" may have been on its
way to 0.45 and is refused. Not here: what the numbers mean (`axis.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from showtell.core.geometry import Frame
from showtell.text.axis import NUMBER, UNFINISHED, Axis, Found, Labelled, Reading, Refused, reading

SPACE = r"\s{0,9}"  # bounded, or a page of spaces would take minutes


@dataclass(frozen=True)
class NumbersDialect:
    """Numbers in brackets.

    axis: what the numbers mean.
    frame: which frame they are fractions or pixels of, in words; the caller has it.
    box, point: a shape, with {} for each number; "" where the convention has no such shape.
    opening, closing: around the shapes of one label.
    between: between two shapes of one label; "" where each has its own brackets.
    label: around the label, as "<ref>{}</ref>"; "{} " for plain words before it, which reading cannot tell from prose.
    width: digits of a number, zeros in front.
    """

    axis: Axis
    frame: str
    box: str = ""
    point: str = ""
    opening: str = ""
    closing: str = ""
    between: str = ""
    label: str = "{} "
    width: int = 0

    def write(self, items: Sequence[Labelled]) -> str:
        """Every label with its shapes. Raises ValueError for a kind of shape that the convention does not have."""
        return " ".join(
            self.label.format(label) + self._shapes(shapes) if label else self._shapes(shapes)
            for label, shapes in items
        )

    def read(self, text: str, frame: Frame) -> Reading:
        """Every shape in the text, in pixels of `frame`; never raises for a text."""
        items: list[Found | Refused] = []
        spans = []
        for match in self._item.finditer(text):
            spans.append(match.span())
            label = match["label"] if self._has_label else None
            for numbers in self._one.finditer(text, *match.span("shapes")):
                shape = self.axis.shape([float(number) for number in numbers.groups() if number], frame)
                start, stop = (match.start(), match.end()) if not self.between else numbers.span()
                if isinstance(shape, str):
                    items.append(Refused(text[start:stop], start, shape))
                else:
                    items.append(Found(shape, label, start, stop))
            rest = match.end()
            if self.between and text.startswith(self.between, rest):
                items.append(Refused(text[rest : rest + 60], rest, UNFINISHED))
        return reading(items, spans, [match.start() for match in self._sign.finditer(text)], text)

    def _shapes(self, shapes: Sequence[object]) -> str:
        written = []
        for shape in shapes:
            numbers = self.axis.numbers(shape)  # type: ignore[arg-type]
            form = self.box if len(numbers) == 4 else self.point
            if not form:
                raise ValueError(f"this convention has no way to write a {type(shape).__name__.lower()}")
            written.append(form.format(*(f"{number:0{self.width}.{self.axis.places}f}" for number in numbers)))
        if self.between:
            return self.opening + self.between.join(written) + self.closing
        return "".join(self.opening + shape + self.closing for shape in written)

    @property
    def _has_label(self) -> bool:
        return not self.label.startswith("{}")

    @cached_property
    def _one(self) -> re.Pattern[str]:
        return re.compile("|".join(_pattern(form, f"({NUMBER})") for form in (self.box, self.point) if form))

    @cached_property
    def _item(self) -> re.Pattern[str]:
        box, point = (_pattern(form, NUMBER) if form else r"(?!)" for form in (self.box, self.point))
        before = _pattern(self.label, "(?P<label>[^<]{0,200})") if self._has_label else ""
        opening = re.escape(self.opening) + SPACE if self.opening else ""
        closing = SPACE + re.escape(self.closing) if self.closing else ""
        bare = self.box.endswith("{}")  # no bracket of its own: only what follows tells that the last number is whole
        if self.between:
            mark = SPACE + re.escape(self.between) + SPACE
            ending = rf"(?:{closing}|(?={mark}))" if bare else rf"(?:{closing})?"
            shapes = rf"(?P<shapes>(?:{box}|{point})(?:{mark}(?:{box}|{point}))*){ending}"
        else:
            whole = rf"{box}(?={closing})" if bare else box
            # A point needs its closing mark even so: it may be the first half of a box.
            shapes = rf"(?P<shapes>{whole}|{point}(?={closing}))(?:{closing})?"
        return re.compile(rf"(?:{before})?{opening}{shapes}")

    @cached_property
    def _sign(self) -> re.Pattern[str]:
        """Where a shape is announced: the opening, or the bracket of a shape with a number or nothing after it."""
        if len(self.opening) > 1:
            return re.compile(re.escape(self.opening))
        bracket = re.escape(self.opening or (self.box or self.point)[0])
        return re.compile(rf"{bracket}{SPACE}(?=-?\d|\Z)")


def _pattern(form: str, number: str) -> str:
    """The regular expression of a form; a comma may have space after it, or not."""
    pieces = [re.escape(piece).replace(r",\ ", ",").replace(",", f"{SPACE},{SPACE}") for piece in form.split("{}")]
    return number.join(pieces)
