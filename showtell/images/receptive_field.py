"""How far a unit sees, in theory and in effect.

    theory   side of the square of pixels that can matter   r = 1 + sum over layers of (k - 1) d s
    effect   how much each of them does matter              |d unit / d pixel|  (Luo et al. 2016)

k is a layer's kernel, d its dilation, s the product of the strides before it. With equal weights the effect of L layers
of stride 1 is L boxes convolved with each other, so its variance is the sum of theirs: spread = d sqrt(L (k^2 - 1) /
12). The theory grows like L, the effect like its root, and its shape goes to a Gaussian (central limit theorem).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class ConvLayer:
    """kernel: its side; stride and dilation in pixels of its own input."""

    kernel: int
    stride: int = 1
    dilation: int = 1


def theoretical_field(layers: Sequence[ConvLayer]) -> int:
    """Side of the square of pixels that can influence one unit of the last layer."""
    side, jump = 1, 1
    for layer in layers:
        side += (layer.kernel - 1) * layer.dilation * jump
        jump *= layer.stride
    return side


def effective_field(
    network: Callable[[Tensor], Tensor], pixels: Float[Tensor, "channels height width"]
) -> Float[Tensor, "height width"]:
    """|d network / d pixel|, summed over channels; `network` maps (1, channels, height, width) to one number."""
    with torch.enable_grad():
        seen = pixels[None].detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(network(seen).sum(), seen)
    return gradient[0].abs().sum(dim=0)


def spread(field: Float[Tensor, "height width"]) -> float:
    """Standard deviation of the influence along an axis, in pixels (the mean of both axes)."""
    share = field.double() / field.double().sum().clamp(min=1e-300)
    variances = []
    for axis in (0, 1):
        line = share.sum(dim=1 - axis)
        places = torch.arange(len(line), dtype=torch.float64)
        centre = (line * places).sum()
        variances.append(float((line * (places - centre).square()).sum()))
    return float(sum(variances) / 2) ** 0.5


def extent(field: Float[Tensor, "height width"]) -> int:
    """Side of the smallest square around all influence that is not zero."""
    rows, columns = (field.sum(dim=axis).nonzero().flatten() for axis in (1, 0))
    return max(int(places[-1] - places[0]) + 1 if len(places) else 0 for places in (rows, columns))


def equal_stack(layers: Sequence[ConvLayer]) -> nn.Sequential:
    """One channel, every weight 1 / k^2, no non-linearity."""
    stack = [_conv(layer, 1, 1) for layer in layers]
    for layer, conv in zip(layers, stack, strict=True):
        nn.init.constant_(conv.weight, layer.kernel**-2)
    return nn.Sequential(*stack)


def random_stack(layers: Sequence[ConvLayer], width: int, seed: int) -> nn.Sequential:
    """Random weights (He et al. 2015) and a ReLU after each layer but the last."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts: list[nn.Module] = []
        for number, layer in enumerate(layers):
            conv = _conv(layer, width if number else 1, width)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            parts += [conv, nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def _conv(layer: ConvLayer, channels: int, out: int) -> nn.Conv2d:
    reach = (layer.kernel - 1) * layer.dilation // 2
    return nn.Conv2d(channels, out, layer.kernel, layer.stride, padding=reach, dilation=layer.dilation, bias=False)
