"""Which patches mattered: three ways to say it, and only one that is an experiment.

    attention    share of all attention that a patch receives, mean over layers, heads and queries
    gradient     sum over a patch of |pixel * d output / d pixel|: the first-order guess of what removing it does
    occlusion    remove the patch (mid-grey in its place) and measure how far the output moved

"Output" is the tower's pooled vector, and "moved" is 1 - cosine. Attention and gradients are readings of a network that
has not been touched; occlusion intervenes, one patch at a time, and so cannot see what two patches do together either.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from showtell.core.trace import trace
from showtell.vision.vit import VisionTransformer


def occluded(
    pixels: Float[Tensor, "3 height width"], cells: Sequence[int], patch_size: int
) -> Float[Tensor, "3 height width"]:
    """The picture with these patches (row by row) at 0, which is mid-grey after the usual normalisation."""
    cols = pixels.shape[2] // patch_size
    covered = pixels.clone()
    for cell in cells:
        top, left = cell // cols * patch_size, cell % cols * patch_size
        covered[:, top : top + patch_size, left : left + patch_size] = 0
    return covered


TOGETHER = 16  # pictures in a forward pass


@torch.inference_mode()
def moved(
    tower: VisionTransformer, pixels: Float[Tensor, "3 height width"], removals: Sequence[Sequence[int]]
) -> Float[Tensor, "removals"]:
    """How far the pooled output moves, 1 - cosine, for each list of removed patches."""
    patch = tower.config.patch_size
    batches = torch.stack([occluded(pixels, cells, patch) for cells in removals]).split(TOGETHER)
    outputs = torch.cat([tower(batch).pooled for batch in batches])  # (removals, dim)
    return 1 - F.cosine_similarity(outputs, tower(pixels[None]).pooled, dim=1)


def occlusion(tower: VisionTransformer, pixels: Float[Tensor, "3 height width"]) -> Float[Tensor, "patches"]:
    """`moved` for each patch alone."""
    count = (pixels.shape[1] // tower.config.patch_size) * (pixels.shape[2] // tower.config.patch_size)
    return moved(tower, pixels, [[cell] for cell in range(count)])


def gradient_times_input(tower: VisionTransformer, pixels: Float[Tensor, "3 height width"]) -> Float[Tensor, "patches"]:
    """For half the squared length of the pooled output."""
    with torch.enable_grad():
        seen = pixels[None].detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(tower(seen).pooled.square().sum() / 2, seen)
    influence = (gradient[0] * pixels).abs().sum(dim=0)  # (height, width)
    size = tower.config.patch_size
    return influence.unfold(0, size, size).unfold(1, size, size).sum(dim=(-1, -2)).flatten()


@torch.inference_mode()
def attention_received(tower: VisionTransformer, pixels: Float[Tensor, "3 height width"]) -> Float[Tensor, "patches"]:
    """Shares that sum to at most 1 (class token and registers keep theirs)."""
    with trace(tower, "blocks.*.attn.weights") as seen:
        patches = tower(pixels[None]).tokens.shape[1]
    received = torch.stack([weights[0].mean(dim=(0, 1)) for weights in seen.values()]).mean(dim=0)  # (tokens,)
    return received[len(received) - patches :]
