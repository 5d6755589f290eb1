"""Graded exercises: right is right, and whatever a reader's file does wrong becomes one sentence in bounded time."""

import json
import re
from pathlib import Path

import pytest

from showtell.core.errors import ConfigError
from showtell.studio.exercises import EXERCISES, alike, exercise, grade
from showtell.studio.series.page import ARTICLES

RIGHT = {
    "1.2": "def alias(cycles, points):\n    return abs(cycles - points * round(cycles / points))",
    "1.3": """
def convolve(first, second):
    out = [0.0] * (len(first) + len(second) - 1)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            out[i + j] += a * b
    return out""",
    "1.5": """
def receptive_field(kernels, strides):
    side, jump = 1, 1
    for kernel, stride in zip(kernels, strides):
        side, jump = side + (kernel - 1) * jump, jump * stride
    return side""",
    "2.4": "def growth(before, after):\n    factor = (after / before) ** 2\n    return factor, factor**2",
    "2.6": """
import math
def attend(queries, keys, values):
    out = []
    for q in queries:
        scores = [sum(a * b for a, b in zip(q, k)) / len(q) ** 0.5 for k in keys]
        weights = [math.exp(score - max(scores)) for score in scores]
        out.append([sum(w * v[i] for w, v in zip(weights, values)) / sum(weights) for i in range(len(values[0]))])
    return out""",
    "3.7": """
import math
def contrast(images, texts, tau):
    def unit(row):
        return [v / math.sqrt(sum(w * w for w in row)) for v in row]
    images, texts = [unit(row) for row in images], [unit(row) for row in texts]
    scores = [[sum(a * b for a, b in zip(x, t)) / tau for t in texts] for x in images]
    total = 0.0
    for table in (scores, list(zip(*scores))):
        for i, row in enumerate(table):
            top = max(row)
            total += top + math.log(sum(math.exp(s - top) for s in row)) - row[i]
    return total / (2 * len(images))""",
    "4.3": "def cache_bytes(t, l, h, d, b):\n    print('noise')\n    return 2 * t * l * h * d * b",
    "4.4": """
def fold(tokens, factor):
    side = round(len(tokens) ** 0.5)
    out = []
    for row in range(0, side, factor):
        for col in range(0, side, factor):
            square = [tokens[(row + y) * side + col + x] for y in range(factor) for x in range(factor)]
            out.append([number for token in square for number in token])
    return out""",
}


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("number", EXERCISES)
def test_a_right_answer_is_right(tmp_path: Path, number: str) -> None:
    verdict = grade(number, written(tmp_path, RIGHT[number]))
    assert verdict.right and verdict.sentence == f"All {verdict.cases} cases agree with the library."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def cache_bytes(*a):\n    return 0", r"cache_bytes\(576, 32, 32, 128, 2\) gives 0; it should be 301989888\."),
        ("def cache_bytes(*a):\n    return [1]", r"gives \[1\]; it should be"),
        ("def cache_bytes(*a):\n    return True", "gives true; it should be"),
        ("def other():\n    return 0", r"has no function cache_bytes; write `def cache_bytes"),
        ("def cache_bytes(*a):\n    return 1 / 0", "stops in line 2 with ZeroDivisionError"),
        ("def cache_bytes(a\n", "stops in line 1 with SyntaxError"),
        ("def cache_bytes(*a):\n    return 'x'", "returns a str; return numbers"),
        ("def cache_bytes(*a):\n    return float('nan')", "gives nan; it should be"),
        ("import os\nos._exit(3)", r"ended the process \(exit code 3\)"),
        ("import sys\nsys.exit(0)", "ended the process"),
        ("def cache_bytes(*a):\n    while True: pass", "still running after 1 seconds and was stopped"),
    ],
)
def test_a_wrong_one_is_told_so_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    verdict = grade("4.3", written(tmp_path, text), seconds=1.0 if "while" in text else 10.0)
    assert not verdict.right and re.search(sentence, verdict.sentence), verdict.sentence
    assert "\n" not in verdict.sentence and len(verdict.sentence) < 300


def test_nothing_but_the_named_file_is_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no file"):
        grade("4.3", tmp_path / "absent.py")
    with pytest.raises(ConfigError, match="no exercise '7.7' is graded"):
        exercise("7.7")
    (tmp_path / "json.py").write_text("raise SystemExit('the folder of the file must not be imported from')")
    assert grade("4.3", written(tmp_path, RIGHT["4.3"])).right


def test_every_graded_exercise_stands_in_its_chapter() -> None:
    chapters = {path.name[1]: path.read_text(encoding="utf-8") for path in ARTICLES.glob("0*.md")}
    for number, wanted in EXERCISES.items():
        chapter = chapters[number[0]]
        place = chapter.index(f"```exercise {number}")
        assert f"showtell exercise {number} FILE" in chapter[place : place + 700]
        assert wanted.function in chapter[place : place + 700]
        json.dumps([wanted.reference(*case) for case in wanted.cases], allow_nan=False)


def test_comparison_is_up_to_rounding_and_blind_to_nothing_else() -> None:
    assert alike([1, 2.00001], [1.0, 2.0]) and not alike([1, 2.1], [1.0, 2.0])
    assert not alike([1], [1, 2]) and not alike(1, [1]) and not alike(True, 1) and not alike("1", 1)
