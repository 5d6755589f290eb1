"""Half-precision weights beside float32 activations, for a CPU.

    y = x W^T + b        W as 16-bit floats, packed for the kernel; x, y and the sums in float32

A matrix of a trained model fits into float16 with all its digits that matter (its numbers are far from 65,504), while
activations may not; so only weights are halved. A bfloat16 model loses three more bits of each weight and eleven of
each activation. The product is fbgemm's, which x86 builds of PyTorch have. Inference only.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from showtell.core.errors import ConfigError


def require_fbgemm() -> None:
    """Raise ConfigError where PyTorch was built without the kernels of packed weights."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        raise ConfigError("packed weights need the fbgemm kernels of PyTorch, which only x86 builds have; use float32")


class HalfLinear(nn.Module):
    """`nn.Linear` with 16-bit weights."""

    def __init__(self, weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"] | None = None):
        super().__init__()
        require_fbgemm()
        self.packed = torch.ops.quantized.linear_prepack_fp16(
            weight.detach().float().contiguous(), None if bias is None else bias.detach().float()
        )

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        return torch.ops.quantized.linear_dynamic_fp16(x, self.packed)


class HalfEmbedding(nn.Module):
    """Rows of a 16-bit matrix, looked up."""

    def __init__(self, weight: Float[Tensor, "words dim"]):
        super().__init__()
        self.weight = nn.Buffer(weight.detach().half())

    def forward(self, ids: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch dim"]:
        return self.weight[ids].float()
