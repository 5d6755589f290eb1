"""Taking things out of a picture: what is hidden is replaced by what surrounds it.

                 T
         ┌───────────────┐      every hidden pixel is a mean of the nearest visible pixels straight to its left, right,
      L  │       p       │ R    above and below, each weighted by one over its distance; a side on which nothing is
         └───────────────┘      visible up to the edge of the picture has no say
                 B

A black or grey patch is itself a thing that a model was never shown, and an answer may change because of *it*. Filling
in from around leaves a picture of the same background without the thing. Over a mixed background it is a smear, so
that every experiment with it needs a control: boxes of the same area, `elsewhere`, hidden in the same way.

Boxes are in pixels of the picture. Not here: what is asked of the changed pictures (`evidence.py`, `word_maps.py`).
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from showtell.core.geometry import Box, Frame, intersection

TRIES = 60
LEAST_SIDE = 4.0  # pixels: a control is not cut into smaller pieces than this
Pixels = UInt8[np.ndarray, "height width 3"]


def hide(pixels: Pixels, boxes: Sequence[Box]) -> Pixels:
    """A copy without what is in the boxes."""
    hidden = np.zeros(pixels.shape[:2], dtype=bool)
    for box in boxes:
        inside = box.clip()
        rows = slice(math.floor(inside.y1), math.ceil(inside.y2))
        hidden[rows, math.floor(inside.x1) : math.ceil(inside.x2)] = True
    return fill(pixels, hidden)


def fill(pixels: Pixels, hidden: Bool[np.ndarray, "height width"]) -> Pixels:
    """A copy in which hidden pixels are made of visible ones; mid-grey where nothing at all is visible."""
    total, weights = np.zeros(pixels.shape), np.zeros(hidden.shape)
    for turned in range(4):  # look to the left in each of four positions of the picture
        seen, distance = _from_the_left(np.rot90(pixels, turned), np.rot90(hidden, turned))
        weight = np.rot90(1 / distance, -turned)
        total += weight[:, :, None] * np.rot90(seen, -turned)
        weights += weight
    mean = np.where(weights[:, :, None] > 0, total / np.maximum(weights, 1e-12)[:, :, None], 128.0)
    return np.where(hidden[:, :, None], mean.round(), pixels).astype(np.uint8)


def _from_the_left(pixels: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest visible pixel to the left of each pixel, and how far it is: infinitely, where there is none."""
    column = np.arange(hidden.shape[1])
    nearest = np.maximum.accumulate(np.where(hidden, -1, column), axis=1)
    distance = np.where(nearest < 0, np.inf, np.maximum(column - nearest, 1))
    return pixels[np.arange(len(pixels))[:, None], np.maximum(nearest, 0)], distance


def elsewhere(boxes: Sequence[Box], frame: Frame, seed: int) -> tuple[Box, ...] | None:
    """Boxes of the same area at random places, touching neither `boxes` nor each other; None where there is no room.

    A box that fits nowhere is cut in two along its longer side, and each half looks for its own place.
    """
    rng = np.random.default_rng(seed)
    to_place = sorted(boxes, key=lambda one: -one.area)
    placed: list[Box] = []
    while to_place:
        box = to_place.pop(0)
        found = _free(box, [*boxes, *placed], frame, rng)
        if found is not None:
            placed.append(found)
        elif max(box.width, box.height) < 2 * LEAST_SIDE:
            return None
        else:
            to_place = [*_halves(box), *to_place]
    return tuple(placed)


def _halves(box: Box) -> tuple[Box, Box]:
    if box.width >= box.height:
        middle = box.center.x
        return Box(box.x1, box.y1, middle, box.y2, box.frame), Box(middle, box.y1, box.x2, box.y2, box.frame)
    middle = box.center.y
    return Box(box.x1, box.y1, box.x2, middle, box.frame), Box(box.x1, middle, box.x2, box.y2, box.frame)


def _free(box: Box, taken: Sequence[Box], frame: Frame, rng: np.random.Generator) -> Box | None:
    for _ in range(TRIES):
        x, y = rng.uniform(0, frame.width - box.width), rng.uniform(0, frame.height - box.height)
        place = Box(x, y, x + box.width, y + box.height, frame).clip()
        if not any(intersection(place, other) for other in taken):
            return place
    return None
