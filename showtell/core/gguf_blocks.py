"""Block formats of GGUF weights, and what numbers they stand for.

A row of a quantised matrix is cut into blocks of 32 (or 256) neighbours that share a scale d, and perhaps an offset m:

    Q8_0   x = d q,         q a signed byte                                     32 numbers in 34 bytes
    Q4_0   x = d (q - 8),   q half a byte                                       32 numbers in 18 bytes
    Q4_1   x = d q + m                                                          32 numbers in 20 bytes
    Q5_0, Q5_1              as Q4_*, the fifth bits in 4 more bytes
    Q4_K, Q5_K   x = (d s) q - (dmin t)     8 parts of 32 with 6-bit s and t   256 numbers in 144, 176 bytes
    Q6_K         x = (d s) (q - 32)        16 parts of 16 with 8-bit s         256 numbers in 210 bytes

Half bytes do not alternate: the low halves of 16 (or 32) bytes are the first numbers, the high halves the next ones.
The layout is that of ggml (`ggml-quants.c`); its other formats (Q2_K, Q3_K, IQ*) are refused by name in `gguf.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

Blocks = UInt8[Tensor, "blocks bytes"]
Numbers = Float[Tensor, "blocks numbers"]


@dataclass(frozen=True)
class BlockFormat:
    """How many numbers a block holds, in how many bytes, and how to read it."""

    name: str
    numbers: int
    bytes: int
    read: Callable[[Tensor], Tensor]


def half_floats(blocks: Blocks, start: int) -> Float[Tensor, "blocks 1"]:
    """The float16 at byte `start` of every block, as float32."""
    return blocks[:, start : start + 2].contiguous().view(torch.float16).float()


def halves(packed: UInt8[Tensor, "blocks bytes"], group: int) -> UInt8[Tensor, "blocks numbers"]:
    """Half bytes in order: of each `group` bytes the low halves, then the high halves."""
    grouped = packed.reshape(len(packed), -1, 1, group)
    return torch.cat([grouped & 15, grouped >> 4], dim=2).flatten(1)


def bits(packed: UInt8[Tensor, "blocks bytes"]) -> UInt8[Tensor, "blocks numbers"]:
    """Every bit, the lowest of each byte first."""
    places = torch.arange(8, dtype=torch.uint8)
    return (packed[:, :, None] >> places & 1).flatten(1)


def q8_0(blocks: Blocks) -> Numbers:
    return half_floats(blocks, 0) * blocks[:, 2:].contiguous().view(torch.int8).float()


def q4_0(blocks: Blocks) -> Numbers:
    return half_floats(blocks, 0) * (halves(blocks[:, 2:], 16).float() - 8)


def q4_1(blocks: Blocks) -> Numbers:
    return half_floats(blocks, 0) * halves(blocks[:, 4:], 16).float() + half_floats(blocks, 2)


def q5_0(blocks: Blocks) -> Numbers:
    five = halves(blocks[:, 6:], 16) | bits(blocks[:, 2:6]) << 4
    return half_floats(blocks, 0) * (five.float() - 16)


def q5_1(blocks: Blocks) -> Numbers:
    five = halves(blocks[:, 8:], 16) | bits(blocks[:, 4:8]) << 4
    return half_floats(blocks, 0) * five.float() + half_floats(blocks, 2)


def six_bit_pairs(
    packed: UInt8[Tensor, "blocks 12"],
) -> tuple[Float[Tensor, "blocks 8 1"], Float[Tensor, "blocks 8 1"]]:
    """8 scales and 8 offsets of 6 bits in 12 bytes: the first four of each whole, the others in what was left over."""
    first, second, third = packed[:, 0:4], packed[:, 4:8], packed[:, 8:12]
    scales = torch.cat([first & 63, third & 15 | first >> 6 << 4], dim=1)
    offsets = torch.cat([second & 63, third >> 4 | second >> 6 << 4], dim=1)
    return scales.float()[..., None], offsets.float()[..., None]


def with_pairs(blocks: Blocks, numbers: UInt8[Tensor, "blocks 256"]) -> Numbers:
    """(d s) q - (dmin t) with the scales of bytes 0 to 16."""
    scales, offsets = six_bit_pairs(blocks[:, 4:16])
    parts = numbers.float().unflatten(1, (8, 32))  # (blocks, 8, 32)
    scaled = half_floats(blocks, 0)[..., None] * scales * parts
    return (scaled - half_floats(blocks, 2)[..., None] * offsets).flatten(1)


def q4_k(blocks: Blocks) -> Numbers:
    return with_pairs(blocks, halves(blocks[:, 16:], 32))


def q5_k(blocks: Blocks) -> Numbers:
    fifth = blocks[:, None, 16:48] >> torch.arange(8, dtype=torch.uint8)[:, None] & 1  # (blocks, 8, 32)
    return with_pairs(blocks, halves(blocks[:, 48:], 32) | fifth.flatten(1) << 4)


def q6_k(blocks: Blocks) -> Numbers:
    low = halves(blocks[:, :128], 64)
    pairs = blocks[:, 128:192].reshape(-1, 2, 1, 32) >> torch.tensor([0, 2, 4, 6], dtype=torch.uint8)[:, None]
    six = low | (pairs & 3).flatten(1) << 4
    scales = blocks[:, 192:208].contiguous().view(torch.int8).float() * half_floats(blocks, 208)
    return (scales[..., None] * (six.float() - 32).unflatten(1, (16, 16))).flatten(1)


def plain(dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Numbers that are not packed at all."""
    return lambda blocks: blocks.view(dtype).float()


# By the type number in a tensor's header.
FORMATS: dict[int, BlockFormat] = {
    0: BlockFormat("F32", 1, 4, plain(torch.float32)),
    1: BlockFormat("F16", 1, 2, plain(torch.float16)),
    2: BlockFormat("Q4_0", 32, 18, q4_0),
    3: BlockFormat("Q4_1", 32, 20, q4_1),
    6: BlockFormat("Q5_0", 32, 22, q5_0),
    7: BlockFormat("Q5_1", 32, 24, q5_1),
    8: BlockFormat("Q8_0", 32, 34, q8_0),
    12: BlockFormat("Q4_K", 256, 144, q4_k),
    13: BlockFormat("Q5_K", 256, 176, q5_k),
    14: BlockFormat("Q6_K", 256, 210, q6_k),
    30: BlockFormat("BF16", 1, 2, plain(torch.bfloat16)),
}
