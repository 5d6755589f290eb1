"""Exercises that a machine can grade: the reader writes a function, the library says whether it is right.

    showtell exercise 4.3              what to write
    showtell exercise 4.3 mine.py      run cache_bytes(...) of mine.py on hidden cases, and compare with the library

Only the file named on the command line is run, in a process of its own, with a time limit and with nothing of this
process but the cases (`exercise_runner.py`). Answers come back as JSON, so that nothing in them is ever evaluated.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from showtell.contrastive.losses import info_nce
from showtell.core.attention import explicit_attention
from showtell.core.errors import ConfigError
from showtell.fusion.connectors import PixelShuffle
from showtell.images.receptive_field import ConvLayer, theoretical_field
from showtell.images.spectrum import folded
from showtell.vision.costs import block_cost

SECONDS, TOLERANCE = 10.0, 1e-4
RUNNER = Path(__file__).with_name("exercise_runner.py")


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One graded exercise.

    signature: the function to be written, as Python writes it.
    wanted: what it returns, in a sentence.
    cases: arguments it is called with.
    reference: the same by the library.
    """

    signature: str
    wanted: str
    cases: Sequence[tuple[Any, ...]]
    reference: Callable[..., Any]

    @property
    def function(self) -> str:
        return self.signature.split("(")[0]


@dataclass(frozen=True)
class Verdict:
    """How a function did: `sentence` says what is wrong with the first case that is, or that all are right."""

    right: bool
    cases: int
    sentence: str


def attended(queries: list[list[float]], keys: list[list[float]], values: list[list[float]]) -> list[list[float]]:
    q, k, v = (torch.tensor(rows)[None, None] for rows in (queries, keys, values))
    return (explicit_attention(q, k, None) @ v)[0, 0].tolist()


def convolved(first: list[float], second: list[float]) -> list[float]:
    padding = len(second) - 1
    turned = torch.tensor(second).flip(0)[None, None]
    return torch.nn.functional.conv1d(torch.tensor(first)[None, None], turned, padding=padding)[0, 0].tolist()


def seen_by(kernels: list[int], strides: list[int]) -> int:
    return theoretical_field([ConvLayer(kernel=k, stride=s) for k, s in zip(kernels, strides, strict=True)])


def grown(before: int, after: int) -> list[float]:
    small, large = (block_cost(side * side, 64, 256) for side in (before, after))
    return [large.mlp / small.mlp, large.attention / small.attention]


def contrasted(images: list[list[float]], texts: list[list[float]], tau: float) -> float:
    x, t = (torch.nn.functional.normalize(torch.tensor(rows), dim=1) for rows in (images, texts))
    return float(info_nce(x, t, torch.tensor(1 / tau)) / len(x))


def cache_bytes(tokens: int, layers: int, kv_heads: int, head_dim: int, bytes_each: int) -> int:
    return 2 * layers * tokens * kv_heads * head_dim * bytes_each


def folded_tokens(tokens: list[list[float]], factor: int) -> list[list[float]]:
    return PixelShuffle(factor)(torch.tensor(tokens)[None])[0].tolist()


def square(side: int, dim: int) -> list[list[float]]:
    return torch.arange(side * side * dim, dtype=torch.float32).unflatten(0, (side * side, dim)).tolist()


def table(rows: int, cols: int, seed: int) -> list[list[float]]:
    return torch.randn(rows, cols, generator=torch.Generator().manual_seed(seed)).tolist()


EXERCISES: dict[str, Exercise] = {
    "1.2": Exercise(
        signature="alias(cycles, points)",
        wanted="the number of cycles that a wave of `cycles` shows when it is sampled at `points` points",
        cases=[(100, 48), (70, 64), (20, 64), (96, 48), (33, 64)],
        reference=folded,
    ),
    "1.3": Exercise(
        signature="convolve(first, second)",
        wanted="the list of weights of one kernel that does what the two do one after the other",
        cases=[([0.25, 0.5, 0.25], [0.25, 0.5, 0.25]), ([1.0, -1.0], [1.0, 2.0, 3.0]), ([2.0], [1.0, 0.0, -1.0])],
        reference=convolved,
    ),
    "1.5": Exercise(
        signature="receptive_field(kernels, strides)",
        wanted="the side of the square of pixels that one unit after all those layers can see",
        cases=[([3, 3, 3], [1, 1, 1]), ([3, 3, 3], [2, 2, 2]), ([7, 3], [2, 1]), ([5], [1])],
        reference=seen_by,
    ),
    "2.4": Exercise(
        signature="growth(before, after)",
        wanted="[factor of the MLP, factor of attention] of a block when a grid of before × before patches becomes "
        "after × after",
        cases=[(16, 24), (14, 28), (8, 8)],
        reference=grown,
    ),
    "2.6": Exercise(
        signature="attend(queries, keys, values)",
        wanted="softmax(queries keysᵀ / √d) values, the rows of all three given as lists",
        cases=[
            (table(3, 4, 1), table(5, 4, 2), table(5, 2, 3)),
            (table(1, 8, 4), table(2, 8, 5), table(2, 3, 6)),
            ([[40.0, 0.0]], [[40.0, 0.0], [0.0, 40.0]], [[1.0], [2.0]]),
        ],
        reference=attended,
    ),
    "3.7": Exercise(
        signature="contrast(images, texts, tau)",
        wanted="InfoNCE per pair, both ways, of vectors that are first brought to length one; pair i is row i of both",
        cases=[
            (table(3, 4, 1), table(3, 4, 2), 0.5),
            (table(5, 2, 3), table(5, 2, 4), 0.07),
            ([[3.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]], 0.001),
            ([[1.0, 1.0]] * 4, [[2.0, 2.0]] * 4, 1.0),
        ],
        reference=contrasted,
    ),
    "4.3": Exercise(
        signature="cache_bytes(tokens, layers, kv_heads, head_dim, bytes_each)",
        wanted="the bytes of the keys and values of so many tokens in all layers",
        cases=[(576, 32, 32, 128, 2), (64, 6, 3, 64, 4), (1260, 28, 2, 128, 2), (0, 5, 1, 7, 1)],
        reference=cache_bytes,
    ),
    "4.4": Exercise(
        signature="fold(tokens, factor)",
        wanted="the tokens of a square grid with each factor × factor square of neighbours side by side in one",
        cases=[(square(4, 2), 2), (square(6, 1), 3), (square(2, 3), 1)],
        reference=folded_tokens,
    ),
}


def exercise(number: str) -> Exercise:
    """Raises ConfigError for a number that is not graded."""
    if number not in EXERCISES:
        raise ConfigError(f"no exercise {number[:20]!r} is graded; there are {', '.join(EXERCISES)}")
    return EXERCISES[number]


def grade(number: str, file: Path, seconds: float = SECONDS) -> Verdict:
    """Run the reader's function on every case and compare.

    Raises ConfigError for a file that is not there; what the file does wrong is the verdict.
    """
    wanted = exercise(number)
    if not file.is_file():
        raise ConfigError(f"{file} is no file; write {wanted.signature} into one and name it")
    given = answers(wanted.function, wanted.cases, file, seconds)
    if isinstance(given, str):
        return Verdict(False, len(wanted.cases), given)
    for arguments, answer in zip(wanted.cases, given, strict=True):
        right = json.loads(json.dumps(wanted.reference(*arguments)))
        if not alike(answer, right):
            call = f"{wanted.function}({', '.join(short(one) for one in arguments)})"
            return Verdict(False, len(wanted.cases), f"{call} gives {short(answer)}; it should be {short(right)}.")
    return Verdict(True, len(wanted.cases), f"All {len(wanted.cases)} cases agree with the library.")


def answers(function: str, cases: Sequence[tuple[Any, ...]], file: Path, seconds: float) -> list[Any] | str:
    """What the function returned for each case, or a sentence about why it did not."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answers.json"
        command = [sys.executable, "-I", str(RUNNER), str(file.resolve()), function, str(out)]
        try:
            done = subprocess.run(
                command, input=json.dumps(cases), timeout=seconds, capture_output=True, text=True, cwd=folder
            )
        except subprocess.TimeoutExpired:
            return f"{function} was still running after {seconds:g} seconds and was stopped."
        if not out.is_file():
            return f"{file.name} ended the process (exit code {done.returncode}) before {function} had returned."
        reply = json.loads(out.read_text(encoding="utf-8"))
    return str(reply["sentence"]) if "sentence" in reply else list(reply["answers"])


def alike(answer: Any, right: Any) -> bool:
    """Equal up to rounding; lists of lists of numbers, nothing else."""
    if isinstance(right, list):
        return (
            isinstance(answer, list)
            and len(answer) == len(right)
            and all(alike(a, r) for a, r in zip(answer, right, strict=True))
        )
    numeric = isinstance(answer, int | float) and not isinstance(answer, bool)
    return numeric and abs(answer - right) <= TOLERANCE * max(1.0, abs(right))


def short(value: Any) -> str:
    """As it fits into a sentence."""
    text = json.dumps(value) if not isinstance(value, float) else f"{value:.5g}"
    return text if len(text) <= 60 else f"{text[:57]}..."
