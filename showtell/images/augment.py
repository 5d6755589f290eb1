"""Random views of one picture: what stays the same in all of them is what it shows.

    crop       a random part, `share` of the area, somewhat squeezed, brought to one size     position, size, context
    mirror     left and right exchanged                                                       side
    tint       brightness, contrast, saturation, hue                                          light
    grey, blur, solarise                                                                      colour, detail

Each operation answers "must the features care about this?" with no, so the list *is* the assumption of a
self-supervised run: features trained with `tint` cannot tell a ripe tomato from an unripe one. Everything random comes
from the generator that is handed in, keyed by the sample, so a view is a function of (seed, position). Operations and
their strengths: Chen et al. 2020 (SimCLR), Grill et al. 2020 (BYOL), Caron et al. 2021 (DINO).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageFilter

Pixels = UInt8[np.ndarray, "height width 3"]
_LUMA = np.array((0.299, 0.587, 0.114), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """How a view is drawn.

    size: side in pixels.
    share: smallest and largest part of the area.
    squeeze: largest factor between the crop's own shape and the picture's squeezed one.
    mirror, tint, grey, blur, solarise: probabilities.
    brightness, contrast, saturation: largest relative changes.
    hue: largest turn, in turns.
    """

    size: int
    share: tuple[float, float] = (0.4, 1.0)
    squeeze: float = 4 / 3
    mirror: float = 0.5
    tint: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.05
    grey: float = 0.2
    blur: float = 0.3
    solarise: float = 0.0


def draw_view(pixels: Pixels, config: ViewConfig, rng: np.random.Generator) -> UInt8[np.ndarray, "size size 3"]:
    """One random view, `size` x `size`."""
    view = random_crop(pixels, config, rng)
    if rng.random() < config.mirror:
        view = view[:, ::-1]
    if rng.random() < config.tint:
        view = tint(view, config, rng)
    if rng.random() < config.grey:
        view = np.repeat((view @ _LUMA).round().astype(np.uint8)[..., None], 3, axis=2)
    if rng.random() < config.blur:
        radius = float(rng.uniform(0.1, 2.0)) * config.size / 224
        view = np.asarray(Image.fromarray(np.ascontiguousarray(view)).filter(ImageFilter.GaussianBlur(radius)))
    if rng.random() < config.solarise:
        view = np.where(view >= 128, 255 - view, view).astype(np.uint8)
    return np.ascontiguousarray(view)


def random_crop(pixels: Pixels, config: ViewConfig, rng: np.random.Generator) -> UInt8[np.ndarray, "size size 3"]:
    """A random part of the picture, brought to size; the whole width or height where none of ten draws fits."""
    height, width = pixels.shape[:2]
    crop_width, crop_height = width, height
    for _ in range(10):
        area = rng.uniform(*config.share) * width * height
        ratio = math.exp(rng.uniform(-1, 1) * math.log(config.squeeze))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            crop_width, crop_height = w, h
            break
    left, top = int(rng.integers(width - crop_width + 1)), int(rng.integers(height - crop_height + 1))
    box = (left, top, left + crop_width, top + crop_height)
    resized = Image.fromarray(pixels).resize((config.size, config.size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized)


def tint(pixels: Pixels, config: ViewConfig, rng: np.random.Generator) -> Pixels:
    """Brightness, contrast, saturation and hue, each by a random amount, in this order."""
    strong = [1 + strength * rng.uniform(-1, 1) for strength in (config.brightness, config.contrast, config.saturation)]
    view: Float32[np.ndarray, "height width 3"] = pixels.astype(np.float32) * np.float32(strong[0])
    mean = float((view @ _LUMA).mean())
    view = mean + np.float32(strong[1]) * (view - mean)
    view = view @ _color_matrix(strong[2], 2 * math.pi * config.hue * rng.uniform(-1, 1)).T
    return np.clip(view.round(), 0, 255).astype(np.uint8)


def _color_matrix(saturation: float, angle: float) -> Float32[np.ndarray, "3 3"]:
    """Scales the distance of a colour from its grey and turns it around the grey axis."""
    grey = np.repeat(_LUMA[None], 3, axis=0)
    along, across = (1 - math.cos(angle)) / 3, math.sin(angle) / math.sqrt(3)
    a, b, c = math.cos(angle) + along, along - across, along + across
    turn = np.array(((a, b, c), (c, a, b), (b, c, a)), dtype=np.float32)
    return (turn @ (grey + np.float32(saturation) * (np.eye(3, dtype=np.float32) - grey))).astype(np.float32)
