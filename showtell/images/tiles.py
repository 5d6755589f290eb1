"""Tiles: one picture shown to a fixed-size tower several times, in detail and whole.

    original        sheet: a whole number of tiles            what the tower sees, in this order
    ┌───────┐       ┌────┬────┬────┐
    │       │  ──►  │ 11 │ 12 │ 13 │   rows = 2       ──►   11 12 13 21 22 23 whole
    └───────┘       ├────┼────┼────┤   columns = 3
                    │ 21 │ 22 │ 23 │
                    └────┴────┴────┘
A tower of 512 pixels cannot read a page; six tiles of 512 can. Each tile has its own `ViewTransform`, so a box found in
tile 22 maps back to the original like any other.

`TileProcessor` is Idefics3's and SmolVLM's: the longer side is brought to `longest`, then both sides are stretched to
whole tiles (a slight change of shape, no margins), and the whole picture comes last. `QuarterProcessor` is Idefics2's:
four quarters, then the whole, each of its own extent. LLaVA's grids with margins are in `images/anyres.py`, pictures of
any extent without tiles in `images/native.py`. How tiles are announced in a prompt is the templates' concern.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.core.geometry import Frame
from showtell.images.decode import Picture
from showtell.images.levels import Levels
from showtell.images.placement import Placement, chain_view, draw_chain
from showtell.images.resize import Kernel
from showtell.images.steps import Step, place_all
from showtell.images.view import ViewTransform

Chain = tuple[Placement, ...]


@dataclass(frozen=True)
class TilePlan:
    """Every tile of a picture, from its header alone.

    sheets: (chain to a sheet, chains from the sheet to its tiles), in the order the tower sees them; the pixels of a
        sheet are made once.
    rows, columns: the grid of detail tiles; 0 x 0 when there is only the whole picture.
    """

    sheets: tuple[tuple[Chain, tuple[Chain, ...]], ...]
    rows: int
    columns: int

    @property
    def chains(self) -> list[Chain]:
        """From the original to each tile."""
        return [sheet + tile for sheet, tiles in self.sheets for tile in tiles]

    @property
    def views(self) -> tuple[ViewTransform, ...]:
        return tuple(map(chain_view, self.chains))

    @property
    def canvas(self) -> Frame:
        """The smallest frame that holds every tile."""
        frames = [chain[-1].canvas for chain in self.chains]
        return Frame(max(frame.width for frame in frames), max(frame.height for frame in frames))

    def draw(
        self, pixels: UInt8[np.ndarray, "height width 3"], kernel: Kernel
    ) -> list[UInt8[np.ndarray, "tile_height tile_width 3"]]:
        """The tiles in grey levels."""
        drawn = []
        for sheet, tiles in self.sheets:
            whole = draw_chain(pixels, sheet, kernel)
            drawn += [draw_chain(whole, tile, kernel) for tile in tiles]
        return drawn


@dataclass(frozen=True, eq=False)
class Tiles:
    """What the tower is given, tile by tile, and how to map what it says back to the original picture.

    mask: True where a tile shows the picture; a tile smaller than the largest has zeros to its right and below.
    """

    pixels: Float[Tensor, "tiles 3 height width"]
    mask: Bool[Tensor, "tiles height width"]
    views: tuple[ViewTransform, ...]
    rows: int
    columns: int


def make_tiles(picture: Picture, plan: TilePlan, kernel: Kernel, levels: Levels) -> Tiles:
    """The plan carried out."""
    drawn = plan.draw(picture.pixels, kernel)
    extents = [tile.shape[:2] for tile in drawn]
    canvas = (plan.canvas.height, plan.canvas.width)
    ragged = any(extent != canvas for extent in extents)
    pixels = (torch.zeros if ragged else torch.empty)((len(drawn), 3, *canvas))
    mask = (torch.zeros if ragged else torch.ones)((len(drawn), *canvas), dtype=torch.bool)
    for tile, planes, seen, (height, width) in zip(drawn, pixels, mask, extents, strict=True):
        levels.fill(tile, planes[:, :height, :width])
        seen[:height, :width] = True
    return Tiles(pixels, mask, plan.views, plan.rows, plan.columns)


@dataclass(frozen=True, kw_only=True)
class TileConfig:
    """How a picture becomes tiles.

    steps: what is done to the whole picture first.
    tile: side of a tile in pixels.
    split: whether detail tiles are cut; without, the picture is stretched to one tile.
    resample: kernel of every resize.
    levels: grey levels to numbers.
    """

    steps: tuple[Step, ...]
    tile: int
    split: bool = True
    resample: Kernel = "lanczos"
    levels: Levels = field(default_factory=Levels)

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise ConfigError(f"tile: a tile needs at least one pixel, not {self.tile}")


@dataclass(frozen=True)
class TileProcessor:
    """Picture -> Tiles, by `config`."""

    config: TileConfig

    def __call__(self, picture: Picture) -> Tiles:
        return make_tiles(picture, self.plan(picture.frame), self.config.resample, self.config.levels)

    def plan(self, frame: Frame) -> TilePlan:
        """The tiles of a picture of this extent; needs only the header of a file."""
        tile = self.config.tile
        first = place_all(self.config.steps, frame)
        before = first[-1].canvas if first else frame
        sheet = whole_tiles(before, tile) if self.config.split else before
        to_sheet = (*first, Placement.stretch(before, sheet.width, sheet.height))
        whole = (Placement.stretch(sheet, tile, tile),)
        if not self.config.split or sheet == Frame(tile, tile):
            return TilePlan(((to_sheet, (whole,)),), 0, 0)
        return TilePlan(((to_sheet, (*cut(sheet, tile), whole)),), sheet.height // tile, sheet.width // tile)


def whole_tiles(frame: Frame, tile: int) -> Frame:
    """`frame` with both sides enlarged to whole tiles; the shorter follows the growth of the longer first."""
    shape = frame.width / frame.height
    if frame.width >= frame.height:
        width = ceil(frame.width / tile) * tile
        return Frame(width, ceil(int(width / shape) / tile) * tile)
    height = ceil(frame.height / tile) * tile
    return Frame(ceil(int(height * shape) / tile) * tile, height)


def cut(sheet: Frame, tile: int) -> list[Chain]:
    """Windows row by row."""
    corners = [(x, y) for y in range(0, sheet.height, tile) for x in range(0, sheet.width, tile)]
    return [(Placement.window(sheet, x, y, tile, tile),) for x, y in corners]


@dataclass(frozen=True, kw_only=True)
class QuarterConfig:
    """How a picture is shown whole, or as four quarters and whole.

    steps: what is done to each of them.
    split: whether the quarters are shown.
    resample: kernel of every resize.
    levels: grey levels to numbers.
    """

    steps: tuple[Step, ...]
    split: bool = False
    resample: Kernel = "bilinear"
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True)
class QuarterProcessor:
    """Picture -> Tiles of different extents, by `config`."""

    config: QuarterConfig

    def __call__(self, picture: Picture) -> Tiles:
        return make_tiles(picture, self.plan(picture.frame), self.config.resample, self.config.levels)

    def plan(self, frame: Frame) -> TilePlan:
        """The quarters (the lower right is largest where a side is odd), then the whole."""
        x, y, right, bottom = frame.width // 2, frame.height // 2, -(-frame.width // 2), -(-frame.height // 2)
        quarters = ((0, 0, x, y), (x, 0, right, y), (0, y, x, bottom), (x, y, right, bottom))
        windows = [Placement.window(frame, *quarter) for quarter in quarters] if self.config.split else []
        parts = [*windows, Placement.stretch(frame, frame.width, frame.height)]
        tiles = tuple((part, *place_all(self.config.steps, part.canvas)) for part in parts)
        return TilePlan((((), tiles),), 2 if windows else 0, 2 if windows else 0)


def stack_tiles(
    samples: Sequence[Sequence[Tiles]],
) -> tuple[Float[Tensor, "batch tiles 3 height width"], Bool[Tensor, "batch tiles height width"]]:
    """The pictures of several samples as one batch: pixels, zero where there is none, and where there is one."""
    counts = [sum(len(tiles.pixels) for tiles in sample) for sample in samples]
    height, width = (max(tiles.pixels.shape[axis] for sample in samples for tiles in sample) for axis in (2, 3))
    pixels = torch.zeros(len(samples), max(counts), 3, height, width)
    mask = torch.zeros(len(samples), max(counts), height, width, dtype=torch.bool)
    for row, sample in enumerate(samples):
        first = 0
        for tiles in sample:
            count, _, high, wide = tiles.pixels.shape
            pixels[row, first : first + count, :, :high, :wide] = tiles.pixels
            mask[row, first : first + count, :high, :wide] = tiles.mask
            first += count
    return pixels, mask
