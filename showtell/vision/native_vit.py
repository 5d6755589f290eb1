"""A vision transformer for pictures of any size, as they are (the tower of Qwen2-VL: Wang et al. 2024).

    patches of all pictures, one after the other     (patches, 3 x 2 x 14 x 14); two equal frames make a still picture
      -> linear -> depth x block -> merger: 2 x 2 neighbours -> norm, MLP -> tokens of the decoder's width

There is no learned position: row and column turn the queries and keys (rotary, half of each head's pairs for the row,
half for the column), so any grid will do. A patch sees the patches of its own frame only. Patches come in the order of
the merger: the four of a 2 x 2 square stand together.

In its windowed form all layers but a few see less:

        a a b b c         windows of a 3 x 5 grid of merged tokens, window side 2:
        a a b b c         a patch sees the patches of its own letter
        d d e e f

Attention inside groups is computed by stacking groups of equal length into a batch, so that no mask is needed and the
cost is that of the windows. The names of the published tensors are in `qwen2_vl.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from showtell.core.attention import AttentionConfig
from showtell.core.block import Block, BlockConfig
from showtell.core.mlp import MLP, Activation
from showtell.core.norms import NormKind, make_norm
from showtell.core.rope import Rotation, frequencies
from showtell.core.trace import Tap

NORM_EPS = 1e-6


class Grid(NamedTuple):
    """Patches of one picture or clip: frames (pairs of equal or successive pictures), rows, columns."""

    frames: int
    rows: int
    cols: int


@dataclass(frozen=True, kw_only=True)
class NativeViTConfig:
    """Shape of the tower.

    patch_size, frame_size: a patch is frame_size x patch_size x patch_size pixels.
    merge: side of the square of patches that becomes one token.
    dim, depth, heads, mlp_dim, activation, gated, norm: of the blocks.
    out_dim: width of the tokens that come out.
    window: side of a window in pixels; None = every layer sees whole frames.
    full_layers: the layers that see whole frames although there is a window.
    rope_base: base of the rotary frequencies.
    """

    patch_size: int
    frame_size: int
    merge: int
    dim: int
    depth: int
    heads: int
    mlp_dim: int
    out_dim: int
    activation: Activation = "quick_gelu"
    gated: bool = False
    norm: NormKind = "layer"
    window: int | None = None
    full_layers: tuple[int, ...] = ()
    rope_base: float = 10_000.0

    def tokens(self, grid: Grid) -> int:
        """How many tokens a picture of this grid becomes."""
        return grid.frames * (grid.rows // self.merge) * (grid.cols // self.merge)


class PatchProjection(nn.Module):
    """One linear layer over a whole patch, its weight in the published shape (dim, channels, frames, side, side)."""

    def __init__(self, config: NativeViTConfig, channels: int = 3):
        super().__init__()
        shape = (config.dim, channels, config.frame_size, config.patch_size, config.patch_size)
        self.weight = nn.Parameter(torch.randn(shape) * (shape[1] * shape[2] * shape[3] * shape[4]) ** -0.5)

    def forward(self, patches: Float[Tensor, "patches values"]) -> Float[Tensor, "patches dim"]:
        return F.linear(patches, self.weight.flatten(1))


class Merger(nn.Module):
    """Normalise, lay the patches of a square side by side, two linear layers."""

    def __init__(self, config: NativeViTConfig):
        super().__init__()
        self.square = config.merge**2
        self.norm = make_norm(config.norm, config.dim, NORM_EPS)
        width = config.dim * self.square
        self.mlp = MLP(width, width, "gelu", out=config.out_dim)

    def forward(self, x: Float[Tensor, "patches dim"]) -> Float[Tensor, "tokens out_dim"]:
        return self.mlp(self.norm(x).unflatten(0, (-1, self.square)).flatten(1))


class NativeViT(nn.Module):
    """Patches of any number of pictures to tokens."""

    def __init__(self, config: NativeViTConfig):
        super().__init__()
        self.config = config
        self.patches = PatchProjection(config)
        attention = AttentionConfig(dim=config.dim, heads=config.heads)
        block = BlockConfig(
            attention=attention,
            mlp_dim=config.mlp_dim,
            activation=config.activation,
            gated=config.gated,
            norm=config.norm,
            norm_eps=NORM_EPS,
        )
        self.blocks = nn.ModuleList(Block(block) for _ in range(config.depth))
        self.merger = Merger(config)
        self.embedded, self.tokens = Tap(), Tap()

    def forward(
        self, patches: Float[Tensor, "patches values"], grids: Sequence[Grid]
    ) -> Float[Tensor, "tokens out_dim"]:
        """Tokens of all pictures, one after the other; the patches in the same order, in squares of the merger."""
        x = self.embedded(self.patches(patches))
        rotation = self.rotation(grids, x.device)
        frames = groups_of(frame_numbers(grids, x.device))
        windows = frames if self.config.window is None else groups_of(self.window_numbers(grids, x.device))
        for i, block in enumerate(self.blocks):
            x = inside(block, x, rotation, frames if i in self.config.full_layers else windows)
        return self.merger(self.tokens(x))

    def rotation(self, grids: Sequence[Grid], device: torch.device) -> Rotation:
        """Cosines and sines, (patches, head_dim)."""
        places = torch.cat([squares(grid, self.config.merge, device) for grid in grids])  # (patches, 2): row, column
        turning = frequencies(self.config.dim // self.config.heads // 2, self.config.rope_base, device=device)
        angles = (places[:, :, None].float() * turning).flatten(1)  # (patches, head_dim/2): the row's, the column's
        angles = torch.cat([angles, angles], dim=1)
        return Rotation(angles.cos(), angles.sin())

    def window_numbers(self, grids: Sequence[Grid], device: torch.device) -> Int[Tensor, " patches"]:
        """Which window of which frame each patch belongs to."""
        side = (self.config.window or 0) // self.config.patch_size // self.config.merge * self.config.merge
        numbers, first = [], 0
        for grid in grids:
            across = -(-grid.cols // side)
            down = -(-grid.rows // side)
            row, column = squares(grid, self.config.merge, device).T // side
            frame = frame_numbers([grid], device)
            numbers.append(first + (frame * down + row) * across + column)
            first += grid.frames * down * across
        return torch.cat(numbers)


def squares(grid: Grid, merge: int, device: torch.device) -> Int[Tensor, "patches 2"]:
    """(row, column) of each patch, in the order of the merger."""
    rows, cols = torch.arange(grid.rows, device=device), torch.arange(grid.cols, device=device)
    places = torch.stack(torch.meshgrid(rows, cols, indexing="ij"), dim=-1)
    places = places.unflatten(0, (-1, merge)).unflatten(2, (-1, merge))  # (rows, merge, cols, merge, 2)
    return places.transpose(1, 2).reshape(-1, 2).repeat(grid.frames, 1)


def frame_numbers(grids: Sequence[Grid], device: torch.device) -> Int[Tensor, " patches"]:
    """Which frame of which picture each patch belongs to, counted through."""
    lengths = [grid.rows * grid.cols for grid in grids for _ in range(grid.frames)]
    numbers = torch.arange(len(lengths), device=device)
    return numbers.repeat_interleave(torch.tensor(lengths, device=device))


def groups_of(numbers: Int[Tensor, " patches"]) -> list[Int[Tensor, "_ _"]]:
    """Indices of the patches that share a number; groups of equal length stacked, (groups, length) each."""
    order = numbers.argsort(stable=True)
    lengths = numbers.unique(return_counts=True)[1].tolist()
    members: dict[int, list[Tensor]] = {}
    for group in order.split(lengths):
        members.setdefault(len(group), []).append(group)
    return [torch.stack(groups) for groups in members.values()]


def inside(
    block: nn.Module, x: Float[Tensor, "patches dim"], rotation: Rotation, groups: list[Int[Tensor, "_ _"]]
) -> Float[Tensor, "patches dim"]:
    """The block applied to each group by itself."""
    out = torch.empty_like(x)
    for index in groups:
        turn = Rotation(rotation.cos[index][:, None], rotation.sin[index][:, None])  # (groups, 1, length, head_dim)
        out[index] = block(x[index], None, turn)
    return out
