"""One pre-norm transformer block, shared by every tower and decoder.

    x = x + scale1 * attn(norm1(x))
    x = x + scale2 * mlp(norm2(x))

The residual stream `x` is never normalised on its way; each half reads a normalised copy and adds what it found. The
scales are identities except in families that train with LayerScale (Touvron et al. 2021; DINOv2), or that normalise
what each half found once more before it is added (Gemma 2).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from showtell.core.attention import Attention, AttentionConfig, LayerCache
from showtell.core.mlp import MLP, Activation, GatedMLP
from showtell.core.norms import NormKind, make_norm
from showtell.core.rope import Rotation
from showtell.core.trace import Tap


@dataclass(frozen=True, kw_only=True)
class BlockConfig:
    """One block; every block of a model is alike.

    attention: shape of the attention half.
    mlp_dim: hidden width of the MLP half.
    activation: the MLP's non-linearity.
    gated: SwiGLU-style MLP instead of the plain one.
    mlp_bias: biases in the MLP.
    norm: "layer", "rms" or "offset_rms".
    norm_eps: added to the variance before the root.
    layer_scale: initial value of a learned per-channel scale on each half; None = no scale.
    post_norm: normalise the output of each half, in the place of the scale.
    """

    attention: AttentionConfig
    mlp_dim: int
    activation: Activation = "gelu"
    gated: bool = False
    mlp_bias: bool = True
    norm: NormKind = "layer"
    norm_eps: float = 1e-6
    layer_scale: float | None = None
    post_norm: bool = False

    def make_scale(self) -> nn.Module:
        """What the output of a half passes through before it is added."""
        if self.post_norm:
            return make_norm(self.norm, self.attention.dim, self.norm_eps)
        return nn.Identity() if self.layer_scale is None else LayerScale(self.attention.dim, self.layer_scale)


class LayerScale(nn.Module):
    """A learned gain per channel."""

    def __init__(self, dim: int, value: float):
        super().__init__()
        self.gain = nn.Parameter(torch.full((dim,), value))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


class Block(nn.Module):
    """Attention, then MLP, each added to the residual stream."""

    def __init__(self, config: BlockConfig):
        super().__init__()
        dim = config.attention.dim
        self.norm1 = make_norm(config.norm, dim, config.norm_eps)
        self.attn = Attention(config.attention)
        self.scale1 = config.make_scale()
        self.norm2 = make_norm(config.norm, dim, config.norm_eps)
        make_mlp = GatedMLP if config.gated else MLP
        self.mlp = make_mlp(dim, config.mlp_dim, config.activation, config.mlp_bias)
        self.scale2 = config.make_scale()
        self.residual = Tap()

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        mask: Tensor | None = None,
        rotation: Rotation | None = None,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        x = x + self.scale1(self.attn(self.norm1(x), mask, rotation, cache))
        x = x + self.scale2(self.mlp(self.norm2(x)))
        return self.residual(x)
