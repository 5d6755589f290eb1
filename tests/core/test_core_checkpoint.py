"""Weights on disk: strict both ways, atomic, half the size when asked."""

import os

import pytest
import torch
from torch import nn

from showtell.core.checkpoint import load_module, load_tensors, save_module, save_tensors
from showtell.core.errors import CheckpointError


def make(dim=3):
    return nn.Sequential(nn.Linear(dim, 5), nn.BatchNorm1d(5))


def test_round_trip(tmp_path):
    ours, theirs = make(), make()
    ours[1].num_batches_tracked += 7
    save_module(ours, tmp_path / "deep" / "model.safetensors", metadata={"who": "test"})
    load_module(theirs, tmp_path / "deep" / "model.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    assert os.listdir(tmp_path / "deep") == ["model.safetensors"]


@pytest.mark.parametrize(("dtype", "error"), [(torch.float16, 5e-4), (torch.bfloat16, 4e-3)])
def test_half_precision_on_disk_is_float32_in_memory(tmp_path, dtype, error):
    ours, theirs = make(), make()
    save_module(ours, tmp_path / "m.safetensors", dtype=dtype)
    assert load_tensors(tmp_path / "m.safetensors")["0.weight"].dtype == dtype
    load_module(theirs, tmp_path / "m.safetensors")
    assert theirs[0].weight.dtype == torch.float32
    torch.testing.assert_close(theirs[0].weight, ours[0].weight, rtol=error, atol=error)
    assert ours[0].weight.dtype == torch.float32


def test_tied_tensors_are_stored_once_and_views_are_allowed(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = nn.Embedding(4, 3), nn.Linear(3, 4, bias=False)
            self.head.weight = self.words.weight
            base = torch.arange(6.0)
            self.register_buffer("left", base[:3])
            self.register_buffer("right", base[3:])

    ours, theirs = Tied(), Tied()
    save_module(ours, tmp_path / "m.safetensors")
    assert set(load_tensors(tmp_path / "m.safetensors")) == {"words.weight", "left", "right"}
    load_module(theirs, tmp_path / "m.safetensors")
    assert torch.equal(theirs.head.weight, ours.words.weight) and theirs.head.weight is theirs.words.weight


def damaged(tmp_path, change):
    path = tmp_path / "m.safetensors"
    tensors = dict(make().state_dict())
    change(tensors)
    save_tensors(tensors, path)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(extra=torch.ones(1)), "1 tensor is unknown to this architecture, first: extra"),
        (lambda t: (t.pop("0.bias"), t.pop("1.bias")), "2 tensors are missing from the file, first: 0.bias, 1.bias"),
        (lambda t: t.update({"0.bias": torch.ones(6)}), r"0.bias has shape \[6\] where this architecture has \[5\]"),
    ],
)
def test_a_file_of_another_architecture_is_refused_and_nothing_is_changed(tmp_path, change, message):
    path = damaged(tmp_path, change)
    module = make()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_module(module, path)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("keep", [0, 4, 100, -8])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = damaged(tmp_path, lambda tensors: None)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="damaged or not a safetensors file"):
        load_module(make(), path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "nothing.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match="no such checkpoint file"):
            load_tensors(path)


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    save_tensors({"x": torch.ones(2)}, path)

    def crash(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="No space"):
        save_tensors({"x": torch.zeros(2)}, path)
    assert torch.equal(load_tensors(path)["x"], torch.ones(2))
    assert os.listdir(tmp_path) == ["m.safetensors"]
