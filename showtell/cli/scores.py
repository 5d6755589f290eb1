"""Scores of a model as a matrix: skills down, splits across, each in percent with half of its 95 % interval.

            val        composition   instance
color     96 ±2          91 ±3         97 ±2
count     88 ±3          85 ±4         80 ±4
"""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text


def matrix(splits: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """`{split: {skill: {"value", "low", "high", "n"}}}` as one table."""
    table = Table(box=None, pad_edge=False, title="scores in %, ± half of the 95 % interval", title_justify="left")
    table.add_column("skill")
    for split in splits:
        table.add_column(split, justify="right")
    skills = dict.fromkeys(skill for got in splits.values() for skill in got)
    for skill in skills:
        table.add_row(skill, *(_cell(got.get(skill)) for got in splits.values()))
    return table


def _cell(score: Mapping[str, Any] | None) -> Text:
    if score is None:
        return Text("-", style="dim")
    half = 50 * (score["high"] - score["low"])
    return Text.assemble((f"{100 * score['value']:.0f}", "bold"), (f" ±{half:.0f}".ljust(4), "dim"))
