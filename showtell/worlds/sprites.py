"""Sprites: one thing, cut out and ready to be laid on a picture.

    picture <- picture * (1 - alpha) + premultiplied

A sprite is a small window with coverage (`alpha`) and colour already multiplied by it, so that laying it down is one
multiply and one add, and resampling never drags the colour of invisible pixels into an edge. `solid` (alpha > 1/2) are
the pixels that the thing owns: boxes and the instance map are made of them. Not here: where it is laid (`layout.py`).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from showtell.worlds.backgrounds import field
from showtell.worlds.dice import Dice
from showtell.worlds.shapes import RAMP, SHAPES, shade, signed_distance
from showtell.worlds.words import letters


@dataclass(frozen=True, kw_only=True, eq=False)
class Sprite:
    """A thing on a tight window."""

    kind: str
    """"shape", "cutout" or "word"."""
    name: str
    """What one calls it."""
    alpha: Float32[np.ndarray, "height width"]
    """Coverage 0..1."""
    premultiplied: Float32[np.ndarray, "3 height width"]
    """Colour 0..255 times coverage."""
    solid: Bool[np.ndarray, "height width"]
    """The pixels it owns."""
    extent: tuple[int, int, int, int]
    """x1, y1, x2, y2 of the solid pixels inside the window."""
    pixels: int
    """How many solid pixels there are."""
    color: str | None = None
    """A colour word where it is safe."""
    text: str | None = None
    """The letters of a word."""
    instance: str | None = None
    """Which cut-out."""
    letters: tuple[float, ...] = ()
    """x of the borders between the letters of a word, in pixels of the window."""


def _sprite(
    alpha: np.ndarray, premultiplied: np.ndarray, letters: tuple[float, ...] = (), **facts: str | None
) -> Sprite | None:
    """Trim to the solid pixels and a rim of one; None when hardly anything is there."""
    solid = np.greater(alpha, 0.5)
    rows, columns = solid.any(1).nonzero()[0], solid.any(0).nonzero()[0]
    if len(rows) == 0:
        return None
    height, width = alpha.shape
    y1, y2, x1, x2 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    top, left, bottom, right = max(0, y1 - 1), max(0, x1 - 1), min(height, y2 + 1), min(width, x2 + 1)
    solid = solid[top:bottom, left:right]
    return Sprite(
        alpha=alpha[top:bottom, left:right],
        premultiplied=premultiplied[:, top:bottom, left:right],
        solid=solid,
        extent=(x1 - left, y1 - top, x2 - left, y2 - top),
        pixels=int(np.count_nonzero(solid)),
        letters=tuple(x - left for x in letters),
        **facts,  # type: ignore[arg-type]
    )


def shape_sprite(shape: str, color: str, side: float, dice: Dice, second: str | None = None) -> Sprite | None:
    """A coloured shape about `side` pixels wide: any shade of its colour, turned a little, flat, shaded or outlined.

    With a `second` colour it is striped, clouded or blended in both, and no colour word is true of it.
    """
    radius = side / 2
    size = 2 * math.ceil(radius * 1.08) + 2
    turn = math.radians(dice.between(-1, 1) * SHAPES[shape][1])
    center = (size / 2 + dice.between(-0.5, 0.5), size / 2 + dice.between(-0.5, 0.5))
    distance = signed_distance(shape, radius, math.cos(turn), math.sin(turn), center, size)
    alpha = np.minimum(np.maximum(np.float32(0.5) - distance, 0), 1)
    rgb = np.array(shade(color, dice.next(), dice.next(), dice.next()), dtype=np.float32)
    premultiplied = alpha[None] * rgb[:, None, None]
    if second is not None:
        other = np.array(shade(second, dice.next(), dice.next(), dice.next()), dtype=np.float32)
        blend = field(dice.choice(("stripes", "stripes", "noise", "gradient")), size, size, dice)
        premultiplied += (alpha * blend)[None] * (other - rgb)[:, None, None]
    style = dice.next()
    if style < 0.15 and side >= 16:  # a darker rim, one to two pixels wide
        rim = np.clip(distance + dice.between(1.5, 2.5), 0, 1)
        premultiplied *= 1 - np.float32(0.35) * rim
    elif style < 0.35:  # lit from above
        premultiplied *= (1 - np.float32(dice.between(0.08, 0.20) / size) * RAMP[:size])[:, None]
    return _sprite(alpha, premultiplied, kind="shape", name=shape, color=None if second else color)


def cutout_sprite(
    rgba: UInt8[np.ndarray, "rows columns 4"], name: str, instance: str, side: float, most: float, dice: Dice
) -> Sprite | None:
    """A cut-out of about `side` pixels: mirrored, stretched, turned, brighter, paler or of another hue at random.

    A slender thing is drawn longer (up to 1.7 times `side`, never more than `most`) so that it can still be recognised.
    """
    picture = Image.fromarray(rgba).convert("RGBa")
    slender = min(1.7, (max(picture.size) / min(picture.size)) ** 0.45)
    scale = max(side, min(side * slender, most)) / max(picture.size)
    stretch = math.exp(dice.between(-0.14, 0.14))
    size = (max(3, round(picture.width * scale * stretch)), max(3, round(picture.height * scale / stretch)))
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BILINEAR if scale < 1 else Image.Resampling.BICUBIC)
    if dice.chance(0.5):
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if dice.chance(0.5):
        picture = picture.rotate(dice.between(-25, 25), Image.Resampling.BILINEAR, expand=True)
    values = np.asarray(picture).transpose(2, 0, 1).astype(np.float32, order="C")
    alpha = values[3] * np.float32(1 / 255)
    contrast, brightness = dice.between(0.8, 1.15), dice.between(-22, 22)
    premultiplied = values[:3] * np.float32(contrast)
    premultiplied += alpha * np.float32(128 * (1 - contrast) + brightness)
    if dice.chance(0.6):
        mixed = _tint(dice) @ premultiplied.reshape(3, -1)
        premultiplied = mixed.reshape(premultiplied.shape)
    np.clip(premultiplied, 0, values[3], out=premultiplied)
    return _sprite(alpha, premultiplied, kind="cutout", name=name, instance=instance)


_GRAY = np.full((3, 3), 1 / 3, dtype=np.float32)


def _tint(dice: Dice) -> np.ndarray:
    """A matrix on RGB: paler or stronger colours (now and then none), hues turned by up to 18 degrees."""
    saturation = 0.0 if dice.chance(0.12) else dice.between(0.45, 1.3)
    angle = math.radians(dice.between(-18, 18))
    along, across = (1 - math.cos(angle)) / 3, math.sin(angle) / math.sqrt(3)
    a, b, c = math.cos(angle) + along, along - across, along + across
    turned = np.array(((a, b, c), (c, a, b), (b, c, a)), dtype=np.float32)
    return _GRAY + np.float32(saturation) * (turned - _GRAY)


def word_sprite(
    text: str, font: str, size: int, ink: tuple[float, float, float], dice: Dice, most: tuple[int, int]
) -> Sprite | None:
    """Plain letters of one colour; None when they do not fit into `most` (width, height)."""
    coverage, borders = letters(text, font, size, dice.between(-10, 10) if dice.chance(0.25) else 0.0)
    if coverage.shape[1] > most[0] or coverage.shape[0] > most[1]:
        return None
    alpha = np.minimum(coverage.astype(np.float32) * np.float32(1.15 / 255), 1)
    premultiplied = alpha[None] * np.array(ink, dtype=np.float32)[:, None, None]
    return _sprite(alpha, premultiplied, borders, kind="word", name="word", text=text)


def sign_sprite(text: str, font: str, size: int, color: str, dice: Dice, most: tuple[int, int]) -> Sprite | None:
    """Letters on a coloured plate with round corners; black or white ink, whichever is easier to read."""
    angle = dice.between(-8, 8) if dice.chance(0.2) else 0.0
    coverage, borders = letters(text, font, size, angle)
    pad = max(3, round(size * dice.between(0.2, 0.4)))
    height, width = coverage.shape[0] + 2 * pad, coverage.shape[1] + 2 * pad
    if width > most[0] or height > most[1]:
        return None
    plate = np.array(shade(color, dice.next(), dice.next(), dice.next()), dtype=np.float32)
    dark_ink = float(plate @ np.array((0.3, 0.59, 0.11), dtype=np.float32)) > 125
    ink = np.float32(dice.between(0, 40) if dark_ink else dice.between(225, 255))
    x = np.abs(np.arange(width, dtype=np.float32) + 0.5 - width / 2) - (width / 2 - 3)
    y = np.abs(np.arange(height, dtype=np.float32) + 0.5 - height / 2) - (height / 2 - 3)
    corner = np.hypot(np.maximum(x, 0)[None, :], np.maximum(y, 0)[:, None])
    alpha = np.clip(3.5 - corner, 0, 1).astype(np.float32)
    premultiplied = alpha[None] * plate[:, None, None]
    inked = coverage.astype(np.float32) * np.float32(1 / 255)
    middle = premultiplied[:, pad : height - pad, pad : width - pad]
    middle += inked * (ink - middle)
    borders = tuple(x + pad for x in borders)
    return _sprite(alpha, premultiplied, borders, kind="word", name="sign", color=color, text=text)
