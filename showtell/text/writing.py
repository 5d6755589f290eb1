"""A decoder made ready to write on a CPU, where a token costs as long as it takes to read every weight once.

    by_columns   float32, the same numbers in another order of memory: a wide matrix is read 1.6 times as fast
    to_half      16-bit weights, activations in float32
    to_int8      8-bit weights and activations; 16-bit weights where inputs have outliers

Each changes the decoder in place and returns it. Where the output projection is tied to the embedding, both are kept in
the new form. What the rounding costs is measured on real weights by `bench/decode.py`. None of them is for training.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from showtell.core.half import HalfEmbedding, HalfLinear
from showtell.core.int8 import ByteProductLinear, Int8Embedding
from showtell.text.decoder import Decoder

WIDE = 1.5  # outputs per input from which reading by columns is faster (measured on an EPYC with AVX-512)
OUTLIERS = ("down",)  # a gate times a branch has no bound; everything else reads a norm's output or an average
Make = Callable[[Tensor, Tensor | None], nn.Module]


@torch.no_grad()
def by_columns(decoder: Decoder) -> Decoder:
    """Wide float32 matrices laid out column by column; shapes, names and numbers stay."""
    matrices = [module.weight for module in decoder.modules() if isinstance(module, nn.Linear | nn.Embedding)]
    for weight in matrices:
        if weight.dtype == torch.float32 and weight.shape[0] >= WIDE * weight.shape[1]:
            weight.data = weight.data.T.contiguous().T
    return decoder


def to_half_decoder(decoder: Decoder) -> Decoder:
    """Replace the weights by 16-bit ones.

    Raises ConfigError where PyTorch lacks the kernels.
    """
    embedding = decoder.embedding.weight
    replace_linears(decoder, lambda name: HalfLinear)
    if decoder.head is None:
        decoder.head = HalfLinear(embedding)  # type: ignore[assignment]
    decoder.embedding = HalfEmbedding(embedding)  # type: ignore[assignment]
    return decoder.eval()


def to_int8_decoder(decoder: Decoder) -> Decoder:
    """Replace the weights by bytes.

    Raises ConfigError where PyTorch lacks the kernels.
    """
    replace_linears(decoder, lambda name: HalfLinear if name in OUTLIERS else ByteProductLinear)
    projection = ByteProductLinear(decoder.embedding.weight)
    if decoder.head is None:
        decoder.head = projection  # type: ignore[assignment]
    decoder.embedding = Int8Embedding(projection)  # type: ignore[assignment]
    return decoder.eval()


def replace_linears(module: nn.Module, maker: Callable[[str], Make]) -> None:
    """Every `nn.Linear` below `module` by what `maker(its name)` makes of its weight and bias, one after the other."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, maker(name)(child.weight, child.bias))
        else:
            replace_linears(child, maker)
