"""A pack of cut-outs small enough to be made inside a test: coloured blobs named after animals, and two textures."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CATEGORIES = ("dog", "cat", "mouse", "bus", "strawberry", "sheep", "umbrella", "ice cream")


@dataclass(frozen=True)
class Blob:
    """One fake cut-out."""

    category: str
    instance: str
    index: int
    heldout: bool
    style: str = "photo"


class TinyPack:
    """What `Scene` asks of a pack; every category has three training instances and one held out."""

    def __init__(self) -> None:
        names = [(category, n) for category in CATEGORIES for n in range(4)]
        self.instances = tuple(Blob(name, f"{name}-{n}", i, n == 3) for i, (name, n) in enumerate(names))
        self.backgrounds = tuple(Blob("texture", f"texture-{n}", 100 + n, n == 1) for n in range(2))
        self.categories = CATEGORIES

    def split(self, cutout: Blob) -> str:
        return "heldout" if cutout.heldout else "train"

    def rgba(self, cutout: Blob) -> np.ndarray:
        return _draw(cutout)


@lru_cache
def _draw(cutout: Blob) -> np.ndarray:
    rng = np.random.Generator(np.random.Philox(key=cutout.index))
    if cutout.category == "texture":
        noise = rng.integers(60, 130, (180, 240, 1), dtype=np.uint8)
        return np.concatenate([noise, noise, noise, np.full_like(noise, 255)], axis=2)
    height, width = 40 + int(rng.integers(40)), 40 + int(rng.integers(40))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    solid = np.hypot(x, y) <= 1
    color = rng.integers(0, 255, 3)
    shade = np.clip(color + 40 * np.sin(9 * x[..., None] + cutout.index), 0, 255)
    return np.dstack([shade * solid[..., None], 255 * solid]).astype(np.uint8)
