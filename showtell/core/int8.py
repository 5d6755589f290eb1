"""Int8 weights: a matrix as signed bytes, one scale a row, multiplied without being unpacked.

    weight[o, i]  =  scale[o] * bytes[o, i],      scale[o] = max |weight[o]| / 127
    y[o]          =  scale[o] * sum_i x[i] bytes[o, i]

Writing one token reads every weight once and computes little with it, so the bytes that are read are the time it takes,
and here they are a quarter of float32's. Activations stay in float; the product reads them as bfloat16 and sums in
float32. Many tokens at once (a prompt) are bound by arithmetic instead; there the matrix is unpacked for the moment and
multiplied as usual. Weights only, inference only (rounding by the largest of a row: Dettmers et al. 2022).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int8
from torch import Tensor, nn

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
        if len(rows) <= MOST_ROWS_PACKED and x.device.type == "cpu":
            product = torch._weight_int8pack_mm(rows.bfloat16(), self.weight, self.ones).float()
        else:
            product = F.linear(rows.float(), self.weight.float())
        product = product * self.scale
        if self.bias is not None:
            product = product + self.bias
        return product.to(x.dtype).unflatten(0, x.shape[:-1]) if x.dim() > 1 else product[0].to(x.dtype)


class Int8Embedding(nn.Module):
    """Rows of a byte matrix, looked up; shares its memory with the `Int8Linear` of a tied output projection."""

    def __init__(self, projection: Int8Linear):
        super().__init__()
        self.weight, self.scale = projection.weight, projection.scale

    def forward(self, ids: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch dim"]:
        return self.weight[ids].float() * self.scale[ids][..., None]
