"""Loading somebody else's checkpoint is a table of names.

    KEYS = {
        "vit.encoder.layer.{}.attention.attention.query": "blocks.{}.attn.q",      # a prefix: .weight and .bias follow
        "vit.encoder.layer.{}.qkv": ("blocks.{}.q", "blocks.{}.k", "blocks.{}.v"), # fused: split evenly along dim 0
        "vit.embeddings.cls_token": Squeezed("class_token", 1),                    # theirs (1, 1, dim), ours (1, dim)
        "model.lm_head.weight": None,                                              # declared as ignored
    }

`{}` stands for a number. Strict both ways: every key of the checkpoint is mapped or declared ignored, and every
parameter of ours is filled, or `CheckpointError` says which is not. The first line that matches counts. Besides
renaming there are three tensor operations, each of which can be undone exactly: split, squeeze, transpose. Therefore
the same table read from right to left (`unmap_keys`) writes a checkpoint in their layout, bit for bit what was read.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from showtell.core.errors import CheckpointError


@dataclass(frozen=True)
class Squeezed:
    """Theirs has `ones` more leading dimensions of size one than ours (`ones` < 0: ours has more)."""

    target: str
    ones: int

    def to_ours(self, theirs: Tensor) -> Tensor:
        return add_leading(theirs, -self.ones)

    def to_theirs(self, ours: Tensor) -> Tensor:
        return add_leading(ours, self.ones)


@dataclass(frozen=True)
class Transposed:
    """A matrix stored as (in, out), the other way round from `nn.Linear`."""

    target: str

    def to_ours(self, theirs: Tensor) -> Tensor:
        return theirs.T

    def to_theirs(self, ours: Tensor) -> Tensor:
        return ours.T


Target = str | tuple[str, ...] | Squeezed | Transposed | None
KeyTable = Mapping[str, Target]


def map_keys(
    tensors: Mapping[str, Tensor], table: KeyTable, wanted: set[str], where: str = "checkpoint"
) -> dict[str, Tensor]:
    """Rename `tensors` by `table` so that exactly the names in `wanted` come out.

    Raises CheckpointError naming the first keys that are unmapped, missing or filled twice.
    """
    patterns = [(pattern_of(theirs), target) for theirs, target in table.items()]
    result: dict[str, Tensor] = {}
    unmapped: list[str] = []
    for name, tensor in tensors.items():
        match, target = next(((m, target) for p, target in patterns if (m := p.fullmatch(name))), (None, None))
        if match is None:
            unmapped.append(name)
            continue
        *numbers, tail = match.groups()
        for ours, part in zip(names_of(target), parts_of(tensor, target, f"{where}: {name}"), strict=True):
            full = ours.format(*numbers) + (tail or "")
            if full in result:
                raise CheckpointError(f"{where}: {name} and another key both fill {full}")
            result[full] = part
    missing, extra = sorted(wanted - set(result)), sorted(set(result) - wanted)
    for keys, verdict in (
        (unmapped, "not known to this architecture"),
        (missing, "missing"),
        (extra, "without a parameter"),
    ):
        if keys:
            raise CheckpointError(f"{where}: {len(keys)} keys are {verdict}, first: {', '.join(keys[:3])}")
    return result


def unmap_keys(tensors: Mapping[str, Tensor], table: KeyTable, where: str = "model") -> dict[str, Tensor]:
    """The inverse: our names and shapes back to theirs; what the table ignores is not in the result.

    Raises CheckpointError when a tensor of ours is not in the table or a part of a fused tensor is missing.
    """
    patterns = [
        (pattern_of(ours), theirs, target, place)
        for theirs, target in table.items()
        for place, ours in enumerate(names_of(target))
    ]
    result: dict[str, Tensor] = {}
    fused: dict[str, dict[int, Tensor]] = {}
    for name, tensor in tensors.items():
        matching = ((m, theirs, to, at) for p, theirs, to, at in patterns if (m := p.fullmatch(name)) is not None)
        found = next(matching, None)
        if found is None:
            raise CheckpointError(f"{where}: {name} has no name in the other layout")
        match, theirs, target, place = found
        *numbers, tail = match.groups()
        full = theirs.format(*numbers) + (tail or "")
        if isinstance(target, tuple):
            fused.setdefault(full, {})[place] = tensor
            if len(fused[full]) == len(target):
                parts = fused.pop(full)
                result[full] = torch.cat([parts[i] for i in range(len(target))])
        else:
            result[full] = target.to_theirs(tensor) if isinstance(target, Squeezed | Transposed) else tensor
    if fused:
        raise CheckpointError(f"{where}: {next(iter(fused))} is joined from several tensors and not all are there")
    return result


def prefixed(table: KeyTable, theirs: str = "", ours: str = "") -> dict[str, Target]:
    """The table of a part of a larger model: `theirs` is put before each of their names, `ours` before each of ours."""
    return {theirs + name: _renamed(target, ours) for name, target in table.items()}


def without_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """`tensors` with `prefix` cut off; keys that do not have it are left out; as they are if none has it."""
    inside = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return inside or dict(tensors)


def pattern_of(name: str) -> re.Pattern[str]:
    """Matches a name whose `{}` are numbers, and whatever follows it after a dot."""
    return re.compile(re.escape(name).replace(r"\{\}", r"(\d+)") + r"(\..+)?")


def names_of(target: Target) -> Iterable[str]:
    if isinstance(target, tuple):
        return target
    if target is None:
        return ()
    return (target,) if isinstance(target, str) else (target.target,)


def parts_of(tensor: Tensor, target: Target, where: str) -> Iterable[Tensor]:
    if isinstance(target, tuple):
        if tensor.shape[0] % len(target):
            raise CheckpointError(f"{where} has {tensor.shape[0]} rows, which do not split into {len(target)}")
        return tensor.chunk(len(target), dim=0)
    if target is None:
        return ()
    return (tensor if isinstance(target, str) else target.to_ours(tensor),)


def add_leading(tensor: Tensor, ones: int) -> Tensor:
    """`ones` more leading dimensions of size one; negative: as many fewer.

    Raises CheckpointError when a dimension to be dropped is not of size one.
    """
    if ones >= 0:
        return tensor.reshape((1,) * ones + tuple(tensor.shape))
    if tensor.dim() < -ones or any(size != 1 for size in tensor.shape[:-ones]):
        raise CheckpointError(f"a tensor of shape {list(tensor.shape)} should begin with {-ones} dimensions of size 1")
    return tensor.reshape(tensor.shape[-ones:])


def _renamed(target: Target, prefix: str) -> Target:
    if isinstance(target, tuple):
        return tuple(prefix + name for name in target)
    if target is None or isinstance(target, str):
        return None if target is None else prefix + target
    return replace(target, target=prefix + target.target)
