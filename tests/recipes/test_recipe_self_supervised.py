"""The self-supervised recipe at thimble size: both methods and the baseline train, resume exactly, and are asked."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recipes import self_supervised as recipe
from showtell.worlds.cutouts import load_pack

TINY = recipe.SelfRun(
    image_size=16,
    small_size=8,
    patch_size=4,
    dim=16,
    depth=1,
    registers=1,
    steps=(4, 4, 4),
    batch=4,
    warmup=1,
    prototypes=8,
    painter_dim=8,
    painter_depth=1,
    least=14,
    watch_every=2,
    precision="fp32",
)


def test_the_methods_run_resume_exactly_and_are_reported(tmp_path: Path) -> None:
    straight, paused = tmp_path / "straight", tmp_path / "paused"
    assert recipe.run_method(TINY, "dino", straight).finished
    for method in recipe.METHODS:
        assert not recipe.run_method(TINY, method, paused, stop_after_steps=3).finished
    early = recipe.report(TINY, paused)
    assert early["steps"] == {"random": 0, "dino": 3, "mae": 3, "labels": 3}, "what has been reached, and no more"
    for method in recipe.METHODS:
        assert recipe.run_method(TINY, method, paused).finished
    dino = (folder / "dino" / "model.safetensors" for folder in (straight, paused))
    assert next(dino).read_bytes() == next(dino).read_bytes()
    result = recipe.report(TINY, paused)
    assert result["steps"]["mae"] == 4 and set(result["accuracy"]) == {"random", "dino", "mae", "labels", "pixels"}
    assert set(result["against"]) == {"dino - random", "dino - labels", "mae - random", "mae - labels"}
    for rows in result["accuracy"].values():
        assert list(rows) == ["k-NN, all", "linear, all", "k-NN, few", "linear, few"]
        assert all(0 <= v["low"] <= v["value"] <= v["high"] <= 1 for v in rows.values())
    assert json.loads((paused / "report.json").read_text())["pictures"] == result["pictures"]
    assert recipe.table(result).count("\n") == 6
    logged = [json.loads(line) for line in (paused / "dino" / "log.jsonl").open()]
    assert any(event["event"] == "collapse" and event["rank"] > 0 for event in logged)


def test_nobody_is_asked_about_a_picture_that_was_trained_on() -> None:
    taught = {cutout.instance for cutout in recipe.taught_pictures()}
    asked = load_pack().by_category("heldout", style_twins=False)
    assert not taught & {cutout.instance for name in TINY.classes for cutout in asked[name]}
    few = recipe.few_labels(TINY)
    assert len(few) == TINY.few * len(TINY.classes) and {c.instance for c, _ in few} <= taught
    assert all(TINY.classes[label] == cutout.category for cutout, label in few)
    assert recipe.few_labels(TINY) == few and recipe.few_labels(replace(TINY, seed=2)) != few


def test_a_cut_out_stands_on_its_ground() -> None:
    rgba = np.zeros((6, 10, 4), np.uint8)
    rgba[2:4, 4:6] = (10, 20, 30, 255)
    picture = recipe.flat(rgba, np.array([200, 100, 50]))
    assert picture.shape == (12, 12, 3) and picture[0, 0].tolist() == [200, 100, 50]
    assert (picture == (10, 20, 30)).all(axis=-1).sum() == 4
    draw = recipe.OnFlatGround(recipe.taught_pictures()[:5], (recipe.taught_pictures()[0].category,), 1)
    labels = {draw(position, np.random.default_rng(position))[1] for position in range(10)}
    assert labels <= {0, -1} and 0 in labels


@pytest.mark.parametrize("method", ["mae", "labels"])
def test_it_learns(method: recipe.Method, tmp_path: Path) -> None:
    run = replace(TINY, steps=(40, 40, 40), batch=12, lr=5e-3, watch_every=20)
    recipe.run_method(run, method, tmp_path, log_every=10)
    lines = [json.loads(line) for line in (tmp_path / method / "log.jsonl").open()]
    losses = [line["loss_mean"] for line in lines if line["event"] == "step"]
    assert losses[-1] < 0.93 * losses[0], losses
