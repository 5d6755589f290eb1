"""What packing alone is worth: our model on our batches, once packed and once padded, on the instruction mixture.

    python bench/packing.py [--json] [--threads 1] [--pictures 24] [--blocks 3]

    packed     [ picture | question 1 ... question 7 | picture | question 1 ... | padding ]    rows of 512 tokens
    padded     [ picture | question 1 | padding ]                    a question a row, padded to the longest of 16 rows
    by picture [ picture | question 1 ... question 7 | padding ]     a picture a row, padded to the longest of 16 rows

All three learn the same questions about the same pictures (the number of trained tokens is checked), forward and
backward in bfloat16, with the pocket's model drawn at random. Useful tokens are those that are trained on. The mixture
is the pocket's last stage: captions, lists, counts, places, words, up to nine questions a picture. Blocks of the three
alternate; processor time is compared. Making batches is not timed. Against `transformers`: `bench/train_step.py`.
"""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from _report import Ratio, make_parser, report
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))  # recipes/ is beside bench/ and not installed

from recipes.pocket import PACKAGE, PocketRun, questions, supervised
from showtell.data.sample import sample_rng
from showtell.fusion.prefix_vlm import PrefixVLM
from showtell.instruct.dataset import QuestionScenes
from showtell.instruct.packing import IGNORE, Document, PackedBatch, pack_row, stack_rows
from showtell.text.tokenizer import Tokenizer
from showtell.vision.dense_targets import stack_squares

GOAL = 1.8
LENGTH, ROWS = 512, 16
Asked = tuple[np.ndarray, Document]


def asked(data: QuestionScenes, pictures: int) -> list[Asked]:
    """Pictures with all their questions."""
    found = []
    for position in range(pictures):
        rng = sample_rng(data.seed, position)
        pixels, facts = data.draw(position, rng)
        view = data.processor.view(facts.frame)
        found.append((data.processor.square(pixels, view), data.document(facts, view, rng)))
    return found


def tokens_of(document: Document) -> int:
    return len(document.trunk) + sum(len(branch) for branch in document.branches)


def batch_of(rows: Sequence[Sequence[Asked]], length: int, data: QuestionScenes) -> PackedBatch:
    """Rows of documents, each with its picture."""
    packed = [pack_row([document for _, document in row], length, data.template.padding_id) for row in rows]
    return stack_rows(packed, stack_squares([square for row in rows for square, _ in row], data.processor))


def packed(pictures: Sequence[Asked], data: QuestionScenes) -> list[PackedBatch]:
    """First fit, longest first, so that every question finds its place."""
    rows: list[list[Asked]] = []
    for one in sorted(pictures, key=lambda one: -tokens_of(one[1])):
        fits = (row for row in rows if sum(tokens_of(d) for _, d in row) + tokens_of(one[1]) <= LENGTH)
        row = next(fits, None)
        if row is None:
            rows.append([one])
        else:
            row.append(one)
    return [batch_of(rows[start : start + 4], LENGTH, data) for start in range(0, len(rows), 4)]


def padded(rows: Sequence[Asked], data: QuestionScenes) -> list[PackedBatch]:
    """A document a row, in batches as long as their longest."""
    pieces = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
    return [batch_of([[row] for row in piece], max(tokens_of(d) for _, d in piece), data) for piece in pieces]


def one_question(pictures: Sequence[Asked]) -> list[Asked]:
    return [(square, Document(d.trunk, [branch])) for square, d in pictures for branch in d.branches]


def seconds_of(model: PrefixVLM, step, batches: Sequence[PackedBatch]) -> float:  # type: ignore[no-untyped-def]
    began = time.process_time()
    for batch in batches:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = step(model, batch)
        (loss.value / loss.weight).backward()
        model.zero_grad(set_to_none=True)
    return time.process_time() - began


def trained(batches: Sequence[PackedBatch]) -> int:
    return sum(int((batch.targets != IGNORE).sum()) for batch in batches)


def filled(batches: Sequence[PackedBatch]) -> float:
    """Share of the tokens that are not padding."""
    held: list[Tensor] = [batch.documents >= 0 for batch in batches]
    return float(sum(h.sum() for h in held)) / sum(h.numel() for h in held)


def options() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--blocks", type=int, default=3)
    return parser


def main() -> None:
    given = options().parse_args()
    torch.set_num_threads(given.threads)
    run, tokenizer = PocketRun(), Tokenizer.load(PACKAGE / "tokenizer.json")
    data = questions(run, tokenizer, None, run.seed + 2)
    torch.manual_seed(0)
    model, step = PrefixVLM(run.bundle(tokenizer).model), supervised(run, data.template)
    pictures = asked(data, given.pictures)
    sides = {
        "packed": packed(pictures, data),
        "padded": padded(one_question(pictures), data),
        "by picture": padded(pictures, data),
    }
    counts = {trained(batches) for batches in sides.values()}
    assert len(counts) == 1, f"the sides train on different numbers of tokens: {counts}"
    (count,) = counts
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for block in range(given.blocks + 1):
        for name in list(sides) if block % 2 else reversed(sides):
            seconds = seconds_of(model, step, sides[name])
            if block:  # the first one warms up
                spent[name].append(seconds)
    rates = {name: count / float(np.median(seconds)) for name, seconds in spent.items()}
    asked_of = sum(len(document.branches) for _, document in pictures)
    report(
        f"{given.pictures} pictures, {asked_of} questions, {count} trained tokens, {given.threads} thread",
        [Ratio.rate("trained tokens a second", rates["packed"], rates["padded"], GOAL)],
        as_json=given.json,
        columns=("packed", "padded"),
        beside=[
            ("share of tokens that are not padding", filled(sides["packed"]), filled(sides["padded"])),
            ("trained tokens a second, a picture a row", rates["packed"], rates["by picture"]),
            ("share not padding, a picture a row", filled(sides["packed"]), filled(sides["by picture"])),
        ],
    )


if __name__ == "__main__":
    main()
