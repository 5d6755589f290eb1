"""A folder in Hugging Face layout: one file, shards, and everything that can be wrong with it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from showtell.core.errors import CheckpointError
from showtell.core.hf_folder import names_for_hf, open_module, read_json, read_tensors

PARTS = {"a-1.safetensors": {"x": torch.ones(2)}, "a-2.safetensors": {"y": torch.zeros(3)}}


def write_shards(folder: Path, weight_map: object) -> None:
    for name, tensors in PARTS.items():
        save_file(tensors, folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    write_shards(tmp_path, {"x": "a-1.safetensors", "y": "a-2.safetensors"})
    assert set(read_tensors(tmp_path)) == {"x", "y"}


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({"x": "a-1.safetensors", "y": "a-3.safetensors"}, "a-3.safetensors: no such checkpoint file"),
        ({"x": "a-1.safetensors"}, None),
        ({"x": "a-1.safetensors", "y": "a-2.safetensors", "z": "a-2.safetensors"}, "z is not in both"),
        ({"x": "../a-1.safetensors"}, "no weight_map"),
        (None, "no weight_map"),
    ],
)
def test_an_index_that_lies_is_refused(tmp_path: Path, weight_map: object, message: str | None) -> None:
    write_shards(tmp_path, weight_map)
    if message is None:
        assert set(read_tensors(tmp_path)) == {"x"}  # a file that the index does not list is somebody else's
        return
    with pytest.raises(CheckpointError, match=message):
        read_tensors(tmp_path)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        read_tensors(tmp_path / "none")
    with pytest.raises(CheckpointError, match="model.safetensors is missing.*holds nothing"):
        read_tensors(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02")
    with pytest.raises(CheckpointError, match="pickle only .pytorch_model.bin."):
        read_tensors(tmp_path)
    with pytest.raises(CheckpointError, match="config.json: no such file"):
        read_json(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(CheckpointError, match="holds a list"):
        read_json(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        read_json(tmp_path / "config.json")


def test_a_module_adopts_half_precision_as_float32_and_gives_its_names_back() -> None:
    tensors = {"fc.weight": torch.randn(3, 2).half(), "fc.bias": torch.randn(3).half()}
    linear = open_module(lambda: nn.Sequential(nn.Linear(2, 3)), tensors, {"fc": "0"}, "here")
    assert linear[0].weight.dtype == torch.float32 and not linear.training
    assert all(torch.equal(named, tensors[name].float()) for name, named in names_for_hf(linear, {"fc": "0"}).items())
    with pytest.raises(CheckpointError, match=r"here: 0.weight has shape \[3, 2\]"):
        open_module(lambda: nn.Sequential(nn.Linear(4, 3)), tensors, {"fc": "0"}, "here")
