"""Shapes and colours: drawn from their distance, not from their outline.

    alpha(p) = clip(1/2 - d(p) * radius, 0, 1)        d < 0 inside, 0 on the edge, in units of the radius

Each shape is a signed distance function on a small window around it (Inigo Quilez, "2D distance functions"), so an
edge is antialiased by one clip and a shadow is the same distance with a softer slope. A colour word stands for a region
of hue, saturation and value; a drawn shade is a draw from that region, kept away from the borders to the next word.

One pair of colour and shape in five is never drawn in the training split (`held_out_pair`): every colour and
every shape is still seen, and whether a model has learned to compose them can be asked. Not here: where shapes go
(`contents.py`).
"""

import colorsys
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Field = Float[np.ndarray, "..."]

# colour word: (hue from, to in degrees), (saturation from, to), (value from, to)
COLORS: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-6, 5), (0.80, 1.0), (0.68, 0.95)),
    "orange": ((23, 33), (0.85, 1.0), (0.92, 1.0)),
    "yellow": ((50, 58), (0.65, 1.0), (0.90, 1.0)),
    "green": ((95, 145), (0.55, 1.0), (0.40, 0.80)),
    "blue": ((208, 234), (0.68, 1.0), (0.58, 1.0)),
    "purple": ((270, 286), (0.50, 0.90), (0.45, 0.78)),
    "pink": ((325, 345), (0.32, 0.55), (0.93, 1.0)),
    "brown": ((18, 28), (0.60, 0.80), (0.30, 0.48)),
    "black": ((0, 360), (0.00, 0.30), (0.00, 0.11)),
    "white": ((0, 360), (0.00, 0.03), (0.95, 1.0)),
    "gray": ((0, 360), (0.00, 0.06), (0.42, 0.62)),
}


def shade(color: str, hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    """One RGB shade (0..255) of a colour word; the three numbers in 0..1 say where inside the word's region."""
    (h0, h1), (s0, s1), (v0, v1) = COLORS[color]
    h, s, v = h0 + hue * (h1 - h0), s0 + saturation * (s1 - s0), v0 + value * (v1 - v0)
    r, g, b = colorsys.hsv_to_rgb((h / 360) % 1.0, s, v)
    return 255 * r, 255 * g, 255 * b


def _circle(x: Field, y: Field) -> Field:
    return np.sqrt(x * x + y * y) - 1


def _oval(x: Field, y: Field) -> Field:
    return (np.sqrt(x * x + y * y * 3.24) - 1) * 0.66


def _square(x: Field, y: Field) -> Field:
    return np.maximum(np.abs(x), np.abs(y)) - 0.84


def _rectangle(x: Field, y: Field) -> Field:
    return np.maximum(np.abs(x) - 1, np.abs(y) - 0.5)


def _triangle(x: Field, y: Field) -> Field:
    y = y - 0.22
    return np.maximum(y, 0.866 * np.abs(x) - 0.5 * y) - 0.58


def _diamond(x: Field, y: Field) -> Field:
    return (np.abs(x) * 1.5 + np.abs(y) - 1) * 0.555


def _hexagon(x: Field, y: Field) -> Field:
    x, y = np.abs(x), np.abs(y)
    return np.maximum(0.866 * x + 0.5 * y, y) - 0.87


def _ring(x: Field, y: Field) -> Field:
    return np.abs(np.sqrt(x * x + y * y) - 0.74) - 0.26


def _cross(x: Field, y: Field) -> Field:
    x, y = np.abs(x), np.abs(y)
    return np.maximum(np.maximum(x, y) - 0.96, np.minimum(x, y) - 0.31)


def _crescent(x: Field, y: Field) -> Field:
    return np.maximum(np.sqrt(x * x + y * y) - 1, 0.80 - np.sqrt((x - 0.5) ** 2 + y * y))


def _arrow(x: Field, y: Field) -> Field:
    y = np.abs(y)
    shaft = np.maximum(np.abs(x + 0.4) - 0.56, y - 0.24)
    head = np.maximum(0.72 * x + 0.694 * y - 0.69, -0.02 - x)
    return np.minimum(shaft, head)


def _star(x: Field, y: Field) -> Field:
    kx, ky = 0.809017, -0.587785
    x, y = np.abs(x), -y
    fold = 2 * np.maximum(kx * x + ky * y, 0)
    x, y = x - fold * kx, y - fold * ky
    fold = 2 * np.maximum(-kx * x + ky * y, 0)
    x, y = np.abs(x + fold * kx), y - fold * ky - 1
    bx, by = -ky * 0.46, kx * 0.46 - 1
    h = np.clip((x * bx + y * by) / (bx * bx + by * by), 0, 1)
    return np.sqrt((x - bx * h) ** 2 + (y - by * h) ** 2) * np.sign(y * bx - x * by)


def _heart(x: Field, y: Field) -> Field:
    x, y = np.abs(x) * 0.62, 0.55 - y * 0.62
    lobe = np.sqrt((x - 0.25) ** 2 + (y - 0.75) ** 2) - 0.35355
    m = 0.5 * np.maximum(x + y, 0)
    body = np.sqrt(np.minimum(x * x + (y - 1) ** 2, (x - m) ** 2 + (y - m) ** 2)) * np.sign(x - y)
    return np.where(x + y > 1, lobe, body) * 1.6


# name: (signed distance, largest turn in degrees that keeps the name right)
SHAPES: dict[str, tuple[Callable[[Field, Field], Field], float]] = {
    "circle": (_circle, 0),
    "oval": (_oval, 25),
    "square": (_square, 14),
    "rectangle": (_rectangle, 20),
    "triangle": (_triangle, 25),
    "star": (_star, 36),
    "heart": (_heart, 25),
    "diamond": (_diamond, 12),
    "cross": (_cross, 14),
    "ring": (_ring, 0),
    "hexagon": (_hexagon, 30),
    "crescent": (_crescent, 180),
    "arrow": (_arrow, 180),
}

_PAIRS = tuple((color, shape) for color in COLORS for shape in SHAPES)


def held_out_pair(color: str, shape: str) -> bool:
    """Whether the training split never draws this colour on this shape (one pair in five, spread evenly)."""
    return (list(SHAPES).index(shape) + 2 * list(COLORS).index(color)) % 5 == 0


HELD_OUT_PAIRS = tuple(pair for pair in _PAIRS if held_out_pair(*pair))
TRAIN_PAIRS = tuple(pair for pair in _PAIRS if not held_out_pair(*pair))


def signed_distance(
    shape: str, radius: float, cos: float, sin: float, center: tuple[float, float], size: int
) -> Float[np.ndarray, "size size"]:
    """Distance in pixels to a shape of `radius` turned by (cos, sin), on a window of `size` pixels.

    `center` is the shape's middle in the window's continuous pixel coordinates.
    """
    ramp = RAMP[:size] / radius
    u, v = ramp - center[0] / radius, ramp - center[1] / radius
    x = (u * cos)[None, :] + (v * sin)[:, None]
    y = (v * cos)[:, None] - (u * sin)[None, :]
    return SHAPES[shape][0](x, y) * radius


RAMP = np.arange(512, dtype=np.float32) + np.float32(0.5)  # centres of pixels
