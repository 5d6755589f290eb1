"""Asking a model: places in pixels of the file, one look a picture, bundles that refuse what does not fit."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import tiny_bundle

from showtell.core.errors import CheckpointError, ConfigError
from showtell.core.geometry import Box, Frame, Point
from showtell.instruct.answer import read_answer
from showtell.instruct.assistant import Assistant
from showtell.instruct.bundle import load_bundle, save_bundle
from showtell.instruct.evaluate import evaluate
from showtell.load import load
from showtell.text.generate import Generated
from showtell.text.sampling import SamplingConfig

PIXELS = np.random.default_rng(0).integers(0, 255, (60, 120, 3), dtype=np.uint8)
SHORT = SamplingConfig(max_tokens=9)


@pytest.fixture(scope="module")
def assistant() -> Assistant:
    return Assistant(tiny_bundle(), "tiny")


def written(assistant: Assistant, text: str) -> Generated:
    """What the model would have written, from a readable form: words and <control> tokens."""
    template, ids = assistant.template, []
    for piece in text.replace("<", "|<").replace(">", ">|").split("|"):
        if piece:
            ids += [template.tokenizer.id(piece)] if piece.startswith("<") else template.tokenizer.encode(piece)
    return Generated(ids, [0.5] * len(ids), True, 0.5)


def test_words_and_places_are_read_in_pixels_of_the_file(assistant: Assistant) -> None:
    state = assistant.encode(PIXELS)
    text = "<box><loc_0><loc_3><loc_3><loc_6>dog <box><loc_3><loc_0><loc_6><loc_3>, cat <point><loc_6><loc_3>"
    answer = read_answer(
        written(assistant, text), assistant.template, state.view, model="tiny", grid=(3, 3), timings={}
    )
    assert answer.answer == "dog, cat"
    assert [b.label for b in answer.boxes] == ["", "dog"] and answer.points[0].label == "cat"
    # the view is 24 x 24 with 6 rows of padding above and below a 120 x 60 picture: 5 pixels of the file a view pixel
    assert [b.box.xyxy for b in answer.boxes] == [
        pytest.approx((0, 30, 60, 60), abs=1e-3),
        pytest.approx((60, 0, 120, 30), abs=1e-3),
    ]
    assert (answer.points[0].point.x, answer.points[0].point.y) == (pytest.approx(120), pytest.approx(30))
    assert answer.confidence == pytest.approx(0.5)
    assert set(answer.to_json()) == {"answer", "boxes", "points", "confidence", "model", "timings"}


def test_a_cut_off_box_is_reported_and_not_repaired(assistant: Assistant) -> None:
    view = assistant.encode(PIXELS).view
    cut = written(assistant, "dog <box><loc_0><loc_3><loc_3>")
    answer = read_answer(cut, assistant.template, view, model="tiny", grid=(3, 3), timings={})
    assert answer.boxes == () and "3 location tokens" in answer.dropped[0] and answer.answer == "dog"


def test_a_picture_is_looked_at_once_and_by_content(assistant: Assistant) -> None:
    first = assistant.encode(PIXELS)
    assert assistant.encode(PIXELS.copy()) is first
    other = PIXELS.copy()
    other[0, 0, 0] ^= 1
    assert assistant.encode(other) is not first
    a, b = (assistant.ask(image, "what is this?", sampling=SHORT) for image in (PIXELS, first))
    assert a.tokens == b.tokens and first.cache.length == 9


def test_another_picture_gives_other_logits(assistant: Assistant) -> None:
    answers = [assistant.ask(image, "what is this?", sampling=SHORT) for image in (PIXELS, 255 - PIXELS)]
    assert answers[0].tokens[0].probability != answers[1].tokens[0].probability


def test_traced_attention_is_a_share_and_changes_no_answer(assistant: Assistant) -> None:
    plain = assistant.ask(PIXELS, "where is the dog?", sampling=SHORT)
    traced = assistant.ask(PIXELS, "where is the dog?", sampling=SHORT, trace_attention=True)
    assert [t.text for t in traced.tokens] == [t.text for t in plain.tokens] and traced.tokens
    for token in traced.tokens:
        assert token.attention is not None and len(token.attention) == 9 and 0 < sum(token.attention) <= 1


def test_regions_in_a_question_are_in_pixels_of_the_file(assistant: Assistant) -> None:
    frame = Frame(120, 60)
    answer = assistant.ask(PIXELS, ("what is in ", Box(0, 0, 60, 60, frame), "?"), sampling=SHORT)
    assert answer.tokens
    with pytest.raises(ValueError, match="measured in"):
        assistant.ask(PIXELS, ("what is at ", Point(1, 1, Frame(9, 9)), "?"), sampling=SHORT)


@pytest.mark.parametrize("question", ["", "   ", ("", "  ")])
def test_empty_and_endless_questions_are_refused(assistant: Assistant, question: object) -> None:
    with pytest.raises(ConfigError, match="empty"):
        assistant.ask(PIXELS, question)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="tokens long"):
        assistant.ask(PIXELS, "dog " * 10_000)


def test_a_bundle_survives_the_disk(tmp_path: Path) -> None:
    bundle = tiny_bundle()
    save_bundle(bundle, tmp_path, dtype=None)
    again = load(tmp_path)
    assert again.bundle.config == bundle.config and again.card == {"name": "tiny"}
    expected = Assistant(bundle, tmp_path.name).ask(PIXELS, "what is this?", sampling=SHORT)
    assert again.ask(PIXELS, "what is this?", sampling=SHORT).tokens == expected.tokens
    save_bundle(bundle, tmp_path)
    halved = load_file(tmp_path / "model.safetensors")
    assert all(t.dtype == torch.float16 for t in halved.values())
    assert next(load(tmp_path).model.parameters()).dtype == torch.float32


def test_a_folder_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    save_bundle(tiny_bundle(), tmp_path)
    weights = tmp_path / "model.safetensors"
    tensors = load_file(weights)
    save_file(tensors | {"surprise": torch.zeros(1)}, weights)
    with pytest.raises(CheckpointError, match="surprise"):
        load(tmp_path)
    save_file({name: t for name, t in tensors.items() if "connector" not in name}, weights)
    with pytest.raises(CheckpointError, match="connector"):
        load(tmp_path)
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="model.safetensors"):
        load(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"colour": 3}))
    with pytest.raises(CheckpointError, match="colour"):
        load_bundle(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"architecture": "other"}))
    with pytest.raises(CheckpointError, match="'other'"):
        load(tmp_path)
    for path, message in ((tmp_path / "nowhere", "no model"), (weights, "is a file"), (tmp_path.parent, "config.json")):
        with pytest.raises(CheckpointError, match=message):
            load(path)


def test_scores_have_intervals_and_an_untrained_model_is_bad(assistant: Assistant) -> None:
    found = evaluate(assistant, splits=["val", "phrasing"], pictures=3)
    assert set(found["splits"]) == {"val", "phrasing"}
    for skills in found["splits"].values():
        for got in skills.values():
            assert 0 <= got["low"] <= got["value"] <= got["high"] <= 1 and got["n"] > 0
        assert sum(got["value"] for got in skills.values()) / len(skills) < 0.3
    with pytest.raises(ConfigError, match="'vla' is unknown"):
        evaluate(assistant, splits=["vla"])
