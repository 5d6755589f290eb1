"""Runs read back from their logs: how far, how well, how fast.

    runs/pocket/answer/log.jsonl  ->  Run(name "pocket/answer", step 3400 of 3400, curve [(100, 2.1), (200, 1.7), ...])

Only files are read, so a run may be going on meanwhile, on this machine or another; a last line that is half written is
left out. Writing the log is `engine/log.py`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Run:
    """One folder with a log.

    steps: those of the log's last line, and those of the whole stage when its speed is logged (else None).
    curve: (step, mean loss since the point before).
    checks: the last figures of each gate.
    seconds: spent in steps; time between a stop and its resume does not count.
    resumes: how often it was taken up again.
    finished: whether its result is there.
    """

    name: str
    step: int
    of: int | None
    curve: list[tuple[int, float]]
    last: dict[str, float]
    checks: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0
    resumes: int = 0
    finished: bool = False

    @property
    def loss(self) -> float | None:
        return self.curve[-1][1] if self.curve else None

    @property
    def least(self) -> tuple[int, float] | None:
        """Where the curve is lowest."""
        return min(self.curve, key=lambda point: point[1]) if self.curve else None


def find_runs(folder: Path) -> list[Run]:
    """Every run at or below a folder, by name."""
    return [read_run(log.parent, folder) for log in sorted(folder.rglob("log.jsonl"))]


def read_run(folder: Path, root: Path | None = None) -> Run:
    """One run; `root` is what its name is relative to."""
    curve, checks, last, seconds, resumes = [], {}, {}, 0.0, 0
    step, of, before = 0, None, 0
    for line in _lines(folder / "log.jsonl"):
        numbers = {k: v for k, v in line.items() if isinstance(v, int | float) and k not in ("step", "time")}
        step = max(step, line["step"])
        if line["event"] == "step":
            curve.append((line["step"], float(numbers.get("loss_mean", numbers.get("loss", 0.0)))))
            pace = float(numbers.get("seconds_per_step", 0.0))
            seconds += pace * (line["step"] - before)
            of = line["step"] + round(numbers["eta_seconds"] / pace) if pace and "eta_seconds" in numbers else of
            before, last = line["step"], numbers
        elif line["event"] == "resume":
            resumes += 1
        else:
            checks[line["event"]] = numbers
    name = folder.name if root is None or folder == root else folder.relative_to(root).as_posix()
    return Run(name, step, of, curve, last, checks, seconds, resumes, (folder / "model.safetensors").exists())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int) and isinstance(record.get("event"), str):
            yield record
