"""Boxes and points drawn on a picture, so that a person can check an answer at a glance.

    ┌ red flag ┐                a tab with the label, outside the box where there is room
    ├──────────┴───────┐
    │                  │        one colour a label, from a set that colour-blind readers can tell apart;
    │        ◎         │        a dark casing under every coloured line, so that it shows on any background
    └──────────────────┘

Lines grow with the picture, never with the box. The overlay is drawn several times larger and scaled down, which is
what makes edges smooth: Pillow's own lines are not antialiased. Colours: Okabe and Ito, "Color Universal Design"
(2008). Not here: where boxes come from, and masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Corners = tuple[float, float, float, float]
Rgb = tuple[int, int, int]

# Okabe-Ito without black, in the order in which neighbours differ most in hue *and* lightness on photographs.
PALETTE: tuple[Rgb, ...] = (
    (230, 159, 0),
    (0, 114, 178),
    (240, 228, 66),
    (213, 94, 0),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
)
INK, PAPER, CASING = (17, 17, 17), (255, 255, 255), (0, 0, 0, 150)
SUPERSAMPLED_PIXELS = 24_000_000


def draw_boxes(
    pixels: np.ndarray,
    boxes: Sequence[tuple[str, Corners]] = (),
    points: Sequence[tuple[str, tuple[float, float]]] = (),
    *,
    enlarge_to: int = 640,
    tint: bool = True,
) -> Image.Image:
    """The picture with labelled boxes (x1, y1, x2, y2) and points (x, y), all in pixels of `pixels`.

    pixels: uint8[height, width, 3]. A picture whose longer side is under `enlarge_to` pixels is enlarged to it first,
    so that labels can be read; a larger one keeps its size. An empty label draws no tab. `tint` lays a breath of
    colour inside each box that leaves most of the picture alone. Boxes are cut at the picture's edge.
    """
    height, width = pixels.shape[:2]
    enlarge = max(1.0, enlarge_to / max(width, height))
    size = (round(width * enlarge), round(height * enlarge))
    base = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC) if enlarge > 1 else Image.fromarray(pixels)
    if not boxes and not points:
        return base
    colours = _colours([label for label, _ in boxes] + [label for label, _ in points])
    pen = _Pen.on(size)
    to_canvas = enlarge * pen.supersample
    # Large boxes first: the small one inside stays on top.
    for label, corners in sorted(boxes, key=lambda item: -_area(item[1])):
        pen.box(tuple(value * to_canvas for value in corners), colours[label], tint)
    for label, (x, y) in points:
        pen.ring(x * to_canvas, y * to_canvas, colours[label])
    # Tabs last, so that no line crosses a word.
    for label, (x1, y1, x2, y2) in boxes:
        pen.tab(label, (x1 * to_canvas, y1 * to_canvas, x2 * to_canvas, y2 * to_canvas), colours[label], inside=True)
    for label, (x, y) in points:
        reach = pen.line * 5
        around = (x * to_canvas - reach, y * to_canvas - reach, x * to_canvas + reach, y * to_canvas + reach)
        pen.tab(label, around, colours[label], inside=False)
    return pen.over(base)


def _area(corners: Corners) -> float:
    return (corners[2] - corners[0]) * (corners[3] - corners[1])


def _colours(labels: Sequence[str]) -> dict[str, Rgb]:
    return {label: PALETTE[i % len(PALETTE)] for i, label in enumerate(dict.fromkeys(labels))}


def _readable_on(colour: Rgb) -> Rgb:
    """Black or white, whichever has the higher contrast on `colour` (relative luminance of WCAG 2)."""
    linear = [((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return INK if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else PAPER


@dataclass
class _Pen:
    """A transparent overlay, `supersample` times the picture, and the sizes everything on it is drawn with."""

    canvas: Image.Image
    supersample: int
    line: int
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    taken: list[Corners] = field(default_factory=list)

    @classmethod
    def on(cls, size: tuple[int, int]) -> "_Pen":
        supersample = max(1, min(3, int((SUPERSAMPLED_PIXELS / (size[0] * size[1])) ** 0.5)))
        line = max(2.0, max(size) / 240) * supersample
        font = ImageFont.load_default(size=max(13.0, max(size) / 36) * supersample)
        canvas = Image.new("RGBA", (size[0] * supersample, size[1] * supersample), (0, 0, 0, 0))
        return cls(canvas, supersample, round(line), font)

    def over(self, base: Image.Image) -> Image.Image:
        overlay = self.canvas.resize(base.size, Image.Resampling.BOX)
        return Image.alpha_composite(base.convert("RGBA"), overlay).convert("RGB")

    def box(self, corners: Corners, colour: Rgb, tint: bool) -> None:
        x1, y1, x2, y2 = self._inside(corners)
        size = (max(1, round(x2 - x1)), max(1, round(y2 - y1)))
        layer = Image.new("RGBA", size, (0, 0, 0, 0))
        pen = ImageDraw.Draw(layer)
        whole = (0, 0, size[0] - 1, size[1] - 1)
        line = max(1, min(self.line, min(size) // 4))
        radius = min(self.line * 2, min(size) // 4)
        edge = max(1, line // 3)
        # The outer edge of the line is the box: what a reader measures is what the model said.
        # A tint over most of the picture only changes its colours.
        tint = tint and size[0] * size[1] < 0.4 * self.canvas.width * self.canvas.height
        pen.rounded_rectangle(whole, radius, outline=CASING, width=line + edge, fill=(*colour, 26) if tint else None)
        pen.rounded_rectangle(whole, radius, outline=(*colour, 255), width=line)
        self.canvas.alpha_composite(layer, (round(x1), round(y1)))

    def ring(self, x: float, y: float, colour: Rgb) -> None:
        pen = ImageDraw.Draw(self.canvas)
        edge = max(1, self.line // 3)
        for radius, width, fill in (
            (self.line * 4 + edge, self.line + 2 * edge, CASING),
            (self.line * 4, self.line, (*colour, 255)),
        ):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=fill, width=width)
        for dot, fill in ((self.line * 1.3 + edge, CASING), (self.line * 1.3, (*colour, 255))):
            pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=fill)

    def tab(self, label: str, corners: Corners, colour: Rgb, inside: bool) -> None:
        if not label.strip():
            return
        padding = self.line * 2
        text = self._fitted(label, self.canvas.width - 2 * padding)
        _, top, _, bottom = self.font.getbbox("Hg", anchor="ls")
        width, height = self.font.getlength(text) + 2 * padding, bottom - top + padding * 1.2
        place = self._free_place(corners, width, height, inside)
        pen = ImageDraw.Draw(self.canvas)
        pen.rounded_rectangle(place, radius=self.line * 1.5, fill=(*colour, 255))
        baseline = place[1] + padding * 0.6 - top
        pen.text((place[0] + padding, baseline), text, font=self.font, fill=_readable_on(colour), anchor="ls")
        self.taken.append(place)

    def _fitted(self, label: str, width: float) -> str:
        text = " ".join(label.split())
        if self.font.getlength(text) <= width:
            return text
        while text and self.font.getlength(text + "…") > width:
            text = text[:-1]
        return text.rstrip() + "…"

    def _free_place(self, corners: Corners, width: float, height: float, inside: bool) -> Corners:
        """Above the box, below it, inside its corners: the first place on the picture that covers no other tab."""
        x1, y1, x2, y2 = self._inside(corners)
        gap = self.line * 0.5
        starts = [(x1, y1 - height - gap), (x2 - width, y1 - height - gap), (x1, y2 + gap), (x2 - width, y2 + gap)]
        if inside:
            inset = self.line * 2
            starts += [(x1 + inset, y1 + inset), (x1 + inset, y2 - height - inset)]
        starts += [(x2 + gap, y1), (x1 - width - gap, y1)]
        places = [self._shifted(x, y, width, height) for x, y in starts]
        return min(
            places, key=lambda place: (self._covered(place) + self._moved(place, starts, places), places.index(place))
        )

    def _shifted(self, x: float, y: float, width: float, height: float) -> Corners:
        x = min(max(x, 0), self.canvas.width - width)
        y = min(max(y, 0), self.canvas.height - height)
        return x, y, x + width, y + height

    def _covered(self, place: Corners) -> float:
        overlaps = [
            max(0.0, min(place[2], other[2]) - max(place[0], other[0]))
            * max(0.0, min(place[3], other[3]) - max(place[1], other[1]))
            for other in self.taken
        ]
        return sum(overlaps)

    def _moved(self, place: Corners, starts: Sequence[tuple[float, float]], places: Sequence[Corners]) -> float:
        """How much a place had to give way to the picture's edge vertically: a tab pushed onto its own box hides it."""
        start = starts[places.index(place)]
        return abs(place[1] - start[1]) * (place[2] - place[0])

    def _inside(self, corners: Corners) -> Corners:
        width, height = self.canvas.size
        x1, y1, x2, y2 = corners
        return max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2)
