"""What the records say: every definition with its interval, skill by skill; calibration; abstention; two runs compared.

Intervals draw whole pictures, because questions about one picture are right or wrong together. Two runs are compared
item by item on the same questions, which finds differences that two intervals side by side would hide. Not here: the
statistics themselves (`metrics/intervals.py`, `metrics/calibration.py`, `metrics/abstention.py`).
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from showtell.core.errors import DataError
from showtell.evaluation.running import Record, Run
from showtell.metrics.abstention import risk_coverage
from showtell.metrics.calibration import adaptive_ece, brier, ece
from showtell.metrics.intervals import cluster_bootstrap, paired_difference

FEW = 20  # pictures: below that no interval is to be trusted
POINTS = 20  # of the abstention curve that are kept


def summarise(run: Run) -> dict[str, Any]:
    """One JSON object a task."""
    by_skill: dict[str, list[Record]] = defaultdict(list)
    for record in run.records:
        by_skill[record.item.skill].append(record)
    refused = sum(record.reply.refused is not None for record in run.records)
    summary: dict[str, Any] = {
        "task": run.task.card.name,
        "version": run.task.card.version,
        "metric": run.task.card.metric,
        "model": run.identity["model"],
        "items": len(run.records),
        "pictures": len({cluster(record) for record in run.records}),
        "scores": scores(run.records),
        "skills": {skill: scores(some) | {"n": len(some)} for skill, some in sorted(by_skill.items())},
        "hash": run.hash,
    }
    summary |= {"edition": run.identity["edition"]} if "edition" in run.identity else {}
    summary |= {"refused": refused} if refused else {}
    summary |= {"calibration": found} if (found := calibration(run.records)) else {}
    return summary


def cluster(record: Record) -> str:
    """What an item shares with others: its minimal pairs, its picture, or nothing."""
    return record.item.reference.get("group") or record.item.picture or f"item {record.item.id}"


def scores(records: Sequence[Record]) -> dict[str, Any]:
    """Each definition's mean with its 95 % interval; those that agree with the official one on all items are named."""
    clusters = [cluster(record) for record in records]
    found: dict[str, Any] = {}
    for name in records[0].scores:
        found[name] = asdict(cluster_bootstrap([record.scores[name] for record in records], clusters, seed=0))
    return found


def calibration(records: Sequence[Record]) -> dict[str, Any] | None:
    """Of answers with a confidence; the clean score says which are right."""
    some = [record for record in records if record.reply.said.confidence is not None]
    if not some:
        return None
    sure = torch.tensor([float(record.reply.said.confidence or 0) for record in some], dtype=torch.float64).clamp(0, 1)
    value = torch.tensor([record.scores["clean"] for record in some], dtype=torch.float64)
    curve = risk_coverage(sure, value.clamp(0, 1))
    step = max(1, len(some) // POINTS)
    kept = [*range(step - 1, len(some), step)]
    return {
        "n": len(some),
        "ece": ece(sure, value > 0.5),
        "adaptive_ece": adaptive_ece(sure, value > 0.5),
        "brier": brier(sure, value > 0.5),
        "aurc": curve.area,
        "excess_aurc": curve.excess,
        "coverage_at_5_percent_risk": curve.coverage_at(0.05),
        "abstention": [[round(curve.coverage[i], 4), round(curve.risk[i], 4)] for i in kept],
    }


def compare(run: Run, other: Path) -> dict[str, Any]:
    """This run against the one in another folder, item by item, by the clean score; a first, b the other.

    Raises DataError when that folder holds no finished run, or one of other items.
    """
    theirs = read_records(other)
    ours = {record.item.id: record for record in run.records}
    if set(ours) != set(theirs):
        only = sorted(set(ours) ^ set(theirs))
        raise DataError(
            f"{other} answers other items than this run ({len(only)} differ, first {only[0]}); run the same task"
        )
    names = list(ours)
    a = [ours[name].scores["clean"] for name in names]
    b = [float(theirs[name]["scores"]["clean"]) for name in names]
    found = paired_difference(a, b, [cluster(ours[name]) for name in names], seed=0)
    return {"with": str(other), **asdict(found), "equal": len(names) - found.better - found.worse}


def read_records(folder: Path) -> dict[str, Mapping[str, Any]]:
    """The records of a finished run, by id."""
    path = folder / "records.jsonl"
    if not path.is_file():
        raise DataError(f"{folder} holds no finished run; give the folder that --out named")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["id"]: row for row in rows}
