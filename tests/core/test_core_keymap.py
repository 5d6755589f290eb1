"""Checkpoint keys are mapped strictly in both directions."""

import pytest
import torch

from showtell.core.errors import CheckpointError
from showtell.core.keymap import map_keys

TABLE = {
    "enc.layer.{}.qkv": ("blocks.{}.q", "blocks.{}.k", "blocks.{}.v"),
    "enc.layer.{}.out": "blocks.{}.o",
    "cls": "class_token",
    "pooler": None,
}


def theirs() -> dict[str, torch.Tensor]:
    return {
        "enc.layer.11.qkv.weight": torch.arange(6.0).view(6, 1),
        "enc.layer.11.out.bias": torch.ones(2),
        "cls": torch.zeros(3),
        "pooler.weight": torch.zeros(1),
    }


WANTED = {"blocks.11.q.weight", "blocks.11.k.weight", "blocks.11.v.weight", "blocks.11.o.bias", "class_token"}


def test_rename_split_and_declared_ignore() -> None:
    mapped = map_keys(theirs(), TABLE, WANTED)
    assert set(mapped) == WANTED
    assert mapped["blocks.11.k.weight"].flatten().tolist() == [2.0, 3.0]


def test_every_mismatch_is_named() -> None:
    with pytest.raises(CheckpointError, match="not known to this architecture.*surprise"):
        map_keys(theirs() | {"surprise": torch.zeros(1)}, TABLE, WANTED)
    with pytest.raises(CheckpointError, match="missing.*blocks.11.o.weight"):
        map_keys(theirs(), TABLE, WANTED | {"blocks.11.o.weight"})
    with pytest.raises(CheckpointError, match="without a parameter.*class_token"):
        map_keys(theirs(), TABLE, WANTED - {"class_token"})
    with pytest.raises(CheckpointError, match="both fill"):
        map_keys(theirs() | {"other": torch.zeros(3)}, TABLE | {"other": "class_token"}, WANTED)
