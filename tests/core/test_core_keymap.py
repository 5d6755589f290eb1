"""Checkpoint keys are mapped strictly in both directions."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from showtell.core.errors import CheckpointError
from showtell.core.keymap import Squeezed, Transposed, map_keys, prefixed, unmap_keys, without_prefix

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


def test_the_table_read_backwards_is_the_inverse_to_the_bit() -> None:
    table = TABLE | {
        "pos": Squeezed("positions", 1),
        "probe": Squeezed("class_row", -1),
        "proj": Transposed("head.weight"),
    }
    table.pop("pooler")
    start = theirs() | {"pos": torch.randn(1, 3, 2), "probe": torch.randn(5), "proj": torch.randn(3, 2)}
    start.pop("pooler.weight")
    wanted = WANTED | {"positions", "class_row", "head.weight"}
    mapped = map_keys(start, table, wanted)
    assert mapped["positions"].shape == (3, 2) and mapped["class_row"].shape == (1, 5)
    assert mapped["head.weight"].shape == (2, 3)
    back = unmap_keys(mapped, table)
    assert set(back) == set(start)
    assert all(torch.equal(back[name], tensor) for name, tensor in start.items())


def test_the_inverse_refuses_what_it_cannot_write() -> None:
    with pytest.raises(CheckpointError, match="surprise has no name"):
        unmap_keys({"surprise": torch.zeros(1)}, TABLE)
    with pytest.raises(CheckpointError, match="qkv.*joined from several"):
        unmap_keys({"blocks.0.q.weight": torch.zeros(1, 1)}, TABLE)
    with pytest.raises(CheckpointError, match="do not split into 3"):
        map_keys({"enc.layer.0.qkv.weight": torch.zeros(7, 1)}, TABLE, set())
    with pytest.raises(CheckpointError, match="dimensions of size 1"):
        map_keys({"pos": torch.zeros(2, 3)}, {"pos": Squeezed("positions", 1)}, {"positions"})


def test_a_part_of_a_larger_model_uses_the_same_table() -> None:
    table = prefixed({"cls": Squeezed("class_token", 1), "q": ("a", "b"), "x": None}, "vision.", "tower.")
    assert table == {
        "vision.cls": Squeezed("tower.class_token", 1),
        "vision.q": ("tower.a", "tower.b"),
        "vision.x": None,
    }
    assert set(without_prefix({"vision.a": torch.zeros(1), "text.b": torch.zeros(1)}, "vision.")) == {"a"}
    assert set(without_prefix({"a": torch.zeros(1)}, "vision.")) == {"a"}


@given(layers=st.integers(1, 12), fused=st.integers(1, 4), rows=st.integers(1, 3), seed=st.integers(0, 99))
def test_any_checkpoint_comes_back_as_it_was(layers: int, fused: int, rows: int, seed: int) -> None:
    """Whatever the number of layers and of parts that are fused; layer 1 is not mistaken for layer 11."""
    generator = torch.Generator().manual_seed(seed)
    table = {"l.{}.fused": tuple(f"blocks.{{}}.part{i}" for i in range(fused)), "l.{}.w": Transposed("blocks.{}.w")}
    start = {f"l.{i}.fused.weight": torch.randn(fused * rows, 2, generator=generator) for i in range(layers)}
    start |= {f"l.{i}.w": torch.randn(rows, 2, generator=generator) for i in range(layers)}
    wanted = {f"blocks.{i}.part{j}.weight" for i in range(layers) for j in range(fused)}
    mapped = map_keys(start, table, wanted | {f"blocks.{i}.w" for i in range(layers)})
    back = unmap_keys(mapped, table)
    assert set(back) == set(start) and all(torch.equal(back[name], tensor) for name, tensor in start.items())
