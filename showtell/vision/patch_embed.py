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
    """Two overlapping stride-2 convolutions, one stride-1, then a projection with the stride that is left.

    Normalisation is a GroupNorm of one group, so that a picture's tokens never depend on its batch.
    """

    def __init__(self, patch_size: int, dim: int, width: int = 32, channels: int = 3):
        super().__init__()
        if patch_size % 4:
            raise ValueError(f"a convolutional stem halves the picture twice, so patch_size {patch_size} must divide by 4")
        rest = patch_size // 4
        self.stages = nn.Sequential(
            stage(channels, width, 2), stage(width, 2 * width, 2), stage(2 * width, 2 * width, 1)
        )
        self.projection = nn.Conv2d(2 * width, dim, rest, rest)

    def forward(self, pixels: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch dim rows cols"]:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return self.projection(self.stages(pixels))


def stage(channels: int, out: int, stride: int) -> nn.Sequential:
    """3 x 3 convolution, norm, GELU."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, stride, padding=1, bias=False), nn.GroupNorm(1, out), nn.GELU()
    )
