"""Int8 weights: a matrix as signed bytes, one scale a row, multiplied without being unpacked.

    weight[o, i]  =  scale[o] * bytes[o, i],      scale[o] = max |weight[o]| / 127
    y[o]          =  scale[o] * sum_i x[i] bytes[o, i]

Writing one token reads every weight once and computes little with it, so the bytes that are read are the time it takes,
and here they are a quarter of float32's. Two products for few rows at a time:

    Int8Linear          x stays a float; the product reads it as bfloat16 and sums in float32
    ByteProductLinear   x is rounded to bytes too, one scale a call: twice as fast, for inputs without outliers

Many tokens at once (a prompt) are bound by arithmetic instead; there the matrix is unpacked for the moment and
multiplied as usual. Inference only (rounding by the largest of a row, and why outliers matter: Dettmers et al. 2022).
"""

import warnings

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int8
from torch import Tensor, nn

from showtell.core.half import require_fbgemm

LANES = 32  # numbers the byte product reads at a time; of a narrower rest it would read what lies behind the row
MOST_ROWS_PACKED = 4  # above, unpacking costs less than it saves (measured on an EPYC with AVX-512)


def to_int8(weight: Float[Tensor, "out in"]) -> tuple[Int8[Tensor, "out in"], Float[Tensor, " out"]]:
    """Bytes and scales of a matrix; a row of zeros has scale 0."""
    scale = weight.float().abs().amax(dim=1) / 127
    bytes = (weight.float() / scale.clamp_min(1e-30)[:, None]).round().to(torch.int8)
    return bytes, scale


class Int8Linear(nn.Module):
    """`nn.Linear` with byte weights."""

    def __init__(self, weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"] | None = None):
        super().__init__()
        bytes, scale = to_int8(weight.detach())
        self.weight = nn.Buffer(bytes)
        self.scale = nn.Buffer(scale)
        self.ones = nn.Buffer(torch.ones_like(scale, dtype=torch.bfloat16), persistent=False)
        self.bias = None if bias is None else nn.Buffer(bias.detach().float())

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        rows = x.reshape(-1, x.shape[-1])
        if len(rows) <= MOST_ROWS_PACKED and self.weight.shape[1] % LANES == 0 and x.device.type == "cpu":
            product = torch._weight_int8pack_mm(rows.bfloat16(), self.weight, self.ones).float()
        else:
            product = F.linear(rows.float(), self.weight.float())
        product = product * self.scale
        if self.bias is not None:
            product = product + self.bias
        return product.to(x.dtype).unflatten(0, x.shape[:-1]) if x.dim() > 1 else product[0].to(x.dtype)


class ByteProductLinear(Int8Linear):
    """`Int8Linear` whose input becomes bytes as well, where there are few rows of it.

    The packed copy is what few rows read; the bytes themselves serve many rows, and a tied embedding.
    """

    def __init__(self, weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"] | None = None):
        super().__init__(weight, bias)
        require_fbgemm()
        scale, zeros = self.scale.double().clamp_min(1e-30), torch.zeros(len(weight), dtype=torch.long)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the type is being retired in favour of a library of its own
            bytes = torch._make_per_channel_quantized_tensor(self.weight, scale, zeros, 0)
            self.packed = torch.ops.quantized.linear_prepack(bytes, self.bias)

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        if x.shape[:-1].numel() > MOST_ROWS_PACKED:
            return super().forward(x)
        return torch.ops.quantized.linear_dynamic(x.float(), self.packed).to(x.dtype)


class Int8Embedding(nn.Module):
    """Rows of a byte matrix, looked up; shares its memory with the `Int8Linear` of a tied output projection."""

    def __init__(self, projection: Int8Linear):
        super().__init__()
        self.weight, self.scale = projection.weight, projection.scale

    def forward(self, ids: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch dim"]:
        return self.weight[ids].float() * self.scale[ids][..., None]
