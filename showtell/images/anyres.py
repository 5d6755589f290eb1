"""AnyRes: LLaVA-NeXT's and LLaVA-OneVision's way to show a picture in detail, a grid that fits it best, with margins.

    original          the grid of `grids` that keeps most pixels           whole first, then row by row
    ┌──────────┐      ┌─────┬─────┐
    │          │      │░░░░░│░░░░░│  margins are black            ┌─────┐ ┌─────┐ ┌─────┐ ┌─────┐ ┌─────┐
    │          │ ──►  │ 11  │ 12  │  the picture keeps its shape  │whole│ │ 11  │ │ 12  │ │ 21  │ │ 22  │
    └──────────┘      ├─────┼─────┤                               └─────┘ └─────┘ └─────┘ └─────┘ └─────┘
                      │ 21  │ 22  │                               (stretched)
                      │░░░░░│░░░░░│
                      └─────┴─────┘
Best is the grid on which the most pixels of the picture survive, and among equals the one with the smallest margins.
Cutting the margins out of the features again ("unpad") belongs to the model; `fitted` says where they are.

A prompt with several pictures shows each once, on a square of the mean colour (`one_tile`): LLaVA-OneVision only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from showtell.core.errors import ConfigError
from showtell.core.geometry import Frame
from showtell.images.decode import Picture
from showtell.images.levels import Levels
from showtell.images.placement import Color, Placement
from showtell.images.resize import Kernel
from showtell.images.steps import PadSquare, Step, Stretch, place_all
from showtell.images.tiles import TilePlan, Tiles, cut, make_tiles


@dataclass(frozen=True, kw_only=True)
class AnyResConfig:
    """How a picture becomes a whole view and a grid of tiles.

    grids: (height, width) in pixels of every grid there is; multiples of `tile`.
    tile: side of a tile in pixels.
    whole: (height, width) that the whole picture is stretched to.
    steps: what is done to the whole view and to each tile after that; usually changes nothing.
    margin: colour around a picture shown as one tile.
    resample: kernel of every resize.
    levels: grey levels to numbers.
    """

    grids: tuple[tuple[int, int], ...]
    tile: int
    whole: tuple[int, int]
    steps: tuple[Step, ...]
    margin: Color
    resample: Kernel = "bicubic"
    levels: Levels = field(default_factory=Levels)

    def __post_init__(self) -> None:
        if not self.grids:
            raise ConfigError("grids: an AnyRes processor needs at least one grid of tiles")
        for height, width in self.grids:
            if height % self.tile or width % self.tile:
                raise ConfigError(f"grids: {height} x {width} pixels are not whole tiles of {self.tile}")


@dataclass(frozen=True)
class AnyResProcessor:
    """Picture -> Tiles, by `config`."""

    config: AnyResConfig

    def __call__(self, picture: Picture) -> Tiles:
        return make_tiles(picture, self.plan(picture.frame), self.config.resample, self.config.levels)

    def plan(self, frame: Frame) -> TilePlan:
        """The whole view and the tiles of a picture of this extent; needs only the header of a file."""
        config = self.config
        height, width = best_grid(frame, config.grids)
        fit = fitted(frame, height, width)
        left, top = (width - fit.width) // 2, (height - fit.height) // 2
        margins = Placement.window(fit.canvas, -left, -top, width, height)
        stretch = Stretch(height=config.whole[0], width=config.whole[1])
        tiles = tuple((*tile, *place_all(config.steps, tile[-1].canvas)) for tile in cut(margins.canvas, config.tile))
        sheets = (((), (place_all((stretch, *config.steps), frame),)), ((fit, margins), tiles))
        return TilePlan(sheets, height // config.tile, width // config.tile)

    def one_tile(self, picture: Picture) -> Tiles:
        """The picture once, everything seen, its shape kept."""
        steps = (PadSquare(fill=self.config.margin), *self.config.steps)
        plan = TilePlan((((), (place_all(steps, picture.frame),)),), 0, 0)
        return make_tiles(picture, plan, self.config.resample, self.config.levels)


def best_grid(frame: Frame, grids: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """(height, width) of the grid on which most pixels survive; of equals the smallest; of those the first."""

    def worth(grid: tuple[int, int]) -> tuple[int, int]:
        height, width = grid
        scale = min(width / frame.width, height / frame.height)
        survive = min(int(frame.width * scale) * int(frame.height * scale), frame.width * frame.height)
        return survive, -height * width

    return max(grids, key=worth)


def fitted(frame: Frame, height: int, width: int) -> Placement:
    """The picture made to touch two sides of a grid, keeping its shape; the other side is rounded up."""
    scale_x, scale_y = width / frame.width, height / frame.height
    if scale_x < scale_y:
        return Placement.stretch(frame, width, min(ceil(frame.height * scale_x), height))
    return Placement.stretch(frame, min(ceil(frame.width * scale_y), width), height)
