"""The bridge from the tower's space to the decoder's: one vector in, one vector out, token by token.

linear   LLaVA (Liu et al. 2023): one matrix
mlp      LLaVA-1.5: two layers with a GELU; a little curvature helps when the towers were trained apart
"""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from showtell.core.mlp import MLP


@dataclass(frozen=True, kw_only=True)
class ConnectorConfig:
    """Which bridge.

    kind: "linear" or "mlp".
    hidden: hidden width of the MLP; None = the decoder's width.
    """

    kind: Literal["linear", "mlp"] = "mlp"
    hidden: int | None = None


def make_connector(config: ConnectorConfig, vision_dim: int, text_dim: int) -> nn.Module:
    """(batch, tokens, vision_dim) -> (batch, tokens, text_dim)."""
    if config.kind == "linear":
        return nn.Linear(vision_dim, text_dim)
    return MLP(vision_dim, config.hidden or text_dim, "gelu", out=text_dim)
