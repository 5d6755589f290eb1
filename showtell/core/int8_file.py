"""A checkpoint a quarter of its size: large matrices as signed bytes on disk, floating point again in memory.

    weight (out, ...)   ->   weight:bytes   int8  (out, ...)        weight:scale   float16 (out,)
    anything else       ->   itself, in float32                     (norms, biases, counters)

The rounding is that of `int8.py`: a byte a weight, by the largest of its row. Kernels of convolutions are rows by
output channel. Unlike `Int8Linear`, whose bytes stay bytes and make a decoder faster, this only makes a file small.
"""

from pathlib import Path

from torch import Tensor, nn

from showtell.core.checkpoint import fill_module, load_tensors, save_tensors
from showtell.core.errors import CheckpointError
from showtell.core.int8 import to_int8

LEAST = 4096  # numbers in a matrix worth packing


def save_bytes(module: nn.Module, path: Path) -> None:
    """Write the parameters and buffers of `module`, large matrices as bytes."""
    packed: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and tensor.dim() > 1 and tensor.numel() >= LEAST:
            rows, scale = to_int8(tensor.detach().flatten(1))
            half = scale.half().float()  # the bytes are rounded once more for the scale that is stored
            exact = (tensor.detach().flatten(1) / half.clamp_min(1e-30)[:, None]).round().clamp(-127, 127)
            packed[f"{name}:bytes"] = exact.to(rows.dtype).view_as(tensor).contiguous()
            packed[f"{name}:scale"] = scale.half()
        else:
            packed[name] = tensor.detach().float() if tensor.is_floating_point() else tensor.detach()
    save_tensors(packed, path)


def load_bytes(module: nn.Module, path: Path) -> None:
    """Fill `module` from a file of `save_bytes`.

    Raises CheckpointError when the file is missing, damaged or of another configuration.
    """
    packed = load_tensors(path)
    tensors = {name: tensor for name, tensor in packed.items() if not name.endswith((":bytes", ":scale"))}
    for name, rows in packed.items():
        if name.endswith(":bytes"):
            whole = name.removesuffix(":bytes")
            if f"{whole}:scale" not in packed:
                raise CheckpointError(f"{path}: {whole} has bytes and no scale; fetch the file again")
            scale = packed[f"{whole}:scale"].float()
            tensors[whole] = rows.float() * scale.view(-1, *[1] * (rows.dim() - 1))
    fill_module(module, tensors, str(path))
