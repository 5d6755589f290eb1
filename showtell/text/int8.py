"""A decoder with byte weights, for writing on a CPU: every matrix becomes an `Int8Linear`, norms stay as they are.

The embedding is kept as bytes too; where the output projection is tied to it, both are one matrix still. What the
rounding costs is measured on real weights by `bench/decode.py`.
"""

from torch import nn

from showtell.core.int8 import Int8Embedding, Int8Linear
from showtell.text.decoder import Decoder


def to_int8_decoder(decoder: Decoder) -> Decoder:
    """Replace the weights of `decoder` by bytes, in place; returns it."""
    replace_linears(decoder)
    projection = Int8Linear(decoder.embedding.weight)
    if decoder.head is None:
        decoder.head = projection  # type: ignore[assignment]
    decoder.embedding = Int8Embedding(projection)  # type: ignore[assignment]
    return decoder.eval()


def replace_linears(module: nn.Module) -> None:
    """Every `nn.Linear` below `module`, one after the other, so that only one matrix is there twice at a time."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child.weight, child.bias))
        else:
            replace_linears(child)
