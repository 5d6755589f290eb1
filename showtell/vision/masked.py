"""Seeing by filling in: a masked autoencoder (He et al. 2022).

    pixels -> patches -> keep a quarter -> encoder (sees only those: a quarter of the cost)
                                              -> narrow -> mask tokens where patches are missing, + positions
                                              -> small decoder -> 3 p^2 numbers a patch
    L = mean over the *missing* patches of (prediction - patch)^2, each patch standardised by its own mean and deviation

Three quarters can go because neighbouring pixels say nearly the same: with little missing the task is interpolation,
with most missing it needs things. Standardised targets ask for the structure of a patch and not for its brightness. The
decoder is thrown away. Not here: the encoder (`vit.py`), published checkpoints of it (`vit_mae.py`).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from showtell.core.attention import AttentionConfig
from showtell.core.block import Block, BlockConfig
from showtell.engine.step import Loss
from showtell.images.patchify import patchify
from showtell.vision.pos_embed import sincos_2d
from showtell.vision.vit import VisionTransformer


@dataclass(frozen=True, kw_only=True)
class PainterConfig:
    """Shape of the decoder that paints the missing patches.

    dim, depth, heads, mlp_dim: as in `ViTConfig`; much smaller than the encoder's will do.
    norm_eps: of its norms.
    """

    dim: int
    depth: int
    heads: int
    mlp_dim: int
    norm_eps: float = 1e-6


class MaskedAutoencoder(nn.Module):
    """An encoder, and a decoder that is only needed to train it."""

    def __init__(self, encoder: VisionTransformer, config: PainterConfig):
        super().__init__()
        patch, prefix = encoder.config.patch_size, encoder.prefix
        self.encoder = encoder
        self.narrow = nn.Linear(encoder.config.dim, config.dim)
        self.mask_token = nn.Parameter(torch.randn(config.dim) * 0.02)
        fixed = torch.cat([torch.zeros(prefix, config.dim), sincos_2d(*encoder.config.grid, config.dim)])
        self.positions = nn.Buffer(fixed)
        block = BlockConfig(
            attention=AttentionConfig(dim=config.dim, heads=config.heads),
            mlp_dim=config.mlp_dim,
            norm_eps=config.norm_eps,
        )
        self.blocks = nn.ModuleList(Block(block) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.paint = nn.Linear(config.dim, 3 * patch**2)

    def forward(
        self, pixels: Float[Tensor, "batch 3 height width"], kept: Int[Tensor, "batch kept"]
    ) -> Float[Tensor, "batch patches values"]:
        """Every patch as the model believes it to be, from the `kept` ones alone."""
        encoder = self.encoder
        patches = encoder.patches(pixels)
        grid = (patches.shape[2], patches.shape[3])
        x = torch.cat([encoder.class_token.expand(len(pixels), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        x = encoder.registers(encoder.add_positions(x, grid))
        places = kept[..., None]
        seen = x[:, encoder.prefix :].gather(1, places.expand(-1, -1, x.shape[-1]))  # (batch, kept, dim)
        out = encoder.encode(torch.cat([x[:, : encoder.prefix], seen], dim=1), grid)
        canvas = self.mask_token.expand(len(x), grid[0] * grid[1], -1)
        seen = self.narrow(out.tokens)
        canvas = canvas.to(seen.dtype).scatter(1, places.expand(-1, -1, seen.shape[-1]), seen)
        y = torch.cat([self.narrow(out.prefix), canvas], dim=1) + self.positions
        for block in self.blocks:
            y = block(y)
        return self.paint(self.norm(y))[:, encoder.prefix :]


def draw_kept(
    batch: int, patches: int, share: float, generator: torch.Generator | None = None
) -> Int[Tensor, "batch kept"]:
    """Which patches are kept: a random `1 - share` of them, another draw for each picture."""
    kept = int(patches * (1 - share))
    return torch.rand(batch, patches, generator=generator).argsort(dim=1)[:, :kept]


def standardised_patches(
    pixels: Float[Tensor, "batch 3 height width"], patch: int
) -> Float[Tensor, "batch patches values"]:
    """Patches with mean 0 and deviation 1, each by itself; values in the order row, column, channel."""
    values = patchify(pixels, patch)
    return (values - values.mean(dim=-1, keepdim=True)) / (values.var(dim=-1, keepdim=True) + 1e-6).sqrt()


@dataclass(frozen=True)
class MaskedStep:
    """`step(model, pixels) -> Loss`, a picture counting one; the loop seeds the drawing of masks."""

    share: float = 0.75

    def __call__(self, model: MaskedAutoencoder, pixels: Tensor) -> Loss:
        rows, cols = model.encoder.config.grid
        kept = draw_kept(len(pixels), rows * cols, self.share).to(pixels.device)
        return self.loss(model, pixels, kept)

    def loss(self, model: MaskedAutoencoder, pixels: Tensor, kept: Tensor) -> Loss:
        """With the mask that is given."""
        target = standardised_patches(pixels, model.encoder.config.patch_size)
        error = (model(pixels, kept).float() - target).square().mean(dim=-1)  # (batch, patches)
        missing = torch.ones_like(error).scatter(1, kept, 0.0)
        per_picture = (error * missing).sum(dim=1) / missing.sum(dim=1)
        return Loss(per_picture.sum(), float(len(pixels)))
