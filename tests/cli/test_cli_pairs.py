"""`classify`, `index`, `search`, `embed` as typed: what they print, write, draw and refuse."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pair_folder import COLORS, MeanColor, paint, save_tiny_pair
from PIL import Image

from showtell.contrastive.pocket_pair import load_pair
from showtell.core.checkpoint import load_tensors, save_tensors

RGB = "red, green, blue"


@pytest.fixture
def colors(monkeypatch: pytest.MonkeyPatch) -> MeanColor:
    """Every model name means an embedder that knows colours."""
    embedder = MeanColor()
    for module in ("search", "classify"):
        monkeypatch.setattr(f"showtell.cli.{module}.embedder_of", lambda model: embedder)
    return embedder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures in folders of their colours; one blue picture lies among the red ones."""
    place = tmp_path / "pictures"
    for i, color in enumerate(("red", "green", "blue")):
        paint(place / color / "one.png", color, i)
        paint(place / color.upper() / "two.jpg", color, i + 5)
    paint(place / "red" / "odd.png", "blue", 9)
    (place / "notes.txt").write_text("no picture")
    return place


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_pair(tmp_path_factory.mktemp("models") / "tiny"))


def test_classify_says_what_is_right_and_how_sure_it_is(showtell, colors, folder) -> None:
    ran = showtell("classify", str(folder), "--labels", RGB, "--json")
    *rows, last = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0 and len(rows) == 7 and all(len(row["top"]) == 3 for row in rows)
    wrong = [row for row in rows if not row["right"]]
    assert [Path(row["picture"]).name for row in wrong] == ["odd.png"] and wrong[0]["label"] == "blue"
    assert sum(part["probability"] for part in rows[0]["top"]) == pytest.approx(1, abs=1e-3)
    summary = last["summary"]
    assert summary["top1"]["n"] == 7 and summary["top1"]["value"] == pytest.approx(6 / 7, abs=1e-4)
    assert summary["counts"] == {"blue": 3, "green": 2, "red": 2}
    assert summary["top1"]["low"] < 6 / 7 < summary["top1"]["high"] and 0 <= summary["calibration_error"] <= 1


def test_classify_for_people_tables_and_a_sheet_of_mistakes(showtell, colors, folder, tmp_path) -> None:
    labels, out, sheet = tmp_path / "labels.txt", tmp_path / "out.csv", tmp_path / "wrong.png"
    labels.write_text("﻿# colours\nred\ngreen\n\nblue\n", encoding="utf-8")
    words = ("classify", str(folder), "--labels-file", str(labels), "--out", str(out), "--mistakes", str(sheet))
    ran = showtell(*words, "--template", "all {}")
    assert ran.code == 0 and "top-1 85.7%" in ran.out and "is red" in ran.out and str(sheet) in ran.err
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert len(rows) == 7 and {row["right"] for row in rows} == {"True", "False"}
    drawn = np.asarray(Image.open(sheet).convert("RGB"))
    assert (np.abs(drawn.astype(int) - COLORS["blue"]).sum(axis=2) < 12).sum() > 500, "the mistaken picture is shown"
    for name in ("out.json", "out.jsonl"):
        assert showtell(*words[:4], "--out", str(tmp_path / name)).code == 0
    assert len(json.loads((tmp_path / "out.json").read_text())) == 7


def test_calibrated_probabilities_are_fitted_on_the_other_half(showtell, colors, tmp_path) -> None:
    for i in range(15):
        paint(tmp_path / "p" / "red" / f"{i}.png", "red" if i % 3 else "blue", i)
        paint(tmp_path / "p" / "blue" / f"{i}.png", "blue" if i % 3 else "red", i)
    words = ("classify", str(tmp_path / "p"), "--labels", "red, blue", "--json")
    plain, fitted = (
        json.loads(showtell(*words, *more).out.splitlines()[-1])["summary"] for more in ((), ["--calibrate"])
    )
    assert plain["top1"] == fitted["top1"]
    assert fitted["calibration_error"] < 0.1 < plain["calibration_error"]


def test_an_index_follows_its_folder_and_is_searched(showtell, colors, folder, tmp_path) -> None:
    (folder / "broken.jpg").write_bytes((folder / "RED" / "two.jpg").read_bytes()[:99])
    first = json.loads(showtell("index", str(folder), "--json").out)
    assert (first["pictures"], first["embedded"], first["quarantined"]) == (7, 7, 1)
    assert json.loads(showtell("index", str(folder), "--json").out)["embedded"] == 0
    found = json.loads(showtell("search", str(folder), "something red", "--most", "2", "--json").out)
    assert {hit["path"] for hit in found["hits"]} == {"red/one.png", "RED/two.jpg"} and found["milliseconds"] >= 0
    sheet = tmp_path / "found.png"
    ran = showtell("search", str(folder), str(folder / "red" / "odd.png"), "--draw", str(sheet))
    assert ran.code == 0 and "1.000" in ran.out.splitlines()[0] and Image.open(sheet).width > 500
    said = showtell("index", str(folder))
    assert "7 pictures" in said.out and "quarantine.jsonl" in said.err


def test_search_makes_the_index_it_lacks(showtell, colors, folder, tmp_path) -> None:
    ran = showtell("search", str(folder), "blue", "--place", str(tmp_path / "elsewhere"), "--json")
    assert len(json.loads(ran.out)["hits"]) == 7 and (tmp_path / "elsewhere" / "index.json").is_file()
    assert not (folder / ".showtell-index").exists()


def test_embed_gives_vectors_and_cosines(showtell, colors, folder, tmp_path) -> None:
    picture, out = str(folder / "red" / "one.png"), tmp_path / "v.safetensors"
    lines = [json.loads(line) for line in showtell("embed", "a red thing", picture, "--json").out.splitlines()]
    assert [line["kind"] for line in lines] == ["text", "picture"]
    assert np.dot(lines[0]["vector"], lines[1]["vector"]) > 0.99
    ran = showtell("embed", "red", "blue", picture, "--out", str(out))
    assert ran.code == 0 and "cosine" in ran.out
    assert load_tensors(out)["vectors"].shape == (3, 3)
    assert len(showtell("embed", "red").out.split()) == 3


def test_a_model_folder_of_ours_end_to_end(showtell, folder, tiny, tmp_path) -> None:
    model = ("--model", tiny)
    found = json.loads(showtell("search", str(folder), str(folder / "green" / "one.png"), *model, "--json").out)
    assert found["hits"][0]["score"] == pytest.approx(1, abs=1e-5)
    rows = showtell("classify", str(folder), "--labels", RGB, *model, "--json").out.splitlines()
    assert len(rows) == 8 and json.loads(rows[-1])["summary"]["model"] == "tiny"
    told = json.loads(showtell("card", tiny, "--json").out)
    assert told["kind"] == "dual encoder" and told["edition"] == 7


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("classify", "DIR"), "labels are needed and none was given"),
        (("classify", "DIR", "--labels", " , "), "labels are needed"),
        (("classify", "DIR", "--labels-file", "EMPTY"), "holds none"),
        (("classify", "DIR", "--labels-file", "BYTES"), "not a readable text file"),
        (("classify", "DIR", "--labels", "red", "--template", "a photo"), "exactly one {}"),
        (("classify", "BARE", "--labels", RGB), "holds no pictures"),
        (("classify", "nowhere", "--labels", RGB), "no such file or folder"),
        (("classify", "DIR", "--labels", RGB, "--out", "a.xls"), "unknown table format"),
        (("classify", "DIR", "--labels", "yes, no", "--mistakes", "a.png"), "folders named like labels"),
        (("classify", "DIR", "--labels", RGB, "--calibrate"), "--calibrate needs 20"),
        (("classify", "DIR", "--labels", "собака, red"), "letters this model was never shown"),
        (("classify", "DIR", "--labels", "犬"), "犬"),
        (("index", "BARE"), "holds no pictures"),
        (("index", "nowhere"), "is not a folder"),
        (("search", "DIR", "猫"), "letters this model was never shown"),
        (("search", "DIR", " "), "the description is empty"),
        (("search", "DIR", "lost.png"), "no such picture"),
        (("search", "DIR", "red", "--most", "0"), "at least one picture"),
        (("search", "DIR", "red", "--draw", "a.xyz"), "unknown picture format"),
        (("embed", "red", "--out", "a.npy"), "safetensors"),
        (("embed",), "nothing was given"),
    ],
)
def test_refusals_are_one_sentence(showtell, folder, tiny, tmp_path, words, why) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "empty.txt").write_text("# nothing\n\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00dog\x00")
    stand = {"DIR": folder, "BARE": tmp_path / "bare", "EMPTY": tmp_path / "empty.txt", "BYTES": tmp_path / "bytes.txt"}
    ran = showtell(*(str(stand.get(word, word)) for word in words), "--model", tiny)
    assert ran.code == 2 and why in ran.err and len(ran.err.strip().splitlines()) == 1


def test_an_index_of_another_model_and_a_broken_model_are_refused(showtell, folder, tiny, tmp_path) -> None:
    assert showtell("index", str(folder), "--model", tiny).code == 0
    other = save_tiny_pair(tmp_path / "other", seed=1)
    ran = showtell("search", str(folder), "red", "--model", str(other))
    assert ran.code == 2 and "was made by tiny" in ran.err and "the model at hand is other" in ran.err
    tensors = load_tensors(other / "model.safetensors")
    tensors["image_projection.bias"] = torch.full_like(tensors["image_projection.bias"], float("nan"))
    save_tensors(tensors, other / "model.safetensors")
    ran = showtell("classify", str(folder), "--labels", RGB, "--model", str(other))
    assert ran.code == 2 and "NaN or infinity for 7 of 7 pictures" in ran.err


def test_bytes_on_disk_are_near_the_weights(tiny) -> None:
    pair, again = load_pair(Path(tiny)), load_pair(Path(tiny))
    assert all(
        torch.equal(a, b)
        for a, b in zip(pair.model.state_dict().values(), again.model.state_dict().values(), strict=True)
    )
