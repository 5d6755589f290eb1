"""The fusion comparison at thimble size: every arm trains within its budget, resumes exactly, and is drawn."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_recipe_pocket import TINY as POCKET

from recipes import fusion_comparison as comparison
from recipes import pocket
from recipes.fusion_arms import make_arm, tower_flops
from recipes.fusion_pictures import SKILLS, pictures
from showtell.core.errors import ConfigError
from showtell.engine.profile import cost_of
from showtell.fusion.prefix_vlm import PrefixVLM
from showtell.instruct.bundle import assemble, load_bundle, save_bundle

TINY = comparison.FusionRun(
    seeds=(1, 2), gigaflops=0.7, pictures=6, held_out=4, length=150, batch=3, dim=16, depth=2, heads=2, latents=4
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> comparison.FusionRun:
    folder = tmp_path_factory.mktemp("tower")
    tokenizer = pocket.get_tokenizer(POCKET, folder)
    torch.manual_seed(0)
    config = POCKET.bundle(tokenizer)
    world = {"image_size": POCKET.image_size, "least_instances": POCKET.least_instances}
    save_bundle(assemble(config, PrefixVLM(config.model).eval(), tokenizer, {"name": "tiny", "world": world}), folder)
    return replace(TINY, tower=folder)


def test_every_arm_runs_and_the_report_holds_them_all(run: comparison.FusionRun, tmp_path: Path) -> None:
    assert comparison.train_all(run, tmp_path, list(comparison.ARMS), [1], None)
    assert comparison.train_all(run, tmp_path, ["linear", "blind"], [2], None)
    result = comparison.report(run, tmp_path, tmp_path / "docs")
    assert list(result["arms"]) == list(comparison.ARMS)
    assert set(result["arms"]["linear"]["seeds"]) == {1, 2} and set(result["arms"]["early"]["seeds"]) == {1}
    assert result["against linear"]["blind"]["seeds"] == 2 and result["against linear"]["early"]["seeds"] == 1
    tokens = {name: arm["image_tokens"] for name, arm in result["arms"].items()}
    assert tokens == {"blind": 0, "late": 1, "linear": 9, "mlp": 9, "resampler": 4, "qformer": 4, "gated": 9,
                      "early": 9, "scratch": 9}  # fmt: skip
    for name, arm in result["arms"].items():
        spent = arm["steps"] * arm["gigaflops_per_step"]
        assert abs(spent - run.gigaflops) <= arm["gigaflops_per_step"], f"{name} kept to the budget to a step"
    steps = {name: arm["steps"] for name, arm in result["arms"].items()}
    assert steps["blind"] > steps["late"] >= steps["linear"] > steps["scratch"], steps
    assert json.loads((tmp_path / "docs" / "fusion-comparison.json").read_text()) == json.loads(json.dumps(result))
    assert (tmp_path / "docs" / "images" / "fusion-comparison.png").stat().st_size > 10_000
    assert comparison.table(result).count("\n") == len(comparison.ARMS) + 1


def test_what_cannot_be_compared_is_refused(run: comparison.FusionRun, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no arm 'telepathy'; choose from blind, late"):
        comparison.train_all(run, tmp_path, ["linear", "telepathy"], [1], None)
    with pytest.raises(ConfigError, match="no run is finished here"):
        comparison.report(run, tmp_path / "empty", tmp_path)
    assert not comparison.train_all(run, tmp_path, ["linear"], [1], minutes=0.0), "no time is no run"
    with pytest.raises(ConfigError, match="begun with gigaflops = 0.7 and is now asked to go on with 9"):
        comparison.train_all(replace(run, gigaflops=9.0), tmp_path, ["linear"], [1], None)


def test_a_paused_run_ends_as_the_one_that_was_not(run: comparison.FusionRun, tmp_path: Path) -> None:
    bundle = load_bundle(run.tower)
    straight, paused = tmp_path / "straight", tmp_path / "paused"
    assert comparison.run_arm(run, bundle, "gated", 1, straight)
    assert not comparison.run_arm(run, bundle, "gated", 1, paused, stop_after_steps=1)
    assert not (paused / "gated-1" / "answers.json").exists()
    assert comparison.run_arm(run, bundle, "gated", 1, paused)
    for name in ("model.safetensors", "answers.json"):
        assert (straight / "gated-1" / name).read_bytes() == (paused / "gated-1" / name).read_bytes()


def test_the_decoder_of_a_seed_is_the_same_in_every_arm(run: comparison.FusionRun) -> None:
    bundle = load_bundle(run.tower)
    first = make_arm(run, bundle, "blind", 3).decoder.state_dict()
    for name in comparison.ARMS[1:]:
        other = make_arm(run, bundle, name, 3).decoder.state_dict()
        assert all(torch.equal(first[key], other[key]) for key in first), name
    with pytest.raises(ValueError, match="no arm 'telepathy'"):
        make_arm(run, bundle, "telepathy", 3)


def test_cached_features_are_those_of_the_tower_and_the_tower_is_charged(
    run: comparison.FusionRun, tmp_path: Path
) -> None:
    bundle = load_bundle(run.tower)
    data, skills = pictures(bundle, tmp_path, "val", 4, run.length)
    with torch.no_grad():
        assert torch.equal(bundle.model.vision(data.pixels).tokens.bfloat16(), data.features)
    assert {skill for row in skills for skill in row} <= set(SKILLS)
    assert [len(row) for row in skills] == data.branches.amax(dim=1).tolist()
    assert tower_flops(bundle.model.vision, data.pixels) == pytest.approx(
        2 * tower_flops(bundle.model.vision, data.pixels[:2])
    )
    arm = make_arm(run, bundle, "scratch", 1)
    trained = sum(cost_of(arm, comparison.answer_step, data).flops.values())
    assert trained > 2.5 * tower_flops(bundle.model.vision, data.pixels), "a tower that is trained costs three passes"


def test_what_an_arm_sees_decides_what_it_says(run: comparison.FusionRun, tmp_path: Path) -> None:
    """Words of one question do not see the other's; a picture changes every arm but the blind one."""
    bundle = load_bundle(run.tower)
    data, _ = pictures(bundle, tmp_path, "train", 4, run.length)
    swapped = replace(data, squares=data.squares.flip(0), features=data.features.flip(0))
    words = data.documents >= 0
    for name in comparison.ARMS:
        arm = make_arm(run, bundle, name, 1).eval()
        for parameter in arm.parameters():  # gates and joins start at zero
            torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            moved = (arm(data) - arm(swapped)).abs().amax(dim=-1)[words]
            other = arm(replace(data, ids=data.ids.where(data.branches != 1, 5)))
            leaked = (arm(data) - other).abs().amax(dim=-1)[words & (data.branches > 1)]
        assert (moved.max() < 1e-6) if name == "blind" else (moved.min() > 1e-6), name
        assert leaked.numel() and leaked.max() < 1e-4, name


def test_it_learns(run: comparison.FusionRun, tmp_path: Path) -> None:
    """A few pictures by heart, in seconds."""
    bundle = load_bundle(run.tower)
    longer = replace(run, gigaflops=6.0, dim=32, lr=8e-3)
    assert comparison.run_arm(longer, bundle, "linear", 1, tmp_path, log_every=5)
    lines = [json.loads(line) for line in (tmp_path / "linear-1" / "log.jsonl").open()]
    losses = [line["loss_mean"] for line in lines if line["event"] == "step"]
    assert losses[-1] < 0.6 * losses[0], losses
