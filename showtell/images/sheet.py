"""A sheet of pictures: what a search found, or what a classifier got wrong, to be taken in at one glance.

    "a red flower"                                   8,121 pictures · pocket-clip
    ┌────────┐ ┌────────┐ ┌────────┐ ┌────────┐
    │   ✿    │ │   ✿    │ │        │ │        │      each picture whole, on white, none enlarged beyond four times
    ├━━━━━━──┤ ├━━━━━───┤ ├━━━━────┤ ├━━━─────┤      a bar of 0..1 along the lower edge
    └────────┘ └────────┘ └────────┘ └────────┘
    rose.png   tulip.png  ...                        two lines of words, cut with "…" where they do not fit

Everything is laid out at twice the size of the result and scaled down, which smooths edges and type. Letters that
Pillow's own typeface lacks are written with a typeface of the system, if it has one that can. Not here: boxes on a
picture (`draw.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from showtell.images.draw import PALETTE, Rgb

TILE, GAP, MARGIN, PADDING = 184, 22, 36, 9
LINE, HEADING, SMALL = 15, 25, 13
FINER = 2
ENLARGED = 4.0
INK, DIM, FRAME, GROUND, PAPER, TRACK = (
    (28, 28, 30),
    (118, 116, 112),
    (226, 223, 217),
    (248, 247, 244),
    (255,) * 3,
    (238,) * 3,
)
WRONG, RIGHT, ACCENT = (196, 62, 28), (0, 128, 96), PALETTE[1]
SYSTEM_FONTS = ("NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial Unicode.ttf", "arial.ttf")
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One picture of a sheet.

    pixels: uint8[height, width, 3]; None for one that is not there any more.
    label, note: the two lines under it.
    share: length of the bar, 0..1; None = no bar.
    color: of the bar and the label.
    """

    pixels: np.ndarray | None
    label: str
    note: str = ""
    share: float | None = None
    color: Rgb = ACCENT
    label_color: Rgb = INK


def draw_sheet(
    cells: Sequence[Cell], heading: str, note: str = "", columns: int = 6, query: np.ndarray | None = None
) -> Image.Image:
    """The sheet.

    Args:
        heading: large, at the upper left.
        note: small, at the upper right.
        query: a picture shown before the heading.
    """
    columns = max(1, min(columns, max(len(cells), 3)))
    rows = max(1, -(-len(cells) // columns))
    head = 118 if query is not None else 84
    width = 2 * MARGIN + columns * TILE + (columns - 1) * GAP
    height = head + rows * (TILE + 62) + MARGIN - 14
    sheet = Image.new("RGB", (width * FINER, height * FINER), GROUND)
    pen = ImageDraw.Draw(sheet)
    left = MARGIN
    if query is not None:
        _tile(sheet, pen, query, MARGIN, 24, 76)
        left += 76 + 16
    middle = head // 2 + 2
    used = _write(pen, note, width - MARGIN, middle, SMALL, DIM, (width - 2 * MARGIN) * 0.5, anchor="rm")
    _write(pen, heading, left, middle, HEADING, INK, width - MARGIN - left - used - 24, anchor="lm")
    for i, cell in enumerate(cells):
        x, y = MARGIN + i % columns * (TILE + GAP), head + i // columns * (TILE + 62)
        _tile(sheet, pen, cell.pixels, x, y, TILE)
        if cell.share is not None:
            _bar(pen, x, y + TILE + 6, min(max(cell.share, 0.0), 1.0), cell.color)
        _write(pen, cell.label, x, y + TILE + 23, LINE, cell.label_color, TILE)
        _write(pen, cell.note, x, y + TILE + 41, SMALL, DIM, TILE)
    return sheet.resize((width, height), Image.Resampling.LANCZOS)


def _tile(sheet: Image.Image, pen: ImageDraw.ImageDraw, pixels: np.ndarray | None, x: int, y: int, side: int) -> None:
    """A card of `side` with the whole picture in its middle."""
    corners = [value * FINER for value in (x, y, x + side, y + side)]
    pen.rounded_rectangle(corners, radius=8 * FINER, fill=PAPER, outline=FRAME, width=FINER)
    if pixels is None:
        _write(pen, "not there any more", x + side / 2, y + side / 2, SMALL, DIM, side - 16, anchor="mm")
        return
    room = (side - 2 * PADDING) * FINER
    picture = Image.fromarray(pixels)
    scale = min(room / max(picture.size), ENLARGED * FINER)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    corner = (x * FINER + (side * FINER - size[0]) // 2, y * FINER + (side * FINER - size[1]) // 2)
    sheet.paste(picture, corner)


def _bar(pen: ImageDraw.ImageDraw, x: int, y: int, share: float, color: Rgb) -> None:
    for length, fill in ((1.0, TRACK), (share, color)):
        if length * TILE >= 3:
            corners = [value * FINER for value in (x, y, x + TILE * length, y + 3)]
            pen.rounded_rectangle(corners, radius=1.5 * FINER, fill=fill)


def _write(
    pen: ImageDraw.ImageDraw, words: str, x: float, y: float, size: int, fill: Rgb, room: float, anchor: str = "lm"
) -> float:
    """Words on one line, cut where they do not fit; how wide they became."""
    words = " ".join(words.split())
    font = font_for(words, size * FINER)
    if font.getlength(words) > room * FINER:
        while words and font.getlength(words + "…") > room * FINER:
            words = words[:-1]
        words = words.rstrip() + "…"
    pen.text((x * FINER, y * FINER), words, fill=fill, font=font, anchor=anchor)
    return font.getlength(words) / FINER


def font_for(words: str, size: int) -> Font:
    """A typeface that has the letters of `words`; Pillow's own has those of western Europe."""
    plain = all(ord(letter) < 0x180 or letter in "…·–—’“”×" for letter in words)
    return _own_font(size) if plain else _system_font(size) or _own_font(size)


@lru_cache(maxsize=32)
def _own_font(size: int) -> Font:
    return ImageFont.load_default(size=size)


@lru_cache(maxsize=32)
def _system_font(size: int) -> Font | None:
    for name in SYSTEM_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None
