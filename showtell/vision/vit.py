"""The Vision Transformer (Dosovitskiy et al. 2021), the one architecture behind every tower of this library.

    pixels -> patches -> + positions -> [class | patches] -> depth x block -> norm -> tokens, pooled

What families change is a switch of `ViTConfig`, consumed in `__init__`; `forward` has no branches. Not here: the
training objectives (`dense.py` and, later, self-distillation, masked), and the loading tables (one thin file a family).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from showtell.core.attention import AttentionConfig
from showtell.core.block import Block, BlockConfig
from showtell.core.mlp import Activation
from showtell.core.norms import make_norm
from showtell.core.trace import Tap
from showtell.vision.patch_embed import ConvStem, PatchEmbed
from showtell.vision.pos_embed import resample_positions, sincos_2d


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """Shape and switches of a vision transformer.

    image_size: (height, width) in pixels that the learned positions belong to.
    patch_size: side of a square patch in pixels.
    dim, depth, heads, mlp_dim: width, number of blocks, attention heads, hidden width of the MLP.
    stem: "linear" patches or a "conv" stem.
    positions: "learned", or fixed "sincos".
    class_token: whether a learned token is put first and returned as `pooled`; otherwise `pooled` is the mean of the
        patch tokens.
    activation, norm_eps, layer_scale: see `BlockConfig`.
    """

    image_size: tuple[int, int]
    patch_size: int
    dim: int
    depth: int
    heads: int
    mlp_dim: int
    stem: Literal["linear", "conv"] = "linear"
    positions: Literal["learned", "sincos"] = "learned"
    class_token: bool = False
    activation: Activation = "gelu"
    norm_eps: float = 1e-6
    layer_scale: float | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, cols) of patches of a picture of `image_size`."""
        return self.image_size[0] // self.patch_size, self.image_size[1] // self.patch_size


@dataclass(frozen=True)
class VisionOutput:
    """What a tower says about a picture.

    tokens: (batch, rows * cols, dim), row-major, without class token.
    pooled: (batch, dim), one vector a picture.
    grid: (rows, cols).
    """

    tokens: Tensor
    pooled: Tensor
    grid: tuple[int, int]


class VisionTransformer(nn.Module):
    """Pixels to tokens."""

    def __init__(self, config: ViTConfig):
        super().__init__()
        self.config = config
        make_stem = {"linear": PatchEmbed, "conv": ConvStem}[config.stem]
        self.patches = make_stem(config.patch_size, config.dim)
        self.prefix = 1 if config.class_token else 0
        self.class_token = nn.Parameter(torch.zeros(self.prefix, config.dim))
        rows, cols = config.grid
        fixed = torch.cat([torch.zeros(self.prefix, config.dim), sincos_2d(rows, cols, config.dim)])
        if config.positions == "learned":
            self.positions = nn.Parameter(fixed)  # learned, from a start that already tells places apart
        else:
            self.register_buffer("positions", fixed, persistent=False)
        block = BlockConfig(
            attention=AttentionConfig(dim=config.dim, heads=config.heads),
            mlp_dim=config.mlp_dim,
            activation=config.activation,
            norm_eps=config.norm_eps,
            layer_scale=config.layer_scale,
        )
        self.blocks = nn.ModuleList(Block(block) for _ in range(config.depth))
        self.norm = make_norm("layer", config.dim, config.norm_eps)
        self.embedded, self.tokens = Tap(), Tap()

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> VisionOutput:
        """Height and width may differ from `image_size` by whole patches; learned positions are then resampled."""
        patches = self.patches(pixels)  # (batch, dim, rows, cols)
        grid = (patches.shape[2], patches.shape[3])
        x = patches.flatten(2).transpose(1, 2)  # (batch, tokens, dim)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1)
        x = self.embedded(x + self.positions_for(grid))
        for block in self.blocks:
            x = block(x)
        x = self.tokens(self.norm(x))
        summary, tokens = x[:, : self.prefix], x[:, self.prefix :]
        pooled = (summary if self.prefix else tokens).mean(dim=1)
        return VisionOutput(tokens, pooled, grid)

    def positions_for(self, grid: tuple[int, int]) -> Float[Tensor, "tokens dim"]:
        positions = self.positions
        resampled = resample_positions(positions[self.prefix :], self.config.grid, grid)
        return torch.cat([positions[: self.prefix], resampled])
