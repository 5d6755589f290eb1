"""The pocket recipe, whole, on a model of thimble size: three stages, an interruption, export, score, and asking it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recipes import pocket
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


def test_a_blind_model_is_stopped(tmp_path: Path) -> None:
    tokenizer = pocket.get_tokenizer(TINY, tmp_path)
    data = pocket.questions(TINY, tokenizer, None, seed=5)
    model = pocket.PrefixVLM(TINY.bundle(tokenizer).model)
    for parameter in model.connector.parameters():
        parameter.data.zero_()
    check = pocket.swap_gate(TINY, data, pictures=2)
    check(model), check(model)  # the first two are grace
    with pytest.raises(pocket.TrainingError, match="blind"):
        check(model)
