"""Boxes as tokens of their own: PaliGemma, Florence-2, DocTags, Kosmos-2.

    PaliGemma   <loc0256><loc0123><loc0922><loc0492> dog ; <loc....    y first, then the label; a mask: 16 <segNNN> more
    Florence-2  dog<loc_120><loc_250><loc_480><loc_900><loc_..             the label, then all of its boxes
    DocTags     <text><loc_60><loc_125><loc_240><loc_450>Dear Sir</text>   a tag, the box, what stands there
    Kosmos-2    <phrase>a dog</phrase><object><patch_index_0259><patch_index_0911></object>

Runs of tokens are read in fours; what is left over, or a number that is not in the vocabulary (<loc_1000>), is
refused. The tokens must survive decoding: `skip_special_tokens` erases them in most tokenizers. Not here: the decoder
of mask codes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from showtell.core.geometry import Box, Frame, Point
from showtell.text.axis import Axis, Found, Labelled, Reading, Refused, reading

CODES = r"(?P<codes>(?:<seg\d{3}>){16})?"


@dataclass(frozen=True)
class TokensDialect:
    """Four location tokens a box.

    axis: what the tokens count.
    frame: which frame they are fractions of, in words.
    token: the name of a token, with a format for its number.
    item: one label with its boxes, as written: {label} and {boxes}.
    reads: the same to read, a regular expression with the groups `boxes` and, where it is known, `label`.
    separator: between items.
    one_each: whether every box repeats its label.
    """

    axis: Axis
    frame: str
    token: str
    item: str
    reads: str
    separator: str = ""
    one_each: bool = False

    def write(self, items: Sequence[Labelled]) -> str:
        """Every label with its boxes. Raises ValueError for points, which these conventions do not have."""
        parts = []
        for label, shapes in items:
            boxes = [self._tokens(shape) for shape in shapes]
            for together in boxes if self.one_each else ["".join(boxes)]:
                parts.append(self.item.format(label=label, boxes=together))
        return self.separator.join(parts)

    def read(self, text: str, frame: Frame) -> Reading:
        """Every box in the text, in pixels of `frame`; never raises for a text."""
        items: list[Found | Refused] = []
        spans = []
        for match in self._item.finditer(text):
            spans.append(match.span())
            label = (match["label"] or "").strip() or None
            codes = tuple(map(int, re.findall(r"<seg(\d{3})>", match.groupdict().get("codes") or "")))
            tokens = list(self._token.finditer(text, *match.span("boxes")))
            for first in range(0, len(tokens), 4):
                four = tokens[first : first + 4]
                start, stop = four[0].start(), four[-1].end()
                found = self._box([int(token[1]) for token in four], frame)
                if isinstance(found, str):
                    items.append(Refused(text[start:stop], start, found))
                else:
                    items.append(Found(found, label, start, stop, codes if len(tokens) == 4 else ()))
        return reading(items, spans, [match.start() for match in self._token.finditer(text)], text)

    def _tokens(self, shape: Box | Point) -> str:
        numbers = self.axis.numbers(shape)
        if len(numbers) != 4:
            raise ValueError("this convention has no way to write a point")
        return "".join(self.token.format(int(number)) for number in numbers)

    def _box(self, numbers: list[int], frame: Frame) -> Box | str:
        if len(numbers) != 4:
            return f"{len(numbers)} location tokens left over; a box has 4"
        top = self.axis.top if self.axis.top is not None else self.axis.scale
        if isinstance(top, int | float) and max(numbers) > top:
            return f"{max(numbers)} is not one of the location tokens, which end at {top:g}"
        shape = self.axis.shape(numbers, frame)
        return shape if isinstance(shape, Box | str) else "a point where a box was expected"

    @cached_property
    def _token(self) -> re.Pattern[str]:
        return re.compile(re.escape(re.sub(r"\{[^}]*\}", "@", self.token)).replace("@", r"(\d{1,9})"))

    @cached_property
    def _item(self) -> re.Pattern[str]:
        return re.compile(self.reads.replace("BOXES", rf"(?P<boxes>(?:{self._token.pattern.replace('(', '(?:')})+)"))


@dataclass(frozen=True)
class PatchDialect:
    """Kosmos-2: a box is the patches of its top left and bottom right corners, on a grid of `side` patches a side.

    A box of one row or column of patches is those whole patches; any other runs from middle to middle.
    """

    side: int = 32
    frame: str = "the picture as the model sees it"

    def write(self, items: Sequence[Labelled]) -> str:
        """Every phrase with its boxes. Raises ValueError for points."""
        parts = []
        for label, shapes in items:
            boxes = "</delimiter_of_multi_objects/>".join("".join(map(self._name, self._corners(s))) for s in shapes)
            phrase = f"<phrase>{label}</phrase>" if label else ""
            parts.append(f"{phrase}<object>{boxes}</object>")
        return "".join(parts)

    def read(self, text: str, frame: Frame) -> Reading:
        """Every box in the text, in pixels of `frame`; never raises for a text."""
        items: list[Found | Refused] = []
        spans = []
        for match in KOSMOS_ITEM.finditer(text):
            spans.append(match.span())
            for pair in KOSMOS_PAIR.finditer(text, *match.span("boxes")):
                box = self._box(int(pair[1]), int(pair[2]), frame)
                if isinstance(box, str):
                    items.append(Refused(pair[0], pair.start(), box))
                else:
                    items.append(Found(box, (match["label"] or "").strip() or None, *pair.span()))
        return reading(items, spans, [match.start() for match in re.finditer("<patch_index_", text)], text)

    def _corners(self, shape: object) -> tuple[int, int]:
        if not isinstance(shape, Box):
            raise ValueError("this convention has no way to write a point")
        marks = [position * self.side for position in shape.clip().unit]
        column, row = (min(int(mark + 1e-9), self.side - 1) for mark in marks[:2])
        right, bottom = (max(-int(-mark // 1) - 1, first) for mark, first in zip(marks[2:], (column, row), strict=True))
        return row * self.side + column, bottom * self.side + right

    def _box(self, first: int, last: int, frame: Frame) -> Box | str:
        if max(first, last) >= self.side**2:
            return f"patch {max(first, last)} is not one of {self.side**2}"
        (y1, x1), (y2, x2) = divmod(first, self.side), divmod(last, self.side)
        if x2 < x1 or y2 < y1:
            return "the box ends before it begins"
        inset = 0.0 if x1 == x2 or y1 == y2 else 0.5
        unit = x1 + inset, y1 + inset, x2 + 1 - inset, y2 + 1 - inset
        return Box.from_unit([mark / self.side for mark in unit], frame)

    def _name(self, patch: int) -> str:
        return f"<patch_index_{patch:04d}>"


KOSMOS_PAIR = re.compile(r"<patch_index_(\d{1,9})><patch_index_(\d{1,9})>")
KOSMOS_PLAIN = r"<patch_index_\d{1,9}><patch_index_\d{1,9}>"
KOSMOS_ITEM = re.compile(
    r"(?:<phrase>(?P<label>[^<]{0,200})</phrase>)?<object>"
    rf"(?P<boxes>{KOSMOS_PLAIN}(?:</delimiter_of_multi_objects/>{KOSMOS_PLAIN})*)"
)
