"""`showtell metrics diff`: the table of departures, on probes and on a file, and what it refuses."""

import json
from pathlib import Path

import pytest

from showtell.cli.main import main


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize("metric", ["vqa", "pope", "mmmu", "refcoco", "screenspot"])
def test_the_probes_of_a_metric_depart(metric: str, capsys: pytest.CaptureFixture[str]):
    assert main(["metrics", "diff", metric, "--json"]) == 0
    report = said(capsys)
    assert report["metric"] == metric and report["departing_rows"] == report["rows"] == 4
    assert main(["metrics", "diff", metric]) == 0
    assert "official" in capsys.readouterr().out


def test_answers_of_a_file_with_intervals_by_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = [{"prediction": "Yes", "answers": ["yes"] * 10, "image": f"{i // 4}.png"} for i in range(20)]
    rows += [{"prediction": "2", "answers": ["2"] * 9 + ["3"], "image": f"{i}.png"} for i in range(20)]
    file = tmp_path / "answers.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert main(["metrics", "diff", "vqa", str(file), "--json"]) == 0
    report = said(capsys)
    assert report["definitions"]["official"]["score"] == 0.5  # type: ignore[index]
    lmms = report["definitions"]["lmms-eval"]  # type: ignore[index]
    assert lmms["score"] == 1 and lmms["departs"] == 20 and lmms["low"] < lmms["difference"] == 0.5 < lmms["high"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "row 0: the field prediction"),
        ("[1]", "row 0 of answers.jsonl is no object"),
        ("{", "row 0 of answers.jsonl is not JSON"),
        ("", "no row to score"),
        ('{"prediction": "[1, 2, 3, 4]", "box": [1, 2], "size": [9, 9], "convention": "x"}', "cannot be scored"),
    ],
)
def test_a_file_that_cannot_be_scored(content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "answers.jsonl"
    file.write_text(content, encoding="utf-8")
    assert main(["metrics", "diff", "refcoco", str(file)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_metric_without_departures_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["metrics", "diff", "bleurt"]) == 2
    assert "choose one of vqa" in capsys.readouterr().err
    assert main(["metrics", "diff", "vqa", str(tmp_path / "none.jsonl")]) == 2
    assert "is not a .jsonl file" in capsys.readouterr().err
