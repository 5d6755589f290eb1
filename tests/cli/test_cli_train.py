"""`train`: a recipe is a file with a main(); its parameters are the options; without recipes it says so."""

import json

import pytest

from showtell.cli import train


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        '"""A run of one line."""\n'
        "def main(folder: str = 'runs/mine', steps: int = 3) -> dict:\n"
        "    if steps > 99:\n"
        "        raise KeyboardInterrupt\n"
        "    return {'folder': folder, 'steps': steps}\n"
    )
    return str(path)


def test_the_parameters_of_main_are_the_options(showtell, own) -> None:
    ran = showtell("train", own, "--steps", "7", "--json")
    assert ran.code == 0 and json.loads(ran.out) == {"folder": "runs/mine", "steps": 7}


def test_an_unknown_option_and_an_interruption(showtell, own) -> None:
    assert showtell("train", own, "--stepz", "7").code == 2
    assert showtell("train", own, "--steps", "100").code == 130


def test_recipes_are_listed_with_their_first_sentence(showtell, tmp_path, monkeypatch) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "small.py").write_text('"""The small run.\n\nMore."""\ndef main(*, folder="runs"): ...\n')
    (tmp_path / "recipes" / "pack.py").write_text('"""Not a run."""\ndef main(): ...\n')
    monkeypatch.setattr(train, "REPOSITORY", tmp_path)
    assert json.loads(showtell("train", "--json").out) == {"recipes": {"small": "The small run."}}
    ran = showtell("train", "tall", "--json")
    assert ran.code == 2 and "small" in json.loads(ran.out)["error"]


def test_an_installation_without_recipes_says_so(showtell, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(train, "REPOSITORY", tmp_path)
    ran = showtell("train", "pocket", "--json")
    assert ran.code == 2 and "clone the repository" in json.loads(ran.out)["error"]


def test_a_file_without_main_is_refused(showtell, tmp_path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert "main()" in showtell("train", str(tmp_path / "empty.py")).err
