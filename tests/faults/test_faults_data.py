"""Six kinds of corrupt data in one data set: each is named, each is replaced, and a killed run resumes to the bit."""

import io
import json
import signal
import tarfile
from functools import partial
from pathlib import Path

import engine_task
import numpy as np
import pytest
import torch
from engine_task import DIM, make_model
from fault_run import die, in_child, outcome
from PIL import Image

from showtell.core.errors import DataError
from showtell.data.loader import Batches
from showtell.data.mixture import Joined, Mixture
from showtell.data.quarantine import QuarantineConfig, Quarantined, note, quarantined
from showtell.data.shards import TarShards
from showtell.data.sources import JsonLines
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.schedule import Constant
from showtell.images.decode import decode

ROWS, SHARD = 60, 30
STEPS = 8


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    levels = np.random.default_rng(number).integers(0, 255, (9, 11, 3))
    Image.fromarray(levels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty rows and a shard of thirty; six kinds of damage in them."""
    folder = tmp_path_factory.mktemp("data")
    lines = []
    for number in range(ROWS):
        (folder / f"{number}.png").write_bytes(picture(number))
        turns = [{"role": "user", "content": "<image> what?"}, {"role": "assistant", "content": f"it is {number}"}]
        lines.append(json.dumps({"images": [f"{number}.png"], "messages": turns}))
    (folder / "1.png").write_bytes(picture(1)[:120])  # a picture that is cut
    (folder / "2.png").unlink()  # one that is gone
    (folder / "3.png").write_bytes(b"<html>404 not found</html>")  # one that is none
    lines[4] = lines[4][:31]  # a row that is cut
    lines[5] = lines[5].replace("<image> ", "")  # a row that contradicts itself
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n")
    with tarfile.open(folder / "s.tar", "w") as tar:
        for number in range(SHARD):
            for name, content in ((f"{number:03d}.png", picture(100 + number)), (f"{number:03d}.txt", b"a caption")):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    whole = (folder / "s.tar").read_bytes()
    (folder / "s.tar").write_bytes(whole[: whole.index(b"022.txt") + 100])  # a shard that is cut
    return folder


def data(folder: Path, run: Path, workers: int, share: float = 0.2) -> Batches:
    shards = TarShards([folder / "s.tar"])
    for path, why in shards.damaged:
        note(run / "quarantine.jsonl", {"index": -1, "where": path, "why": why})
    source = Joined([JsonLines(folder / "train.jsonl"), shards])

    def make_item(index: int, position: int) -> torch.Tensor:
        record = source[index]
        pixels = torch.from_numpy(decode(record.images[0]).pixels).float().flatten() / 255
        return torch.cat([pixels[:DIM], pixels.mean()[None]])[None]

    order = Mixture(3, (ROWS, len(shards)), (2.0, 1.0), block=30)
    config = QuarantineConfig(share=share, least=6 if share else 1)
    make = Quarantined(order, make_item, run / "quarantine.jsonl", config)
    return Batches(make, torch.cat, batch_size=12, workers=workers)


def go(folder: Path, run: Path, workers: int = 0, dies_after: int | None = None) -> None:
    model = make_model()
    train(
        LoopConfig(max_steps=STEPS, log_every=1, save_every_steps=2),
        model=model,
        step=engine_task.step,
        batches=data(folder, run, workers),
        optimizer=make_optimizer(model, OptimizerConfig(lr=0.02)),
        schedule=Constant(),
        folder=run,
        on_step=lambda step, metrics: die() if step == dies_after else None,
    )


@pytest.fixture(scope="module")
def uninterrupted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], bytes]:
    run = tmp_path_factory.mktemp("whole")
    go(folder, run)
    return outcome(run)


def test_each_kind_is_named(folder, tmp_path, uninterrupted):
    go(folder, tmp_path, workers=2)
    assert outcome(tmp_path) == uninterrupted
    why = {entry["index"]: entry["why"] for entry in quarantined(tmp_path / "quarantine.jsonl")}
    assert set(why) == {-1, 1, 2, 3, 4, 5}, "96 positions of a mixture that walks 60 rows in order see all of them"
    for index, says in ((-1, "it ends"), (2, "2.png cannot be read"), (4, "row 4 of train.jsonl: not JSON")):
        assert says in why[index]
    assert "0 <image> marks but 1 pictures" in why[5]


@pytest.mark.parametrize(("dies_after", "workers", "later"), [(1, 2, 0), (3, 0, 3), (6, 1, 2)])
def test_a_killed_run_on_damaged_data_resumes_to_the_bit(folder, tmp_path, uninterrupted, dies_after, workers, later):
    assert in_child(partial(go, folder, tmp_path, workers, dies_after)) == -signal.SIGKILL
    go(folder, tmp_path, workers=later)
    assert outcome(tmp_path) == uninterrupted


def test_past_the_share_the_run_stops(folder, tmp_path):
    with data(folder, tmp_path, 0, share=0.0).start() as stream, pytest.raises(DataError, match="2 of .* items cannot"):
        for _ in range(STEPS):
            next(stream)
