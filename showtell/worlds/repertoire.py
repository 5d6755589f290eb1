"""Repertoire: everything that the pictures of one split may show.

    train, val    pairs of colour and shape, cut-outs, photographs, words, typefaces of the training side
    composition   shapes only in pairs that training never draws          instance    cut-outs that training never shows
    background    photographs and patterns that training never shows      word, font  words, a typeface never seen
    style         cut-outs whose colour rendering training has shown, as line drawings

Each of the others differs from training in one respect, so that a score on it says what a model makes of that one new
thing. Not here: what is drawn of all this (`contents.py`), which cut-outs are held out (`cutouts.py`).
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from showtell.core.errors import ConfigError
from showtell.worlds import backgrounds
from showtell.worlds.shapes import HELD_OUT_PAIRS, SHAPES, TRAIN_PAIRS
from showtell.worlds.words import HELD_OUT_FONTS, HELD_OUT_WORDS, TRAIN_FONTS, TRAIN_WORDS


@runtime_checkable
class Pack(Protocol):
    """What a scene needs of a pack of cut-outs; `cutouts.CutoutPack` is one, a test may bring a small one."""

    @property
    def instances(self) -> Sequence[Any]:
        """The cut-outs, each with `category` and `instance`."""

    @property
    def backgrounds(self) -> Sequence[Any]:
        """The photographic textures."""

    def rgba(self, cutout: Any, /) -> UInt8[np.ndarray, "rows columns 4"]:
        """Pixels of a cut-out or a texture."""

    def split(self, cutout: Any, /) -> str:
        """Its side, "train" or "heldout"."""


class Repertoire:
    """What the pictures of one split may show."""

    def __init__(self, split: str, pack: Pack | None, least_instances: int) -> None:
        """Raises ConfigError when the split is one of held-out cut-outs and there are none."""
        self.split = split
        self.pack = pack
        pairs = HELD_OUT_PAIRS if split == "composition" else TRAIN_PAIRS
        self.colors_of = {shape: tuple(c for c, s in pairs if s == shape) for shape in SHAPES}
        self.words = HELD_OUT_WORDS if split == "word" else TRAIN_WORDS
        self.fonts = HELD_OUT_FONTS if split == "font" else TRAIN_FONTS
        self.patterns = backgrounds.HELD_OUT_PATTERNS if split == "background" else backgrounds.TRAIN_PATTERNS
        self.photos = _photos(pack, "heldout" if split == "background" else "train")
        trained = _by_category(pack, "train")
        kept = {category for category, cutouts in trained.items() if len(cutouts) >= least_instances}
        shown = _by_category(pack, "heldout" if split in ("instance", "style") else "train", split == "style")
        self.cutouts = {category: cutouts for category, cutouts in shown.items() if category in kept}
        self.categories = tuple(self.cutouts)
        self.names = (*SHAPES, *(category for category in trained if category in kept), "sign")
        if split in ("instance", "style") and not self.cutouts:
            raise ConfigError(f"the split {split!r} needs a pack with held-out cut-outs; load one with load_pack()")


def _by_category(pack: Pack | None, split: str, twins: bool = False) -> dict[str, tuple[Any, ...]]:
    """Cut-outs of one side of the pack, by category; names that would be mistaken for a shape or a sign are left out.

    `twins` are held-out renderings of a picture whose other rendering is trained on: either only those or none of them.
    """
    found: dict[str, list[Any]] = {}
    for cutout in pack.instances if pack is not None else ():
        wanted = pack is not None and pack.split(cutout) == split and getattr(cutout, "style_twin", False) == twins
        if wanted and cutout.category not in (*SHAPES, "sign", "word"):
            found.setdefault(cutout.category, []).append(cutout)
    return {category: tuple(cutouts) for category, cutouts in sorted(found.items())}


def _photos(pack: Pack | None, split: str) -> list[UInt8[np.ndarray, "rows columns 3"]]:
    """The photographic textures of one side of the pack."""
    if pack is None:
        return []
    photos = [photo for photo in pack.backgrounds if pack.split(photo) == split]
    return [np.ascontiguousarray(pack.rgba(photo)[:, :, :3]) for photo in photos]
