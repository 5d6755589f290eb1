"""The LLaVA recipe, whole, on two thimbles: both stages, an interruption, gates, export, scores, and asking it."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes import smol_llava as recipe
from recipes.smol_llava_pictures import Remembered, look
from showtell.core.checkpoint import load_tensors
from showtell.core.errors import CheckpointError, ConfigError
from showtell.core.geometry import Frame
from showtell.core.lora import LoRAConfig
from showtell.core.masks import causal_mask
from showtell.engine.step import TrainingError
from showtell.fusion.prefix_vlm import Prefix
from showtell.images.decode import decode
from showtell.images.levels import Levels
from showtell.instruct.gates import labels_cover_answers
from showtell.instruct.grafted import Bases, load_graft
from showtell.load import fetch_model, load
from showtell.text.chat_formats import chatml
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.sampling import SamplingConfig
from showtell.text.tokenizer import Tokenizer, train_tokenizer
from showtell.vision.efficientnet import EfficientNet, EfficientNetConfig, Stage
from showtell.vision.pyramid_tokens import PyramidTokens

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", recipe.PLACEHOLDER)
WORDS = "system user assistant you help. what is this? is there a red star? yes no how many dogs are there?"
STAGES = tuple(
    Stage(kernel=3, stride=stride, expand=1, width=width, repeats=1)
    for stride, width in ((2, 6), (2, 6), (2, 8), (2, 8))
)
TINY = recipe.SmolRun(
    pictures=12,
    held=3,
    image_size=64,
    least_instances=9,
    caption_tokens=150,
    question_tokens=220,
    batch=2,
    lora=LoRAConfig(rank=2, alpha=4.0, targets=("blocks.*.attn.?", "blocks.*.mlp.*")),
    plan=(3, 3),
    gate_every=2,
    gate_rows=2,
    patience=99,
    shard=5,
    precision="fp32",
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([WORDS] * 3, 330, CONTROL)


def bases(tokenizer: Tokenizer) -> Bases:
    torch.manual_seed(3)
    tower = EfficientNet(EfficientNetConfig(stages=STAGES, stem_width=6, head_width=20, classes=5))
    decoder = Decoder(DecoderConfig(vocab_size=len(tokenizer), dim=24, depth=2, heads=2, mlp_dim=40))
    torch.nn.init.normal_(decoder.embedding.weight)  # a frozen head of tiny numbers could not be certain of anything
    return Bases(PyramidTokens(tower).eval(), Levels(), decoder, tokenizer, chatml("You help."))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    """A finished run of three steps a stage."""
    folder = tmp_path_factory.mktemp("smol")
    parts = bases(tokenizer)
    recipe.see(TINY, folder, parts)
    plan = recipe.make_plan(TINY, folder, parts, 1.0)
    assert plan == {"connect": 3, "converse": 3, "blind": 1, "worded": True}
    assert recipe.connect(TINY, folder, parts, plan["connect"], None)
    assert recipe.converse(TINY, folder, parts, plan["converse"], None)
    assert recipe.converse(TINY, folder, bases(tokenizer), plan["blind"], None, "blind")
    return folder


def events(folder: Path, kind: str) -> list[dict[str, float]]:
    return [event for line in (folder / "log.jsonl").open() if (event := json.loads(line)).get("event") == kind]


def test_a_picture_is_looked_at_once(run_folder: Path, tokenizer: Tokenizer) -> None:
    place = run_folder / "pictures"
    before = {path.name: path.stat().st_mtime_ns for path in place.iterdir()}
    assert len(before) == 6
    recipe.see(TINY, run_folder, bases(tokenizer))
    assert before == {path.name: path.stat().st_mtime_ns for path in place.iterdir()}
    kept = Remembered(place)
    fresh, _ = look(TINY.scene(), TINY.seed, [7], bases(tokenizer).tower, bases(tokenizer).processor(TINY.image_size))
    torch.testing.assert_close(kept.features(7).float(), fresh[0], rtol=1e-2, atol=1e-2)
    assert len(kept) == 12 and kept.features(7).shape == (4, 52)
    said = [answer for words in kept.words for _, _, answer in words["questions"]]
    assert {"yes", "no"} <= set(said) and not any("<" in answer for answer in said)


def test_rows_hold_the_chat_format_and_train_on_answers_alone(run_folder: Path, tokenizer: Tokenizer) -> None:
    data = recipe.rows(TINY, run_folder, bases(tokenizer), "questions")
    document = data.document(5, np.random.default_rng(0))
    names = tokenizer.pieces(document.trunk.ids)
    assert names.count(recipe.PLACEHOLDER) == 4 and names[-4:] == [recipe.PLACEHOLDER] * 4
    assert labels_cover_answers(document.branches)["trained_share"] < 0.7
    for branch in document.branches:
        assert branch.ids[-1] == tokenizer.id("<|im_end|>") and branch.loss_mask[-1]
    blind = recipe.rows(TINY, run_folder, bases(tokenizer), "questions", blind=True)
    document = blind.document(5, np.random.default_rng(0))
    assert recipe.PLACEHOLDER not in tokenizer.pieces(document.trunk.ids)
    assert blind.collate([blind.make(0), blind.make(1)]).pixels.shape == (2, 0, 52)


def test_a_stopped_run_goes_on_to_the_same_end(run_folder: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    """Paused after a moment and called again: the weights are those of the run that was not interrupted."""
    (tmp_path / "pictures").symlink_to(run_folder / "pictures")
    (tmp_path / "connect").symlink_to(run_folder / "connect")
    assert not recipe.converse(TINY, tmp_path, bases(tokenizer), 3, 0.001)
    assert recipe.converse(TINY, tmp_path, bases(tokenizer), 3, None)
    ours, theirs = (load_tensors(folder / "converse" / "model.safetensors") for folder in (tmp_path, run_folder))
    assert sorted(ours) == sorted(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not any(name.endswith("embedding.weight") for name in ours)  # the language model is not repeated


def test_it_learns_and_the_pictures_are_checked(run_folder: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "pictures").symlink_to(run_folder / "pictures")
    (tmp_path / "connect").symlink_to(run_folder / "connect")
    longer = replace(TINY, converse_lr=1e-2, gate_every=20)
    assert recipe.converse(longer, tmp_path, bases(tokenizer), 40, None)
    losses = [event["loss"] for event in events(tmp_path / "converse", "step")]
    assert losses[-1] < 0.7 * losses[0]
    words = [event["word_loss"] for event in events(tmp_path / "converse", "step")]
    assert words[-1] < 0.95 * words[0]
    gates = events(tmp_path / "converse", "gate")
    assert len(gates) == 3 and all(gate["change_swapped"] > 1e-6 for gate in gates)
    blind = recipe.conversing(TINY, None, bases(tokenizer))
    for parameter in blind.connector.parameters():
        parameter.data.zero_()
    check = recipe.sees(TINY, recipe.rows(TINY, run_folder, bases(tokenizer), "questions", held=True))
    with torch.no_grad(), pytest.raises(TrainingError, match="blind"):
        check(blind)


def test_export_scores_and_answers(run_folder: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "open_parts", lambda: bases(tokenizer))
    place = recipe.export(TINY, run_folder, bases(tokenizer))
    found = recipe.score(TINY, run_folder, 3, ("val", "instance"))
    assert set(found["splits"]["val"]) == {*recipe.WHO, "wrong picture"}
    assert set(found["splits"]["instance"]) == {"stage 2"}
    assert {"blind, untrained", "blind, trained", "stage 2"} == set(found["perplexity"])
    row = found["splits"]["val"]["stage 2"]["questions"]
    assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1 and row["n"] > 3
    model = load_graft(place, "thimble", bases(tokenizer))
    assert model.card["scores"] == json.loads(json.dumps(found)) and model.card["kind"] == "vision-language model"
    assert model.layout(Frame(90, 40)).tokens == 4
    picture = decode(TINY.scene("val").sample(5, 0)[0])
    answer = model.ask(picture, "what is this?", SamplingConfig(max_tokens=5))
    apart = recipe.pupil(TINY, run_folder, bases(tokenizer), "converse")  # adapter not merged, weights not rounded
    assert isinstance(model.model, Prefix) and model.processor is not None
    features = model.model.vision(model.processor(picture).pixels[None]).tokens
    ids = torch.tensor([[apart.image_token_id] * 4 + tokenizer.encode("what is this?")])
    places, mask = torch.arange(ids.shape[1])[None], causal_mask(ids.shape[1], ids.shape[1])
    shipped, trained = (m.read(m.connector(features), ids, places, mask) for m in (model.model, apart))
    torch.testing.assert_close(shipped, trained, rtol=1e-2, atol=1e-2)
    assert len(answer.tokens) <= 5 and 0 < answer.confidence <= 1 and answer.boxes == ()


def test_a_folder_without_its_checkpoints_says_which_command(
    run_folder: Path, tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = recipe.export(TINY, run_folder, bases(tokenizer))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match="run `showtell fetch .*model` once"):
        load(place)
    asked: list[str] = []
    monkeypatch.setattr(sys.modules["showtell.load"], "fetch_part", asked.append)
    assert fetch_model(str(place)) == place
    assert sorted(asked) == ["efficientnet-lite0", "smollm2-135m-instruct"]
    config = json.loads((place / "config.json").read_text())
    for field, wrong, sentence in (
        ("image_size", "big", "image_size: expected int"),
        ("vision", {"name": "efficientnet-lite0", "sha256": "0"}, "edition"),
        ("decoder", {"name": "gpt", "sha256": "0"}, "edition"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | {field: wrong}))
        with pytest.raises(CheckpointError, match=sentence):
            load(tmp_path)
    (place / "connector.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="connector.safetensors"):
        load_graft(place, "thimble", bases(tokenizer))


def test_stage_two_goes_on(
    run_folder: Path, tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once more from where it ended, without the second objective too; the model is then that of the last stage."""
    for name in ("pictures", "connect", "converse"):
        (tmp_path / name).symlink_to(run_folder / name)
    shutil.copyfile(run_folder / "plan.json", tmp_path / "plan.json")
    monkeypatch.setattr(recipe, "open_parts", lambda: bases(tokenizer))
    monkeypatch.setattr(recipe, "seconds_a_step", lambda *_: 30.0)
    plain = replace(TINY, words_weight=0.0, again_lr=0.0)
    assert recipe.more(plain, tmp_path, 1.0, None) and recipe.planned(plain, tmp_path)["again"] == 2
    before, after = (load_tensors(tmp_path / stage / "model.safetensors") for stage in ("converse", "again"))
    assert recipe.last(tmp_path) == "again" and all(torch.equal(before[name], after[name]) for name in before)
    card = recipe.export(TINY, tmp_path, bases(tokenizer)) / "card.json"
    trained = json.loads(card.read_text())["trained_on"]
    assert trained["steps"] == {"connect": 3, "converse": 3, "again": 2}
    assert trained["with the words of captions as second objective"] == ["connect", "converse"]
    logged = [json.loads(line)["stage"] for line in (card.parent / "training.jsonl").open()]
    assert list(dict.fromkeys(logged)) == ["connect", "converse", "again"]


def test_stages_say_what_is_missing(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(ConfigError, match="'converse' has not finished"):
        recipe.export(TINY, tmp_path, bases(tokenizer))
    with pytest.raises(ConfigError, match="stage 'fly' is unknown"):
        recipe.main(tmp_path, stage="fly")
