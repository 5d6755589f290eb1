"""What covers each patch, from the facts of a made-up picture.

    instance map 96 x 96 --(cut into 12 x 12 patches, majority of the covered pixels)--> name, colour, box of each patch

A patch that an item covers by less than a fifth counts as background: its features should not have to guess. A patch of
a word also says which letters stand in its left and in its right half: what is read must first be seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from showtell.core.geometry import Frame
from showtell.data.sample import sample_rng
from showtell.images.normalize import normalize, to_float
from showtell.images.processor import Processor
from showtell.images.view import ViewTransform
from showtell.text.coordinates import LocationCodec
from showtell.vision.dense import IGNORE, DenseBatch
from showtell.worlds.facts import Facts
from showtell.worlds.scene import Scene

COVERED = 0.2


@dataclass(frozen=True)
class DenseSample:
    """One picture (grey levels, the tower's view) and its patch targets; see `DenseBatch`."""

    square: np.ndarray
    names: np.ndarray
    colors: np.ndarray
    boxes: np.ndarray
    letters: np.ndarray


@dataclass(frozen=True)
class DenseScenes:
    """Scenes as dense samples: `make(position)` and `collate(samples)` for `data.loader.Batches`.

    scenes: worlds to draw from, with equal shares.
    names, colors: vocabularies of the head.
    patch: side of a patch in view pixels.
    """

    scenes: Sequence[Scene]
    processor: Processor
    codec: LocationCodec
    names: Sequence[str]
    colors: Sequence[str]
    patch: int
    seed: int

    def make(self, position: int) -> DenseSample:
        scene = self.scenes[int(sample_rng(self.seed, position).integers(len(self.scenes)))]
        pixels, facts = scene.sample(self.seed, position)
        view = self.processor.view(facts.frame)
        square = self.processor.square(pixels, view)
        return DenseSample(square, *self.targets(facts, view))

    def targets(self, facts: Facts, view: ViewTransform) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Name, colour, box and letters of every patch, row-major."""
        owner = patch_owner(place_map(facts.instance_map, view), self.patch, len(facts.items)).ravel()
        names = np.array([0] + [1 + self.names.index(item.name) for item in facts.items], np.int64)
        colors = [self.colors.index(item.color) if item.color in self.colors else IGNORE for item in facts.items]
        index = {name: i for i, name in enumerate(self.codec.names)}
        boxes = [[index[token] for token in self.codec.encode(view.to_view(item.box))] for item in facts.items]
        return (
            names[owner],
            np.array([IGNORE, *colors], np.int64)[owner],
            np.array([[IGNORE] * 4, *boxes], np.int64)[owner],
            self._letters(facts, view, owner),
        )

    def _letters(self, facts: Facts, view: ViewTransform, owner: np.ndarray) -> np.ndarray:
        """Letters in the left and the right half of every patch of a word's middle rows."""
        letters = np.full((len(owner), 2), IGNORE, np.int64)
        columns = view.target.width // self.patch
        for item in facts.items:
            if not item.text:
                continue
            borders = np.array(item.letters) * view.scale_x + view.offset_x
            box = view.to_view(item.box)
            for patch in np.flatnonzero(owner == item.index + 1):
                row, column = divmod(int(patch), columns)
                if box.y1 + box.height / 3 < (row + 1) * self.patch and row * self.patch < box.y2 - box.height / 3:
                    x = (column + np.array((0.25, 0.75))) * self.patch
                    place = np.searchsorted(borders, x)  # 0 before the word, len(borders) behind it
                    codes = np.array([0, *(ord(letter) - ord("A") + 1 for letter in item.text), 0])
                    letters[patch] = codes[place]
        return letters

    def collate(self, samples: Sequence[DenseSample]) -> DenseBatch:
        return DenseBatch(
            pixels=stack_squares([sample.square for sample in samples], self.processor),
            names=torch.from_numpy(np.stack([sample.names for sample in samples])),
            colors=torch.from_numpy(np.stack([sample.colors for sample in samples])),
            boxes=torch.from_numpy(np.stack([sample.boxes for sample in samples])),
            letters=torch.from_numpy(np.stack([sample.letters for sample in samples])),
        )


def stack_squares(squares: Sequence[np.ndarray], processor: Processor) -> torch.Tensor:
    """Grey-level squares to one normalised batch, (batch, 3, size, size)."""
    config = processor.config
    return torch.stack([normalize(to_float(square), config.mean, config.std) for square in squares])


def place_map(instance_map: np.ndarray, view: ViewTransform) -> np.ndarray:
    """The instance map in the frame of the view (nearest neighbour; padding is background)."""
    target: Frame = view.target
    columns = np.floor((np.arange(target.width) + 0.5 - view.offset_x) / view.scale_x).astype(int)
    rows = np.floor((np.arange(target.height) + 0.5 - view.offset_y) / view.scale_y).astype(int)
    height, width = instance_map.shape
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None, :]
    placed = instance_map[rows.clip(0, height - 1)[:, None], columns.clip(0, width - 1)[None, :]]
    return np.where(inside, placed, 0)


def patch_owner(placed: np.ndarray, patch: int, items: int) -> np.ndarray:
    """(rows, cols): 0 = background, i + 1 = item i covers most of what is covered of the patch."""
    rows, cols = placed.shape[0] // patch, placed.shape[1] // patch
    cells = placed.reshape(rows, patch, cols, patch).swapaxes(1, 2).reshape(rows, cols, -1)
    shares = np.stack([(cells == i + 1).mean(axis=-1) for i in range(items)] or [np.zeros((rows, cols))])
    return np.where(shares.max(axis=0) >= COVERED, shares.argmax(axis=0) + 1, 0)
