"""Scenes: made-up pictures whose content is known exactly.

    sample(seed, index):  background -> things, one by one -> light, noise, JPEG        pixels
                                        |
                                        +-> what owns each pixel -> boxes, names, ...   Facts

A pure function of (configuration, seed, index): a training set is a number, and resuming it costs nothing. A thing is
laid only where it stands out from what is behind it and where everything under it keeps at least 55 % of its
pixels in sight; a written word is never covered. Splits differ by construction, not only by seed:

    train, val    pairs of colour and shape, cut-outs, photographs, words, typefaces of the training side
    composition   shapes only in pairs that training never draws          instance    cut-outs that training never shows
    background    photographs and patterns that training never shows      word, font  words, a typeface never seen
    style         cut-outs whose colour rendering training has shown, as line drawings

Not here: questions and sentences (`language.py`), where a thing may lie (`layout.py`), drawing one (`sprites.py`).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from showtell.core.errors import ConfigError
from showtell.core.geometry import Frame
from showtell.worlds import backgrounds
from showtell.worlds.dice import Dice, keyed
from showtell.worlds.facts import Facts
from showtell.worlds.layout import Layout
from showtell.worlds.shapes import HELD_OUT_PAIRS, SHAPES, TRAIN_PAIRS
from showtell.worlds.sprites import Sprite, cutout_sprite, shape_sprite, sign_sprite, word_sprite
from showtell.worlds.words import HELD_OUT_FONTS, HELD_OUT_WORDS, LETTERS, TRAIN_FONTS, TRAIN_WORDS

SPLITS = ("train", "val", "composition", "instance", "background", "word", "font", "style")


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
        """"train" or "heldout"."""


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """What is drawn, and how often."""

    image_size: int = 96
    """Pixels of the longer side."""
    split: str = "train"
    """One of `SPLITS`."""
    least_instances: int = 1
    """Categories of cut-outs with fewer training instances are left out, on every side."""
    empty_share: float = 0.02
    """Pictures of a background alone."""
    single_share: float = 0.12
    """Pictures of one cut-out that fills most of the frame."""
    count_share: float = 0.12
    """Pictures of 2 to 8 things of one kind."""
    shapes_share: float = 0.28
    """Pictures of shapes only; the rest are cut-outs only or both."""
    cutouts_share: float = 0.20
    """Pictures of cut-outs only."""
    word_share: float = 0.15
    """Pictures that also hold a word."""
    photo_share: float = 0.35
    """Backgrounds that are photographs, where the pack has any."""
    overlap_share: float = 0.30
    """Pictures in which things may cover each other."""
    jpeg_share: float = 0.25
    """Pictures that went through JPEG."""
    noise_share: float = 0.30
    """Pictures with camera noise."""
    blur_share: float = 0.06
    """Pictures slightly out of focus."""


class Scene:
    """Draws pictures of one split."""

    def __init__(self, config: SceneConfig, pack: Pack | None = None) -> None:
        if config.split not in SPLITS:
            raise ConfigError(f"split {config.split!r} is unknown; choose one of {', '.join(SPLITS)}")
        if not 32 <= config.image_size <= 256:
            raise ConfigError(f"image_size {config.image_size} is outside 32..256")
        self.config = config
        self._pack = pack
        split = config.split
        self._pairs = HELD_OUT_PAIRS if split == "composition" else TRAIN_PAIRS
        self._colors_of = {shape: tuple(c for c, s in self._pairs if s == shape) for shape in SHAPES}
        self._words = HELD_OUT_WORDS if split == "word" else TRAIN_WORDS
        self._fonts = HELD_OUT_FONTS if split == "font" else TRAIN_FONTS
        self._patterns = backgrounds.HELD_OUT_PATTERNS if split == "background" else backgrounds.TRAIN_PATTERNS
        self._cutouts = _by_category(pack, "heldout" if split in ("instance", "style") else "train", split == "style")
        trained = _by_category(pack, "train")
        kept = {category for category, cutouts in trained.items() if len(cutouts) >= config.least_instances}
        self._cutouts = {category: cutouts for category, cutouts in self._cutouts.items() if category in kept}
        self._categories = tuple(self._cutouts)
        self._photos = _photos(pack, "heldout" if split == "background" else "train")
        if split in ("instance", "style") and not self._cutouts:
            raise ConfigError(f"the split {split!r} needs a pack with held-out cut-outs; load one with load_pack()")
        self.names = (*SHAPES, *(category for category in trained if category in kept), "sign")

    def sample(self, seed: int, index: int) -> tuple[UInt8[np.ndarray, "height width 3"], Facts]:
        """The picture number `index` of a seed and all that is true of it."""
        dice = keyed(seed, index, stream=SPLITS.index(self.config.split))
        width, height = self._size(dice)
        canvas, background = self._background(height, width, dice)
        layout = Layout(canvas, overlap=dice.chance(self.config.overlap_share))
        kind = self._content(dice)
        side = float(min(self.config.image_size, 1.15 * min(width, height)))
        if kind == "single":
            self._single(layout, dice)
        elif kind != "empty":
            if self.config.split in ("word", "font") or dice.chance(self.config.word_share):
                self._word(layout, dice)
            if kind == "count":
                self._equal(layout, side, dice)
            else:
                self._various(layout, kind, side, dice)
        pixels = self._develop(layout.canvas, dice)
        items, instance_map = layout.finish()
        return pixels, Facts(
            frame=Frame(width, height),
            items=items,
            instance_map=instance_map,
            background=background,
            split=self.config.split,
            names=self.names,
        )

    def _size(self, dice: Dice) -> tuple[int, int]:
        longer = self.config.image_size
        shorter = longer if dice.chance(0.6) else round(longer * dice.between(2 / 3, 0.95))
        return (longer, shorter) if dice.chance(0.5) else (shorter, longer)

    def _background(self, height: int, width: int, dice: Dice) -> tuple[backgrounds.Canvas, str]:
        if self._photos and dice.chance(self.config.photo_share):
            return backgrounds.photograph(dice.choice(self._photos), height, width, dice), "photo"
        kind = dice.choice(self._patterns)
        return backgrounds.pattern(kind, height, width, dice), kind

    def _content(self, dice: Dice) -> str:
        """Which sort of picture: empty, single, count, shapes, cutouts or mixed."""
        c = self.config
        if not self._cutouts or c.split == "composition":
            other = "mixed" if self._cutouts else "shapes"
            return dice.weighted((("empty", c.empty_share), ("count", c.count_share), ("shapes", 0.5), (other, 0.3)))
        rest = max(0.0, 1 - c.empty_share - c.single_share - c.count_share - c.shapes_share - c.cutouts_share)
        shapes = 0.0 if c.split in ("instance", "style") else c.shapes_share
        return dice.weighted(
            (
                ("empty", c.empty_share),
                ("single", c.single_share),
                ("count", c.count_share),
                ("shapes", shapes),
                ("cutouts", c.cutouts_share),
                ("mixed", rest),
            )
        )

    # one thing ------------------------------------------------------------------------------------------------------

    def _shape(self, layout: Layout, side: float, dice: Dice, shape: str | None = None) -> Sprite | None:
        """A shape in a colour that the background does not have."""
        shape = shape or dice.choice(tuple(SHAPES))
        colors = [color for color in self._colors_of[shape] if color in layout.distinct_colors]
        return shape_sprite(shape, dice.choice(colors), side, dice) if colors else None

    def _cutout(self, side: float, dice: Dice, category: str | None = None) -> Sprite | None:
        cutout = dice.choice(self._cutouts[category or dice.choice(self._categories)])
        assert self._pack is not None
        most = 0.62 * self.config.image_size
        return cutout_sprite(self._pack.rgba(cutout), cutout.category, cutout.instance, side, most, dice)

    def _word(self, layout: Layout, dice: Dice) -> None:
        text = dice.choice(self._words)
        if self.config.split not in ("word",) and dice.chance(0.12):
            text = "".join(dice.choice(LETTERS) for _ in range(2 + dice.below(4)))
        font, unit = dice.choice(self._fonts), self.config.image_size / 96
        most = (layout.width - 2, layout.height - 2)
        for _ in range(5):
            size = round(unit * dice.between(13, 26))
            if dice.chance(0.55) and layout.distinct_colors:
                sprite = sign_sprite(text, font, size, dice.choice(layout.distinct_colors), dice, most)
            else:
                ink = layout.ink(dice)
                sprite = word_sprite(text, font, size, ink, dice, most) if ink else None
            if sprite is not None and layout.place(sprite, dice):
                return

    # several things -------------------------------------------------------------------------------------------------

    def _single(self, layout: Layout, dice: Dice) -> None:
        """One cut-out as in a photograph of it; on a plain ground when it does not stand out from this one."""
        side = min(layout.width, layout.height) * dice.between(0.70, 1.0)
        sprite = self._cutout(side, dice)
        if sprite is None or max(sprite.alpha.shape) > min(layout.width, layout.height):
            sprite = self._cutout(0.68 * min(layout.width, layout.height), dice)
        if sprite is not None and not layout.place(sprite, dice):
            bright = float(sprite.premultiplied.sum()) / (3 * float(sprite.alpha.sum()) + 1e-6)
            layout.canvas[:] = dice.between(0, 40) if bright > 128 else dice.between(215, 255)
            layout.place(sprite, dice)

    def _equal(self, layout: Layout, side: float, dice: Dice) -> None:
        """2 to 8 things of one name and, most often, one colour; then up to two others."""
        number = 2 + dice.below(7)
        base = side * dice.between(*_SIDES[number])
        with_shapes = not self._cutouts or self.config.split == "composition" or dice.chance(0.5)
        category = dice.choice(self._categories) if self._cutouts else None
        first = self._shape(layout, base, dice) if with_shapes else None
        one_color = dice.chance(0.7)
        for _ in range(number):
            size = base * dice.between(0.85, 1.15)
            if first is None and category:
                sprite = self._cutout(max(size, 0.19 * side), dice, category)
            elif first is None:
                return
            elif one_color:
                sprite = shape_sprite(first.name, str(first.color), size, dice)
            else:
                sprite = self._shape(layout, size, dice, first.name)
            if sprite is not None:
                layout.place(sprite, dice)
        if number < 7:
            for _ in range(dice.below(3)):
                self._thing(layout, "mixed", base, dice)

    def _various(self, layout: Layout, kind: str, side: float, dice: Dice) -> None:
        number = dice.weighted(_NUMBERS)
        for i in range(number):
            if i and layout.kinds and dice.chance(0.22):  # again something that is already there
                again, size = dice.choice(layout.kinds), side * dice.between(*_SIDES[number])
                if again in self._colors_of:
                    sprite = self._shape(layout, size, dice, again)
                elif again in self._cutouts:
                    sprite = self._cutout(max(size, 0.2 * side), dice, again)
                else:
                    continue
                if sprite is not None:
                    layout.place(sprite, dice)
            else:
                force = i == 0 and self.config.split == "composition"
                self._thing(layout, "shapes" if force else kind, side * dice.between(*_SIDES[number]), dice)

    def _thing(self, layout: Layout, kind: str, size: float, dice: Dice) -> None:
        """A new thing; a second one is tried when the first finds no place."""
        for _ in range(2):
            if kind == "shapes" or not self._cutouts or (kind == "mixed" and dice.chance(0.5)):
                sprite = self._shape(layout, size, dice)
            else:
                sprite = self._cutout(max(1.15 * size, 0.22 * self.config.image_size), dice)
            if sprite is not None and layout.place(sprite, dice):
                return

    # light, noise, JPEG -----------------------------------------------------------------------------------------------

    def _develop(self, canvas: backgrounds.Canvas, dice: Dice) -> UInt8[np.ndarray, "height width 3"]:
        height, width = canvas.shape[1:]
        if dice.chance(self.config.noise_share):
            table = backgrounds.grain()
            y, x = dice.below(table.shape[1] - height + 1), dice.below(table.shape[2] - width + 1)
            canvas = canvas + table[:, y : y + height, x : x + width] * np.float32(dice.between(1.5, 8))
        planes = np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)
        pixels = np.empty((height, width, 3), dtype=np.uint8)
        for channel in range(3):  # three strided copies are three times faster than one transposed copy
            pixels[:, :, channel] = planes[channel]
        if dice.chance(self.config.blur_share):
            small = Image.fromarray(pixels).resize((width * 2 // 3, height * 2 // 3), Image.Resampling.BILINEAR)
            pixels = np.array(small.resize((width, height), Image.Resampling.BICUBIC))
        if dice.chance(self.config.jpeg_share):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG", quality=int(dice.between(35, 92)))
            pixels = np.array(Image.open(buffer, formats=("JPEG",)))
        return pixels


# how many things, and how large (of the picture's side) when there are so many
_NUMBERS = ((1, 0.17), (2, 0.24), (3, 0.24), (4, 0.17), (5, 0.10), (6, 0.05), (7, 0.03))
_SIDES = {
    1: (0.25, 0.75),
    2: (0.20, 0.52),
    3: (0.19, 0.44),
    4: (0.18, 0.37),
    5: (0.17, 0.32),
    6: (0.16, 0.28),
    7: (0.15, 0.25),
    8: (0.15, 0.23),
}


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
