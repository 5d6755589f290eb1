"""What a benchmark says at its end: a table for a person, or with `--json` its ratios for a program.

    {"ratios": [{"name": "...", "ratio": 1.7, "goal": 1.5, "met": true, "ours": 120.0, "peer": 70.6}]}

A ratio is always written so that more is better: ours / peer for a rate, allowed / measured for a cost with a limit
(`ours` is then what was measured, `peer` what is allowed, and the goal is 1). Not here: the clocks; each benchmark says
itself what it counts.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One measured figure beside the one it is held to.

    name: what was measured, with its unit.
    ours, peer: the two figures.
    ratio: how much better ours is than the peer's.
    goal: least ratio wanted.
    """

    name: str
    ours: float
    peer: float
    ratio: float
    goal: float

    @classmethod
    def rate(cls, name: str, ours: float, peer: float, goal: float = 1.0) -> "Ratio":
        """More is better: ours / peer."""
        return cls(name=name, ours=ours, peer=peer, ratio=ours / peer, goal=goal)

    @classmethod
    def limit(cls, name: str, measured: float, allowed: float) -> "Ratio":
        """Less is better: allowed / measured."""
        return cls(name=name, ours=measured, peer=allowed, ratio=allowed / measured, goal=1.0)

    @property
    def met(self) -> bool:
        return self.ratio >= self.goal

    def to_json(self) -> dict[str, Any]:
        names = ("name", "ratio", "goal", "met", "ours", "peer")
        return {name: getattr(self, name) for name in names}


def make_parser(module_docstring: str | None) -> argparse.ArgumentParser:
    """The options every benchmark has; its help is the docstring of its file."""
    parser = argparse.ArgumentParser(
        description=module_docstring, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="print the ratios as one line of JSON and nothing else")
    return parser


def report(
    title: str,
    ratios: Sequence[Ratio],
    *,
    as_json: bool,
    columns: tuple[str, str] = ("ours", "peer"),
    beside: Sequence[tuple[str, float, float | None]] = (),
    notes: Sequence[str] = (),
) -> None:
    """Print the result of a benchmark.

    Args:
        columns: headings of the two figures in the table.
        beside: rows (name, ours, peer) that help to read the ratios and have no goal; the table only.
        notes: sentences under the table.
    """
    if as_json:
        sys.stdout.write(json.dumps({"ratios": [ratio.to_json() for ratio in ratios]}, allow_nan=False) + "\n")
        return
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for heading in (*columns, "ratio", "goal"):
        table.add_column(heading, justify="right")
    for ratio in ratios:
        color = "green" if ratio.met else "red"
        table.add_row(
            ratio.name, number(ratio.ours), number(ratio.peer), f"[{color}]{ratio.ratio:.2f}", f"{ratio.goal:.2f}"
        )
    for name, ours, peer in beside:
        table.add_row(name, number(ours), "" if peer is None else number(peer), "", "", style="dim")
    console = Console(highlight=False)
    console.print(table)
    for note in notes:
        console.print(note, style="dim")


def number(value: float) -> str:
    """Three figures or all before the point: 0.213, 21.3, 2,130."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
