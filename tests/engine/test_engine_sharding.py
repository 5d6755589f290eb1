"""A model cut over two ranks is the model: the same losses, weights and checkpoints, with pictures on one rank only.

The cut one also computes its blocks again in the backward pass and saves in the background; the one it is held to does
neither.
"""

import json
from pathlib import Path

import pytest
import torch
from mixed_task import STEPS, Mixed, run
from two_ranks import launch

from showtell.core.checkpoint import load_tensors
from showtell.core.errors import CheckpointError, ConfigError
from showtell.engine.sharding import Sharding, shard
from showtell.engine.state import checkpoints
from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.instruct.packing import PackedBatch
from showtell.instruct.step import SupervisedStep
from showtell.text.decoder import DecoderConfig
from showtell.vision.vit import ViTConfig


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("alone")
    for algorithm in ("adamw", "muon"):
        assert run(folder / algorithm, algorithm=algorithm).finished
    return {algorithm: folder / algorithm for algorithm in ("adamw", "muon")}


def cut(rank: int, folder: Path, skips: bool, algorithm: str, stop_after: int | None) -> None:
    sharding = Sharding(replicated=("vision",) if skips else ())
    outcome = run(
        folder,
        sharding=sharding,
        skips=skips,
        again=True,
        algorithm=algorithm,
        stop_after_steps=stop_after,
        save_in_background=True,
        save_every_steps=2,
        hang_seconds=50,
    )
    assert outcome.reason == ("paused" if stop_after else "finished")


def assert_equal(folder: Path, other: Path) -> None:
    ours, theirs = (load_tensors(f / "model.safetensors") for f in (folder, other))
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-9, atol=1e-9)
    for event in ("step", "plain", "average", "evaluation"):
        figures = [_figures(f, event) for f in (folder, other)]
        assert len(figures[0]) == len(figures[1]) > 0
        for one, two in zip(*figures, strict=True):
            assert one == pytest.approx(two, rel=1e-9), event


def _figures(folder: Path, event: str) -> list[list[float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    names = ("step", "loss", "grad_norm", "best", "weight")
    return [[line[name] for name in names if name in line] for line in lines if line["event"] == event]


@pytest.mark.parametrize(("skips", "algorithm"), [(False, "adamw"), (True, "adamw"), (False, "muon")])
def test_two_ranks_with_a_cut_model_equal_one(tmp_path, alone, skips, algorithm):
    """Zero pictures through a cut tower, or a tower that is whole on each rank and skipped."""
    assert launch(cut, tmp_path, skips, algorithm, None) == [0, 0]
    assert_equal(tmp_path, alone[algorithm])
    newest = checkpoints(tmp_path / "checkpoints")[0]
    assert len(list(newest.glob("shard-*.safetensors"))) == 2 and not list(newest.glob("*.pt"))


def test_saved_by_two_ranks_and_resumed_by_one(tmp_path, alone):
    assert launch(cut, tmp_path, False, "adamw", 3) == [0, 0]
    assert checkpoints(tmp_path / "checkpoints")[0].name == "step-00000003"
    assert run(tmp_path).finished
    assert_equal(tmp_path, alone["adamw"])


def test_saved_by_one_rank_and_resumed_by_two(tmp_path, alone):
    assert run(tmp_path, stop_after_steps=3).reason == "paused"
    assert launch(cut, tmp_path, False, "adamw", None) == [0, 0]
    assert_equal(tmp_path, alone["adamw"])


def test_a_part_that_is_damaged_costs_one_checkpoint(tmp_path, alone):
    assert launch(cut, tmp_path, False, "adamw", 4) == [0, 0]
    victim = next(checkpoints(tmp_path / "checkpoints")[0].glob("shard-00002-*"))
    victim.write_bytes(victim.read_bytes()[:-8])
    assert launch(cut, tmp_path, False, "adamw", None) == [0, 0]
    assert_equal(tmp_path, alone["adamw"])
    for folder in checkpoints(tmp_path / "checkpoints"):
        (folder / "state.json").unlink()
    with pytest.raises(CheckpointError, match="none of the 2 checkpoints"):
        run(tmp_path)


def test_one_process_is_not_cut():
    model = Mixed()
    assert shard(model) is model and not hasattr(model, "gathered")
    with pytest.raises(ConfigError, match="'tower' names no parameter"):
        shard(model, Sharding(replicated=("tower",)))
    assert STEPS % 2 == 0


def test_a_batch_of_text_alone_passes_through_the_tower():
    """No picture at all: the tower runs on nothing, its gradients are zero, and the words are learned from."""
    vision = ViTConfig(image_size=(24, 24), patch_size=8, dim=20, depth=1, heads=5, mlp_dim=28, stem="conv")
    decoder = DecoderConfig(vocab_size=50, dim=24, depth=1, heads=6, kv_heads=2, mlp_dim=36)
    connector = ConnectorConfig(kind="mlp", hidden=18)
    model = PrefixVLM(PrefixVLMConfig(vision=vision, connector=connector, decoder=decoder, image_token_id=3))
    ids, zeros = torch.randint(5, 50, (2, 7)), torch.zeros(2, 7, dtype=torch.int64)
    positions = torch.arange(7).expand(2, 7)
    loss = SupervisedStep()(
        model, PackedBatch(torch.zeros(0, 3, 24, 24), ids, ids.roll(-1, 1), positions, zeros, zeros)
    )
    loss.value.backward()
    assert loss.weight == 14
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"a gather of {name} would have been skipped on the way back"
        assert name.startswith("decoder.") or not parameter.grad.any()
    assert model.decoder.embedding.weight.grad.any()
