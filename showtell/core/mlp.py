"""The position-wise half of a transformer block.

    plain   down(act(up(x)))                     ViT, CLIP: act = GELU (exact, tanh-approximated or "quick")
    gated   down(act(gate(x)) * up(x))           SwiGLU with act = SiLU (Shazeer 2020; Llama)

Dropout is left out: none of the checkpoints this library loads was published with any, and none of its recipes repeats
its data often enough to want it.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Activation = Literal["gelu", "gelu_tanh", "quick_gelu", "silu", "relu"]


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x), the approximation OpenAI trained CLIP with."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "quick_gelu": quick_gelu,
    "silu": F.silu,
    "relu": F.relu,
}


class MLP(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(
        self, dim: int, hidden: int, activation: Activation = "gelu", bias: bool = True, out: int | None = None
    ):
        super().__init__()
        self.up = nn.Linear(dim, hidden, bias=bias)
        self.down = nn.Linear(hidden, out or dim, bias=bias)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch out"]:
        return self.down(self.activation(self.up(x)))


class GatedMLP(nn.Module):
    """Three linear layers: one branch decides how much of the other passes."""

    def __init__(
        self, dim: int, hidden: int, activation: Activation = "silu", bias: bool = False, out: int | None = None
    ):
        super().__init__()
        self.gate = nn.Linear(dim, hidden, bias=bias)
        self.up = nn.Linear(dim, hidden, bias=bias)
        self.down = nn.Linear(hidden, out or dim, bias=bias)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch out"]:
        return self.down(self.activation(self.gate(x)) * self.up(x))
