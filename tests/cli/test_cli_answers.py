"""`ask`, `caption`, `ground`: the JSON of the contract, words for people, and drawings."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from showtell.cli.main import words_together


def test_ask_prints_the_json_of_the_contract(showtell, assistant, picture) -> None:
    ran = showtell("ask", picture, "what is this?", "--json")
    assert ran.code == 0
    answer = json.loads(ran.out)
    assert list(answer) == ["answer", "boxes", "confidence", "model", "timings"]
    assert answer["boxes"] == [{"label": "dog", "box": [4.0, 5.0, 20.0, 25.0]}]
    assert assistant.asked[0][1] == "what is this?"
    assert assistant.asked[0][0].pixels.shape == (30, 40, 3)


def test_ask_says_it_to_a_person(showtell, assistant, picture) -> None:
    ran = showtell("ask", picture, "what is this?")
    assert ran.out.splitlines()[0] == "a dog"
    assert "4 5 20 25" in ran.out and "10 12" in ran.out
    assert "confidence 75%" in ran.err and "30 ms" in ran.err


@pytest.mark.parametrize("place", [1, 2, 3])
def test_options_may_stand_anywhere(showtell, assistant, picture, place) -> None:
    words = ["ask", picture, "what is this?"]
    ran = showtell(*words[:place], "--json", *words[place:])
    assert ran.code == 0 and json.loads(ran.out)["answer"] == "a dog"


def test_several_pictures_give_a_line_each(showtell, assistant, picture) -> None:
    ran = showtell("ask", picture, picture, "what is this?", "--json")
    assert [json.loads(line)["picture"] for line in ran.out.splitlines()] == [picture, picture]


def test_caption_and_ground(showtell, assistant, picture) -> None:
    assert json.loads(showtell("caption", picture, "--json").out)["answer"] == "a dog on a lawn"
    ran = showtell("ground", picture, "the dog", "--json")
    assert json.loads(ran.out)["boxes"][0]["label"] == "dog"
    assert assistant.asked[-1][1] == "the dog"


def test_draw_writes_a_picture_with_the_boxes(showtell, assistant, picture, tmp_path) -> None:
    target = tmp_path / "out.png"
    ran = showtell("ask", picture, "what is this?", "--draw", str(target))
    assert ran.code == 0 and str(target) in ran.err
    drawn = np.asarray(Image.open(target).convert("RGB"))
    assert (drawn != 200).any(), "something was drawn"
    assert (drawn[-1, -1] == 200).all(), "and not everywhere"


@pytest.mark.parametrize("name", ["out.xyz", "nowhere/out.png"])
def test_draw_to_an_unusable_place_is_refused_before_the_model_is_loaded(showtell, assistant, picture, name, tmp_path):
    ran = showtell("ask", picture, "what is this?", "--draw", str(tmp_path / name))
    assert ran.code == 2 and "--draw" in ran.err and not assistant.asked


def test_an_unknown_model_is_one_sentence(showtell, assistant, picture) -> None:
    ran = showtell("ask", picture, "what?", "--model", "nobody", "--json")
    assert ran.code == 2
    assert "nobody" in json.loads(ran.out)["error"] and "Traceback" not in ran.err


def test_a_defect_of_ours_keeps_its_traceback(showtell, assistant, picture, monkeypatch) -> None:
    monkeypatch.setattr(assistant, "ask", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        showtell("ask", picture, "what?")


def test_ctrl_c_is_130_and_one_line(showtell, assistant, picture, monkeypatch) -> None:
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(assistant, "ask", interrupted)
    ran = showtell("ask", picture, "what?")
    assert ran.code == 130 and ran.err.strip() == "interrupted"


def test_a_usage_error_is_2_and_json_on_request(showtell) -> None:
    ran = showtell("ground", "--json", "--nonsense", "1")
    assert ran.code == 2 and "error" in json.loads(ran.out)


def test_help_and_refusals_do_not_load_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from showtell.cli.main import main; "
        "assert main(['--help']) == 0; assert main(['ask', 'nowhere.png', '']) == 2; assert main(['train', 'x']) == 2; "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_pipe_that_closes_early_is_no_traceback(tmp_path: Path) -> None:
    command = f"{sys.executable} -m showtell --help | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Traceback" not in done.stderr


def test_options_with_values_may_stand_between_words() -> None:
    words = ["ask", "a.jpg", "--draw", "b.png", "what?", "--json", "--model=m", "b.jpg"]
    assert words_together(words) == ["ask", "--draw", "b.png", "--json", "--model=m", "a.jpg", "what?", "b.jpg"]
    assert words_together(["ask", "--json", "--", "a.jpg", "--why?"]) == ["ask", "--json", "--", "a.jpg", "--why?"]
    assert words_together([]) == []


def test_a_question_may_begin_with_a_dash(showtell, assistant, picture) -> None:
    assert showtell("ask", "--json", "--", picture, "-what?").code == 0
    assert assistant.asked[0][1] == "-what?"
