"""Backgrounds: what lies behind the things.

    canvas(y, x) = a + t(y, x) * (b - a)        t: 0 (plain) | ramp (gradient) | smooth noise | stripes | checks | dots

or a crop of a photographic texture, often darkened or blurred. "checks" and "dots" are held out of training together
with the pack's held-out photographs. Two colours of one pattern are kept near to each other: a thing must stand out
from both. Noise is cut from tables made once from a fixed seed: drawing fresh noise costs more than everything else.
"""

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from showtell.worlds.dice import Dice

Canvas = Float32[np.ndarray, "3 height width"]  # planes first: broadcasting over three inner values is slow

TRAIN_PATTERNS = ("plain", "plain", "gradient", "gradient", "noise", "stripes")
HELD_OUT_PATTERNS = ("checks", "dots")
_TABLE = 320
_RAMP = np.arange(_TABLE, dtype=np.float32)


@lru_cache(maxsize=1)
def _smooth_noise() -> Float32[np.ndarray, "fields side side"]:
    """Eight fields of blurred noise in 0..1, from coarse clouds to fine grain."""
    rng = np.random.Generator(np.random.Philox(key=7))
    fields = []
    for cells in (6, 10, 16, 24, 40, 64, 110, 200):
        small = Image.fromarray((rng.random((cells, cells)) * 255).astype(np.uint8))
        field = np.asarray(small.resize((_TABLE, _TABLE), Image.Resampling.BICUBIC), dtype=np.float32)
        low, high = np.percentile(field, (1, 99))
        fields.append(np.clip((field - low) / (high - low), 0, 1).astype(np.float32))
    return np.stack(fields)


@lru_cache(maxsize=1)
def grain() -> Float32[np.ndarray, "3 side side"]:
    """Gaussian noise of standard deviation 1, to be cut at a random place."""
    rng = np.random.Generator(np.random.Philox(key=11))
    return rng.standard_normal((3, _TABLE, _TABLE), dtype=np.float32)


def _tone(dice: Dice) -> Float32[np.ndarray, "3"]:
    """A background colour: often pale, gray or dark, sometimes strong."""
    kind = dice.next()
    if kind < 0.30:
        low, high = 205.0, 255.0  # pale
    elif kind < 0.45:
        low, high = 5.0, 60.0  # dark
    elif kind < 0.60:
        gray = dice.between(20, 250)
        return np.array((gray, gray, gray), dtype=np.float32)
    else:
        low, high = 20.0, 250.0
    return np.array([dice.between(low, high) for _ in range(3)], dtype=np.float32)


def pattern(kind: str, height: int, width: int, dice: Dice) -> Canvas:
    """A drawn background."""
    a = _tone(dice)
    if kind == "plain":
        canvas = np.empty((3, height, width), dtype=np.float32)
        canvas[:] = a[:, None, None]
        return canvas
    spread = 90 if kind == "gradient" else 55
    b = np.clip(a + np.array([dice.between(-spread, spread) for _ in range(3)], dtype=np.float32), 0, 255)
    t = field(kind, height, width, dice)
    canvas = t[None] * (b - a)[:, None, None]
    canvas += a[:, None, None]
    return canvas


def field(kind: str, height: int, width: int, dice: Dice) -> Float32[np.ndarray, "height width"]:
    """How far each pixel is from the first of two colours (0) to the second (1), for every pattern but "plain"."""
    if kind == "noise":
        field = _smooth_noise()[dice.below(8)]
        top, left = dice.below(_TABLE - height + 1), dice.below(_TABLE - width + 1)
        return field[top : top + height, left : left + width]
    x, y = _RAMP[:width], _RAMP[:height]
    angle, period = dice.between(0, 2 * math.pi), dice.between(6, 24)
    ax, ay = math.cos(angle), math.sin(angle)
    if kind == "gradient":
        span = width * abs(ax) + height * abs(ay)
        start = (min(0.0, width * ax) + min(0.0, height * ay)) / span
        return (x * (ax / span) - start)[None, :] + (y * (ay / span))[:, None]
    if kind == "stripes":
        turns = (x * (ax / period))[None, :] + (y * (ay / period))[:, None]
        return (turns - np.floor(turns) < 0.5).astype(np.float32)
    x, y = x / period % 1 - 0.5, y / period % 1 - 0.5
    if kind == "checks":
        return ((x < 0)[None, :] ^ (y < 0)[:, None]).astype(np.float32)
    return ((x * x)[None, :] + (y * y)[:, None] < 0.09).astype(np.float32)


def photograph(texture: UInt8[np.ndarray, "rows columns 3"], height: int, width: int, dice: Dice) -> Canvas:
    """A crop of a photographic texture in the wanted size: any zoom, mirrored, darker, paler or blurred at random."""
    rows, columns = texture.shape[:2]
    scale = dice.between(0.45, 1.0)
    fit = min(columns / width, rows / height)
    crop_width, crop_height = scale * fit * width, scale * fit * height
    x, y = dice.next() * (columns - crop_width), dice.next() * (rows - crop_height)
    picture = Image.fromarray(texture)
    box = (x, y, x + crop_width, y + crop_height)
    blur = int(dice.between(3, 8)) if dice.chance(0.3) else 1
    small = (max(4, width // blur), max(4, height // blur))
    picture = picture.resize(small, Image.Resampling.BILINEAR, box=box)
    if blur > 1:
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    if dice.chance(0.5):
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    canvas = np.asarray(picture).transpose(2, 0, 1).astype(np.float32, order="C")
    kind = dice.next()
    if kind < 0.35:
        return canvas * np.float32(dice.between(0.3, 0.8))
    if kind < 0.60:
        pale = np.float32(dice.between(0.3, 0.7))
        return canvas * pale + 255 * (1 - pale)
    return canvas
