"""The log of a run: JSON lines always, TensorBoard when installed, one live line on a terminal.

    log.jsonl      {"event": "step", "step": 40, "loss": 1.93, "lr": 0.001, "samples_per_second": 410.2, ...}
                   {"event": "gate", "step": 40, "swap": 0.31}
                   {"event": "resume", "step": 40}

A resumed run first drops the lines after the step it resumes from, so the file reads as one run however often it was
stopped. On something that is not a terminal the console prints one plain line per event instead of a bar.
"""

import contextlib
import importlib.util
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from showtell.core.checkpoint import write_atomically
from showtell.engine.step import TrainingError


class RunLog:
    """Writes the events of one run below `folder`; `active=False` (ranks other than 0) writes nothing."""

    def __init__(self, folder: Path, total: int, *, step: int = 0, active: bool = True, name: str = "train"):
        self.active = active
        self.console = Console(quiet=not active)
        self.total = total
        self._progress: Progress | None = None
        if not active:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.jsonl"
        with self._disk():
            truncate_log(self.path, step)
        self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 - lives as long as the run
        self._board = _tensorboard(folder / "tensorboard", step)
        if self.console.is_terminal:
            self._progress = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed}/{task.total}"),
                TextColumn("{task.fields[detail]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=True),
                console=self.console,
            )
            self._task = self._progress.add_task(name, total=total, completed=step, detail="")
            self._progress.start()
        if step:
            self.event("resume", step, {})

    def event(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """One line of the file, one point of each curve, one line on the console (or the bar's text)."""
        if not self.active:
            return
        record = {"event": kind, "step": step, "time": round(time.time(), 3), **values}
        numbers = {k: v for k, v in values.items() if isinstance(v, int | float)}
        with self._disk():
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
            if self._board is not None:
                for key, value in numbers.items():
                    self._board.add_scalar(f"{kind}/{key}", value, step)
        if kind == "step" and self._progress is not None:
            self._progress.update(self._task, completed=step, detail=describe(numbers))
        else:
            head = f"step {step}/{self.total}" if kind == "step" else f"{kind} at step {step}"
            self.say(f"{head}  {describe(numbers)}".rstrip())

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        """A disk that refuses the log becomes one sentence."""
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"{self.path} cannot be written ({error.strerror or error}); "
                "make room and run the same command to resume"
            ) from error

    def sync(self) -> None:
        """Flush the file to the disk, so that a checkpoint never outlives the lines before it."""
        if self.active:
            os.fsync(self._file.fileno())

    def say(self, text: str) -> None:
        """A sentence for the person at the terminal; not part of the file."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        if not self.active:
            return
        if self._progress is not None:
            self._progress.stop()
        with contextlib.suppress(OSError):  # a full disk was already said by `event`
            if self._board is not None:
                self._board.close()
            self._file.close()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


SHOWN = ("loss", "lr", "grad_norm", "samples_per_second", "tokens_per_second", "wait_percent")
UNITS = {"samples_per_second": "{:.0f} samples/s", "tokens_per_second": "{:.0f} tok/s", "wait_percent": "wait {:.1f}%"}


def describe(numbers: Mapping[str, float]) -> str:
    """The numbers as a short line; everything that is not a timing is shown with its name."""
    hidden = {"weight", "seconds_per_step", "loss_mean", "eta_seconds", "peak_memory_mb"}
    order = [key for key in SHOWN if key in numbers] + [k for k in numbers if k not in SHOWN and k not in hidden]
    return "  ".join(UNITS[k].format(numbers[k]) if k in UNITS else f"{k} {numbers[k]:.4g}" for k in order)


def truncate_log(path: Path, step: int) -> None:
    """Drop the lines of events after `step`, and a last line that was cut by a crash."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError):
            continue
    write_atomically(path, "".join(kept).encode())


def _tensorboard(folder: Path, step: int) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter  # a second to import, so only when a run starts

    return SummaryWriter(str(folder), purge_step=step + 1)
