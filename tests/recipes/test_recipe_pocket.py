"""The pocket recipe, whole, on a model of thimble size: three stages, an interruption, export, score, and asking it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes import pocket
from showtell.engine.step import TrainingError
from showtell.load import load

TINY = pocket.PocketRun(
    least_instances=9,
    corpus_pictures=40,
    vocab_size=520,
    image_size=48,
    patch_size=16,
    bins=8,
    vision_dim=16,
    vision_depth=1,
    decoder_dim=16,
    decoder_depth=1,
    heads=2,
    see_steps=2,
    see_batch=2,
    speak_steps=2,
    speak_batch=2,
    answer_steps=3,
    answer_batch=2,
    row_tokens=120,
    workers=0,
)


def test_the_recipe_runs_resumes_exports_and_scores(tmp_path: Path) -> None:
    assert not pocket.train_all(replace(TINY, see_steps=500), tmp_path, seconds=1.0)  # out of time: resumable
    assert (tmp_path / "see" / "checkpoints").exists()
    assert pocket.train_all(replace(TINY, see_steps=1), tmp_path, None)
    pocket.export(TINY, tmp_path)
    stages = [json.loads(line)["stage"] for line in (tmp_path / "model" / "training.jsonl").open()]
    assert stages == sorted(stages, key=("see", "speak", "answer").index) and len(set(stages)) == 3
    scores = pocket.score(tmp_path / "model", pictures=2)
    model = load(tmp_path / "model")
    assert model.card["scores"] == json.loads(json.dumps(scores))
    assert model.card["world"] == {"image_size": 48, "least_instances": 9}
    answer = model.ask(np.full((40, 60, 3), 200, np.uint8), "What is this?")
    assert answer.grid == (3, 3) and 0 < answer.confidence <= 1


def test_the_next_edition_starts_from_the_last_one(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert pocket.train_all(TINY, first, None)
    pocket.export(TINY, first)
    longer = replace(TINY, again_steps=4)
    assert not pocket.again(replace(longer, again_steps=500), second, first / "model", 1.0)
    assert pocket.again(replace(longer, again_steps=1), second, first / "model", None)
    card = pocket.export(longer, second).card
    assert card["edition"] == 2
    editions = card["trained_on"]["editions"]
    assert [edition["edition"] for edition in editions] == [1, 2] and editions[0]["seed"] != editions[1]["seed"]
    assert editions[0]["pictures_seen"] == {"see": 4, "speak": 4, "answer": 6, "tower alone": 6}
    assert editions[1]["pictures_seen"] == {"answer": 8, "tower alone": 8}
    logged = [json.loads(line)["stage"] for line in (second / "model" / "training.jsonl").open()]
    assert logged[0] == "see" and logged[-1] == "answer again"
    assert (second / "tokenizer.json").read_bytes() == (first / "tokenizer.json").read_bytes()


def test_a_blind_model_is_stopped(tmp_path: Path) -> None:
    tokenizer = pocket.get_tokenizer(TINY, tmp_path)
    data = pocket.questions(TINY, tokenizer, None, seed=5)
    model = pocket.JointModel(pocket.PrefixVLM(TINY.bundle(tokenizer).model), pocket.dense_head(TINY))
    with torch.no_grad():
        figures = pocket.blindness(TINY, data, pictures=2)(model)
        assert {"loss", "loss_swapped", "loss_blank", "loss_shuffled"} <= set(figures)
        for parameter in model.vlm.connector.parameters():
            parameter.zero_()
        with pytest.raises(TrainingError, match="blind"):
            pocket.blindness(TINY, data, pictures=2)(model)
