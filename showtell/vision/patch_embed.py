"""From pixels to tokens.

linear   one convolution whose stride is its kernel: each patch is flattened and projected, and nothing crosses a
         patch's border (Dosovitskiy et al. 2021, ViT). A patch of 16 x 16 x 3 = 768 numbers becomes `dim` numbers.
conv     a short stack of overlapping 3 x 3 stride-2 convolutions, then a convolution whose stride finishes the
         patch (Xiao et al. 2021, "Early convolutions help transformers see better"): edges that fall on a patch
         border stay visible, and a small tower learns several times faster.

    96 x 96 x 3 -> 48 x 48 x 32 -> 24 x 24 x 64 -> 8 x 8 x dim          (conv, patch 12: strides 2, 2, 3)
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PatchEmbed(nn.Module):
    """Non-overlapping linear patches."""

    def __init__(self, patch_size: int, dim: int, channels: int = 3, bias: bool = True):
        super().__init__()
        self.projection = nn.Conv2d(channels, dim, patch_size, patch_size, bias=bias)

    def forward(self, pixels: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch dim rows cols"]:
        return self.projection(pixels)


class ConvStem(nn.Module):
    """Two stride-2 convolutions, a convolution that finishes the patch, and residual convolutions at both sizes.

    Normalisation is a GroupNorm of one group, so that a picture's tokens never depend on its batch.
    """

    def __init__(self, patch_size: int, dim: int, width: int = 32, channels: int = 3, depth: int = 2):
        super().__init__()
        if patch_size % 4:
            raise ValueError(f"a convolutional stem halves the picture twice; patch_size {patch_size} must divide by 4")
        rest = patch_size // 4
        fine = [Residual(2 * width) for _ in range(depth)]
        coarse = [Residual(dim) for _ in range(depth)]
        self.stages = nn.Sequential(stage(channels, width, 2), stage(width, 2 * width, 2), *fine)
        self.projection = nn.Conv2d(2 * width, dim, rest, rest)
        self.mix = nn.Sequential(*coarse)

    def forward(self, pixels: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch dim rows cols"]:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return self.mix(self.projection(self.stages(pixels)))


class Residual(nn.Module):
    """x + conv(norm, GELU, conv(...)): neighbours mixed, the input kept."""

    def __init__(self, channels: int):
        super().__init__()
        self.inner = nn.Sequential(stage(channels, channels, 1), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def stage(channels: int, out: int, stride: int) -> nn.Sequential:
    """3 x 3 convolution, norm, GELU."""
    convolution = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(1, out), nn.GELU())
