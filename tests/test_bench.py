"""Benchmarks keep their form: a docstring, `--json`, one report; and the two sides of the training one learn the same.

Nothing is timed here: the figures are for a quiet machine (`make bench`).
"""

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from showtell.core.geometry import Frame
from showtell.data.sample import sample_rng
from showtell.fusion.image_plan import ImagePlan
from showtell.instruct.conversation import question
from showtell.instruct.packing import IGNORE, Document, PackedBatch, pack_row, stack_rows
from showtell.instruct.template import Template, TemplateConfig
from showtell.text.coordinates import LocationCodec
from showtell.text.tokenizer import train_tokenizer

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"
QUESTIONS = sorted(path.stem for path in BENCH.glob("*.py") if not path.stem.startswith("_"))


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a file of bench/ as `python bench/FILE.py` would see it."""

    def load(name: str) -> ModuleType:
        monkeypatch.syspath_prepend(str(BENCH))
        return importlib.import_module(name)

    return load


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_bench_has_a_docstring_and_json(bench, name: str) -> None:
    module = bench(name)
    assert f"python bench/{name}.py [--json]" in module.__doc__
    options = module.options()
    assert options.parse_args(["--json"]).json is True and options.parse_args([]).json is False


def test_make_bench_asks_every_question_and_no_helper() -> None:
    asked = re.search(r"for question in (\S+);", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert asked is not None and sorted(path.stem for path in ROOT.glob(asked[1])) == QUESTIONS


def test_the_json_is_exactly_the_agreed_form(bench, capsys: pytest.CaptureFixture[str]) -> None:
    report = bench("_report")
    ratios = [report.Ratio.rate("steps / s", 30.0, 20.0, 1.5), report.Ratio.limit("start, s", 4.0, 3.0)]
    report.report("both", ratios, as_json=True, beside=[("not in JSON", 1.0, None)], notes=["nor this"])
    assert json.loads(capsys.readouterr().out) == {
        "ratios": [
            {"name": "steps / s", "ratio": 1.5, "goal": 1.5, "met": True, "ours": 30.0, "peer": 20.0},
            {"name": "start, s", "ratio": 0.75, "goal": 1.0, "met": False, "ours": 4.0, "peer": 3.0},
        ]
    }


def test_the_table_names_every_figure(bench, capsys: pytest.CaptureFixture[str]) -> None:
    report = bench("_report")
    ratios = [report.Ratio.rate("steps / s", 2130.0, 20.0, 1.5)]
    report.report("both", ratios, as_json=False, beside=[("a row", 0.25, None)], notes=["a sentence"])
    table = capsys.readouterr().out
    for words in ("both", "steps / s", "2,130", "106.50", "1.50", "a row", "0.25", "a sentence"):
        assert words in table


def test_the_peer_trains_on_the_same_questions_one_a_row(bench) -> None:
    train_step = bench("train_step")
    batch, template = packed_questions()
    pieces = train_step.one_a_row(batch, rows=2)
    assert [len(piece.ids) for piece in pieces] == [2, 1]
    assert train_step.trained_tokens(pieces) == int((batch.targets != IGNORE).sum()) > 0
    first = pieces[0]
    alone = template.render(question("what is this?", answer=("a dog",)))
    length = len(alone)
    assert first.ids[0, :length].tolist() == alone.ids
    trained = [token if yes else IGNORE for token, yes in zip(alone.ids, alone.loss_mask, strict=True)]
    assert first.labels[0, :length].tolist() == trained
    assert first.attention.sum(dim=1).tolist() == [length, first.ids.shape[1]]
    assert (first.pixels == batch.pixels[0]).all() and (pieces[1].pixels == batch.pixels[1]).all()


def test_the_peer_pays_no_heed_to_padding_and_learns(bench) -> None:
    train_step = bench("train_step")
    batch, template = packed_questions()
    run = train_step.PocketRun(image_size=24, vision_dim=24, vision_depth=1, decoder_dim=24, decoder_depth=1)
    torch.manual_seed(0)
    peer = train_step.Peer(run, len(template.tokenizer))
    short = train_step.one_a_row(batch, rows=1)[0]
    longer = short.ids[0].repeat(3)  # makes the first row end in padding, and adds nothing to the loss
    unlabelled = torch.full_like(longer, IGNORE)
    wider = train_step.padded(short.pixels.repeat(2, 1, 1, 1), [short.ids[0], longer], [short.labels[0], unlabelled])
    before = peer(short)
    torch.testing.assert_close(peer(wider), before)
    train_step.peer_step(peer, torch.optim.AdamW(peer.parameters(), lr=1e-2))([short])
    assert peer(short).item() < before.item()


def packed_questions() -> tuple[PackedBatch, Template]:
    """Two rows: a picture with two questions of different length, and one with one; 4 image tokens each."""
    codec = LocationCodec(4)
    tokenizer = train_tokenizer(["what is this? a dog"] * 3, 320, (*TemplateConfig().control, *codec.names))
    template = Template(TemplateConfig(), tokenizer, codec)
    trunk = template.trunk(ImagePlan(source=Frame(24, 24), view=Frame(24, 24), grid=(2, 2)))
    asked = [[("what is this?", "a dog"), ("what is this, then?", "it is a dog")], [("a dog?", "no")]]
    rows = []
    for pairs in asked:
        branches = [template.render(question(words, answer=(answer,))) for words, answer in pairs]
        rows.append(pack_row([Document(trunk, branches)], 96, template.padding_id))
    noise = sample_rng(0, 0).standard_normal((2, 3, 24, 24))
    return stack_rows(rows, torch.tensor(noise, dtype=torch.float32)), template
