"""AnyRes (LLaVA-NeXT: Liu et al. 2024; LLaVA-OneVision: Li et al. 2024): how tiles become the words of one picture.

    tiles of the grid   side by side        margins cut out ("unpad")     shrunk if too many      a newline a row
    ┌────┬────┐         ┌─────────┐
    │ 11 │ 12 │  tower  │░░░░░░░░░│         ┌─────────┐                   ┌──────┐               x x x x x x ¶
    ├────┼────┤  ────►  │ 2s rows │  ────►  │         │         ────►     │      │      ────►    x x x x x x ¶
    │ 21 │ 22 │         │░░░░░░░░░│         └─────────┘                   └──────┘
    └────┴────┘         └─────────┘         as the picture is shaped      bilinear
    s x s tokens each

    words = s * s of the whole view  +  rows * (columns + 1) of the detail

All of it follows from the extent of the picture; `plan_anyres` counts, `pack` does. Shrinking is OneVision's
("anyres_max_9": at most nine tiles' worth of tokens, give or take a tenth); which grid is best is `images/anyres.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from showtell.core.geometry import Frame
from showtell.fusion.image_plan import ImageLayout, Piece
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.images.anyres import best_grid

TOLERANCE = 1.1  # a detail this much finer along a side than the most tiles allow is still left alone


@dataclass(frozen=True, kw_only=True)
class AnyResVLMConfig(PrefixVLMConfig):
    """`PrefixVLMConfig` with grids of tiles.

    grids: (height, width) in pixels of every grid there is.
    most_tiles: how many tiles' worth of detail tokens a picture keeps; None = all.
    """

    grids: tuple[tuple[int, int], ...]
    most_tiles: int | None = None


@dataclass(frozen=True)
class AnyResPlan:
    """The words of one picture, from its extent alone.

    side: tokens along a side of a tile.
    tiles: (rows, columns) of detail tiles; (0, 0) for a picture shown once.
    top, left: margins cut from each side of the detail, in tokens.
    detail: (rows, columns) of detail tokens in the end, newlines not counted.
    """

    side: int
    tiles: tuple[int, int]
    top: int
    left: int
    detail: tuple[int, int]

    @property
    def views(self) -> int:
        """How many squares the tower sees."""
        return 1 + self.tiles[0] * self.tiles[1]

    @property
    def tokens(self) -> int:
        rows, cols = self.detail
        return self.side**2 + (rows * (cols + 1) if self.views > 1 else 1)

    @property
    def layout(self) -> ImageLayout:
        return ImageLayout((Piece("", self.tokens),))


def plan_anyres(frame: Frame, config: AnyResVLMConfig) -> AnyResPlan:
    """The plan of a picture that is shown whole and in tiles."""
    height, width = best_grid(frame, config.grids)
    side, tile = config.vision.grid[0], config.vision.image_size[0]
    tiles = (height // tile, width // tile)
    rows, cols = tiles[0] * side, tiles[1] * side
    top, left = margins(frame, rows, cols)
    detail = (rows - 2 * top, cols - 2 * left)
    if config.most_tiles is not None:
        detail = shrunk(detail, config.most_tiles * side**2)
    return AnyResPlan(side, tiles, top, left, detail)


def plan_single(config: AnyResVLMConfig) -> AnyResPlan:
    """The plan of a picture shown once, as OneVision does where a prompt has several."""
    return AnyResPlan(config.vision.grid[0], (0, 0), 0, 0, (0, 0))


def margins(frame: Frame, rows: int, cols: int) -> tuple[int, int]:
    """(top, left): tokens of margin on each side of a grid on which the picture keeps its shape."""
    if frame.width / frame.height > cols / rows:
        filled = int(round(frame.height * (cols / frame.width), 7))
        return (rows - filled) // 2, 0
    filled = int(round(frame.width * (rows / frame.height), 7))
    return 0, (cols - filled) // 2


def shrunk(detail: tuple[int, int], most: int) -> tuple[int, int]:
    """`detail` with its shape kept and about `most` tokens, or as it is where it has hardly more."""
    rows, cols = detail
    ratio = sqrt(rows * cols / most)
    return (int(rows // ratio), int(cols // ratio)) if ratio > TOLERANCE else detail


def pack(
    views: Float[Tensor, "views per_view dim"], plan: AnyResPlan, newline: Float[Tensor, " dim"]
) -> Float[Tensor, "tokens dim"]:
    """The connected tokens of one picture's views, whole view first, as the words the plan counted."""
    if plan.views == 1:
        return torch.cat([views[0], newline[None]])
    (down, across), side = plan.tiles, plan.side
    detail = views[1:].unflatten(0, (down, across)).unflatten(2, (side, side))  # (down, across, side, side, dim)
    detail = detail.transpose(1, 2).flatten(2, 3).flatten(0, 1)  # (down * side, across * side, dim)
    detail = detail[plan.top : len(detail) - plan.top, plan.left : detail.shape[1] - plan.left]
    if tuple(detail.shape[:2]) != plan.detail:
        planes = detail.permute(2, 0, 1)[None]
        detail = F.interpolate(planes, plan.detail, mode="bilinear")[0].permute(1, 2, 0)
    ends = newline.expand(len(detail), 1, -1)
    return torch.cat([views[0], torch.cat([detail, ends], dim=1).flatten(0, 1)])


class AnyResVLM(PrefixVLM):
    """`PrefixVLM` whose pictures are a whole view and a grid of tiles."""

    def __init__(self, config: AnyResVLMConfig):
        super().__init__(config)
        self.anyres = config
        self.image_newline = nn.Parameter(torch.randn(config.decoder.dim) * config.decoder.dim**-0.5)

    def image_tokens(
        self, pixels: Float[Tensor, "views 3 height width"], plans: Sequence[AnyResPlan] | None = None
    ) -> Float[Tensor, "1 tokens dim"]:
        """Words of all pictures, one after the other; `pixels` are their views in the same order.

        Without plans every view is a picture shown once.
        """
        plans = [plan_single(self.anyres)] * len(pixels) if plans is None else plans
        views = super().image_tokens(pixels).split([plan.views for plan in plans])
        packed = [pack(part, plan, self.image_newline) for part, plan in zip(views, plans, strict=True)]
        return torch.cat(packed)[None]
