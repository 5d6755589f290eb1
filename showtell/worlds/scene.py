"""Scenes: made-up pictures whose content is known exactly.

    sample(seed, index):  background -> things, one by one -> light, noise, JPEG        pixels
                                        |
                                        +-> what owns each pixel -> boxes, names, ...   Facts

A pure function of (configuration, seed, index): a training set is a number, and resuming it costs nothing. A thing is
laid only where it stands out from what is behind it and where everything under it keeps at least 55 % of its
pixels in sight; a written word is never covered. Splits differ by what they may show, not only by seed.

Not here: what that is (`repertoire.py`), which things are laid down (`contents.py`), where one may lie (`layout.py`),
drawing one (`sprites.py`), questions and sentences (`language.py`).
"""

import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from showtell.core.errors import ConfigError
from showtell.core.geometry import Frame
from showtell.worlds import backgrounds
from showtell.worlds.contents import Contents
from showtell.worlds.dice import Dice, keyed
from showtell.worlds.facts import Facts
from showtell.worlds.layout import Layout
from showtell.worlds.repertoire import Pack, Repertoire

SPLITS = ("train", "val", "composition", "instance", "background", "word", "font", "style")


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
    single_share: float = 0.14
    """Pictures of one cut-out that fills most of the frame."""
    count_share: float = 0.12
    """Pictures of 2 to 8 things of one kind."""
    shapes_share: float = 0.28
    """Pictures of shapes only; the rest are cut-outs only or both."""
    cutouts_share: float = 0.20
    """Pictures of cut-outs only."""
    word_share: float = 0.22
    """Pictures that also hold a word."""
    random_word_share: float = 0.12
    """Words that are only letters, so that reading cannot be replaced by remembering the list."""
    patterned_share: float = 0.2
    """Shapes in two colours, which no colour word is true of; none where pairs of colour and shape are the point."""
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
        self._repertoire = Repertoire(config.split, pack, config.least_instances)
        patterned = 0.0 if config.split == "composition" else config.patterned_share
        self._contents = Contents(self._repertoire, config.image_size, patterned, config.random_word_share)
        self.names = self._repertoire.names

    def sample(self, seed: int, index: int) -> tuple[UInt8[np.ndarray, "height width 3"], Facts]:
        """The picture number `index` of a seed and all that is true of it."""
        dice = keyed(seed, index, stream=SPLITS.index(self.config.split))
        width, height = self._size(dice)
        canvas, background = self._background(height, width, dice)
        layout = Layout(canvas, overlap=dice.chance(self.config.overlap_share))
        kind = self._content(dice)
        side = float(min(self.config.image_size, 1.15 * min(width, height)))
        if kind == "single":
            self._contents.single(layout, dice)
        elif kind != "empty":
            if self.config.split in ("word", "font") or dice.chance(self.config.word_share):
                self._contents.word(layout, dice)
            if kind == "count":
                self._contents.equal(layout, side, dice)
            else:
                self._contents.various(layout, kind, side, dice)
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
        if self._repertoire.photos and dice.chance(self.config.photo_share):
            return backgrounds.photograph(dice.choice(self._repertoire.photos), height, width, dice), "photo"
        kind = dice.choice(self._repertoire.patterns)
        return backgrounds.pattern(kind, height, width, dice), kind

    def _content(self, dice: Dice) -> str:
        """Which sort of picture: empty, single, count, shapes, cutouts or mixed."""
        c = self.config
        if not self._repertoire.cutouts or c.split == "composition":
            other = "mixed" if self._repertoire.cutouts else "shapes"
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

    def _develop(self, canvas: backgrounds.Canvas, dice: Dice) -> UInt8[np.ndarray, "height width 3"]:
        """What a camera and a file make of it: noise, bytes, slight blur, JPEG."""
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
