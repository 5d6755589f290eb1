"""The bridge from the tower's space to the decoder's: one vector in, one vector out, token by token.

linear   LLaVA (Liu et al. 2023), PaliGemma: one matrix
mlp      LLaVA-1.5: two layers with a GELU; a little curvature helps when the towers were trained apart

Before either, neighbouring tokens may be folded into one ("pixel shuffle", Idefics3: Laurençon et al. 2024): fewer and
wider tokens, nothing lost.

    a b | c d
    e f | g h     factor 2:  4 x 4 tokens of dim  ->  2 x 2 tokens of 4 dim, the first = [a b e f]
    ----+----
    i j | k l

Or they are averaged (`pooled.py`). Bridges that *choose* what to keep are `resampler.py` and `qformer.py`.
"""

from collections import OrderedDict
from dataclasses import dataclass
from math import isqrt
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from showtell.core.mlp import MLP, Activation
from showtell.fusion.pooled import PooledTokens


@dataclass(frozen=True, kw_only=True)
class ConnectorConfig:
    """Which bridge.

    kind: "linear" or "mlp".
    hidden: hidden width of the MLP; None = the decoder's width.
    activation: of the MLP.
    bias: biases in its layers.
    shuffle: side of the square of tokens that is folded into one first; 1 = none.
    pool: side of the square of tokens whose mean is taken before that; 1 = none.
    """

    kind: Literal["linear", "mlp"] = "mlp"
    hidden: int | None = None
    activation: Activation = "gelu"
    bias: bool = True
    shuffle: int = 1
    pool: int = 1


class PixelShuffle(nn.Module):
    """Folds each square of `factor` x `factor` tokens into one token of factor^2 times the width."""

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def forward(self, tokens: Float[Tensor, "images tokens dim"]) -> Float[Tensor, "images fewer wider"]:
        """Raises ValueError when the tokens are not a square whose side divides by the factor."""
        side = isqrt(tokens.shape[1])
        if side * side != tokens.shape[1] or side % self.factor:
            raise ValueError(f"{tokens.shape[1]} tokens are no square whose side divides by {self.factor}")
        rows = side // self.factor
        square = tokens.unflatten(1, (rows, self.factor, rows, self.factor))  # (images, rows, f, cols, f, dim)
        return square.permute(0, 1, 3, 2, 4, 5).flatten(3).flatten(1, 2)


def make_connector(config: ConnectorConfig, vision_dim: int, text_dim: int) -> nn.Module:
    """(batch, tokens, vision_dim) -> (batch, tokens / (pool shuffle)^2, text_dim)."""
    width = vision_dim * config.shuffle**2
    bridge: nn.Module
    if config.kind == "linear":
        bridge = nn.Linear(width, text_dim, bias=config.bias)
    else:
        bridge = MLP(width, config.hidden or text_dim, config.activation, config.bias, out=text_dim)
    steps: dict[str, nn.Module] = {"pool": PooledTokens(config.pool)} if config.pool > 1 else {}
    if config.shuffle > 1:
        steps["shuffle"] = PixelShuffle(config.shuffle)
    return nn.Sequential(OrderedDict(**steps, bridge=bridge)) if steps else bridge
