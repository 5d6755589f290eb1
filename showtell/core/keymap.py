"""Loading somebody else's checkpoint is a table of names.

    KEYS = {
        "vit.encoder.layer.{}.attention.attention.query": "blocks.{}.attn.q",      # a prefix: .weight and .bias follow
        "vit.embeddings.cls_token": "class_token",
        "model.lm_head.weight": None,                                              # declared as ignored
    }

`{}` stands for a number. Strict both ways: every key of the checkpoint is mapped or declared ignored, and every
parameter of ours is filled, or `CheckpointError` says which is not. Besides renaming there is one tensor operation:
a tuple of targets splits the tensor evenly along its first dimension (fused qkv projections).
"""

import re
from collections.abc import Mapping

from torch import Tensor

from showtell.core.errors import CheckpointError

KeyTable = Mapping[str, str | tuple[str, ...] | None]


def map_keys(
    tensors: Mapping[str, Tensor], table: KeyTable, wanted: set[str], where: str = "checkpoint"
) -> dict[str, Tensor]:
    """Rename `tensors` by `table` so that exactly the names in `wanted` come out.

    Raises CheckpointError naming the first keys that are unmapped, missing or filled twice.
    """
    patterns = [
        (re.compile(re.escape(theirs).replace(r"\{\}", r"(\d+)") + r"(\..+)?"), ours) for theirs, ours in table.items()
    ]
    result: dict[str, Tensor] = {}
    unmapped: list[str] = []
    for name, tensor in tensors.items():
        match, target = next(((m, ours) for p, ours in patterns if (m := p.fullmatch(name))), (None, None))
        if match is None:
            unmapped.append(name)
            continue
        if target is None:
            continue
        *numbers, tail = match.groups()
        targets = (target,) if isinstance(target, str) else target
        parts = tensor.chunk(len(targets), dim=0)
        for ours, part in zip(targets, parts, strict=True):
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
