"""`metrics diff`: the same answers under the official score, the clean one, and those of the harnesses, side by side.

    showtell metrics diff vqa                    a few answers on which the definitions part ways
    showtell metrics diff vqa answers.jsonl      one answer a line: {"prediction": "Yes", "answers": ["yes", ...]}

Fields beside "prediction": `answers` (vqa, textvqa, anls), `answer` (chartqa, pope, gqa), `answer` and `options`
(scienceqa, mmmu), `box`, `size` and `convention` (refcoco, screenspot: the name under which `text/dialects.py` knows
how the model writes boxes). With "image" in the rows, the difference of each definition from the official one comes
with an interval clustered by picture. Not here: the scores (`metrics/`).
"""

import json as json_format
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.table import Table
from rich.text import Text

from showtell.cli import console
from showtell.cli.options import Json
from showtell.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from showtell.core.geometry import Box, Point
    from showtell.metrics.departures import Definition, Metric

SHOWN = 12
BOX_FIELDS: dict[str, type | tuple[type, ...]] = {"prediction": str, "box": list, "size": list, "convention": str}


def metrics(
    action: Annotated[tyro.conf.Positional[Literal["diff"]], tyro.conf.arg(help="What to do.")],
    metric: Annotated[
        tyro.conf.Positional[str], tyro.conf.arg(help="vqa, pope, mmmu, refcoco, … (any other: the list)")
    ],
    file: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(help="Answers, one JSON object a line.")] = None,
    json: Json = False,
) -> int:
    """Show where harnesses depart from an official score, on your answers or on telling ones."""
    known = _known()
    if metric not in known:
        raise ConfigError(f"{metric} is no metric with several definitions; choose one of {', '.join(known)}")
    from showtell.metrics.departures import scores

    rows = known[metric].probes if file is None else _rows(file)
    found = scores(known[metric], rows)
    report = _report(rows, found)
    if json:
        console.emit(report | {"metric": metric})
        return 0
    _show(metric, rows, found, report)
    return 0


def _report(rows: Sequence[Mapping[str, Any]], found: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Mean of each definition, how often it departs from the official score, and by how much, with an interval."""
    from showtell.metrics.intervals import paired_difference

    pictures = [row.get("image", index) for index, row in enumerate(rows)]
    official = found["official"]
    definitions = {}
    for name, values in found.items():
        compared = paired_difference(values, official, pictures, seed=0)
        definitions[name] = {
            "score": sum(values) / len(values),
            "departs": compared.better + compared.worse,
            "difference": compared.difference.value,
            "low": compared.difference.low,
            "high": compared.difference.high,
        }
    departing = [index for index in range(len(rows)) if len({values[index] for values in found.values()}) > 1]
    examples = [
        {"row": index, "prediction": rows[index]["prediction"], "scores": {n: v[index] for n, v in found.items()}}
        for index in departing[:SHOWN]
    ]
    return {"rows": len(rows), "definitions": definitions, "departing_rows": len(departing), "examples": examples}


def _show(
    metric: str, rows: Sequence[Mapping[str, Any]], found: Mapping[str, Sequence[float]], report: Mapping[str, Any]
) -> None:
    table = Table(
        title=Text(f"{metric}, {len(rows)} answers", style="bold"), title_justify="left", box=None, pad_edge=False
    )
    for column in ("definition", "score", "departs on", "difference", "95 % interval"):
        table.add_column(column, justify="left" if column == "definition" else "right")
    for name, got in report["definitions"].items():
        same = name == "official"
        interval = "" if same else f"{got['low']:+.1%} to {got['high']:+.1%}"
        table.add_row(
            name, f"{got['score']:.1%}", str(got["departs"]), "" if same else f"{got['difference']:+.1%}", interval
        )
    console.out.print(table)
    if not report["examples"]:
        console.note("all definitions agree on every answer")
        return
    examples = Table(box=None, pad_edge=False)
    examples.add_column("row", justify="right")
    examples.add_column("prediction")
    for name in found:
        examples.add_column(name, justify="right")
    for example in report["examples"]:
        values = (f"{value:.2f}" for value in example["scores"].values())
        examples.add_row(str(example["row"]), Text(repr(example["prediction"])[:48]), *values)
    console.out.print()
    console.out.print(examples)
    if report["departing_rows"] > len(report["examples"]):
        console.note(f"{report['departing_rows'] - len(report['examples'])} more rows on which definitions depart")


def _known() -> dict[str, "Metric"]:
    from showtell.metrics.departures import METRICS

    return METRICS | {"refcoco": _refcoco(), "screenspot": _screenspot()}


def _rows(path: Path) -> list[dict[str, Any]]:
    if path.is_dir() or not path.exists():
        raise DataError(f"{path} is not a .jsonl file; give a file with one answer a line")
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8; give a .jsonl file, one answer a line") from error
    for number, line in enumerate(lines):
        if line.strip():
            try:
                row = json_format.loads(line)
            except ValueError as error:
                raise DataError(f"row {number} of {path.name} is not JSON; give one object a line") from error
            if not isinstance(row, dict):
                raise DataError(f'row {number} of {path.name} is no object; give {{"prediction": …}}')
            rows.append(row)
    return rows


def _shapes(row: Mapping[str, Any]) -> "tuple[Box | Point | None, Box]":
    """What the answer of a row says, read by the convention the row names, and the true box."""
    from showtell.core.geometry import Box, Frame
    from showtell.text.dialects import DIALECTS

    if row["convention"] not in DIALECTS:
        raise ValueError(f"{row['convention']} is no known convention; known are {', '.join(DIALECTS)}")
    (x1, y1, x2, y2), frame = row["box"], Frame(*row["size"])
    read = DIALECTS[row["convention"]].read(row["prediction"], frame).found
    return next((one.shape for one in read), None), Box(x1, y1, x2, y2, frame)


def _refcoco() -> "Metric":
    """Acc@0.5 of answers that are text: read by the convention that the row names, or as the harnesses read them."""
    from showtell.core.geometry import Box
    from showtell.metrics.boxes import box_hit, mdetr_hit, shikra_hit
    from showtell.metrics.departures import Metric, each
    from showtell.metrics.harnesses import kit_refcoco_iou, lmms_refcoco_iou

    def hit(rule: Callable[[Box | None, Box], bool]) -> "Definition":
        def score(row: Mapping[str, Any]) -> float:
            said, truth = _shapes(row)
            return rule(said if isinstance(said, Box) else None, truth)

        return each(score)

    size = [640, 480]
    box = [300, 200, 420, 360]
    return Metric(
        BOX_FIELDS,
        {
            "official": hit(box_hit),
            "shikra (> 0.5)": hit(shikra_hit),
            "mdetr (giou)": hit(mdetr_hit),
            "lmms-eval": each(lambda row: lmms_refcoco_iou(row["prediction"], _shapes(row)[1].unit) >= 0.5),
            "vlmevalkit": each(lambda row: kit_refcoco_iou(row["prediction"], tuple(row["box"]), *row["size"]) >= 0.5),
        },
        [
            {"prediction": '[{"bbox_2d": [300, 200, 420, 360]}]', "box": box, "size": size, "convention": "qwen2.5-vl"},
            {"prediction": "[0.51, 0.47, 0.69, 0.80]", "box": box, "size": size, "convention": "showui"},
            {"prediction": "[0.00, 0.00, 0.10, 0.05]", "box": [0, 0, 64, 48], "size": size, "convention": "showui"},
            {"prediction": "[[469,417,656,750]]", "box": box, "size": size, "convention": "cogagent"},
        ],
    )


def _screenspot() -> "Metric":
    """Clicks: SeeClick's reading of any text, a reading by the named convention, and lmms-eval's boxes."""
    from showtell.core.geometry import Box
    from showtell.metrics.boxes import pointing_hit
    from showtell.metrics.departures import Metric, each
    from showtell.metrics.harnesses import lmms_screenspot_hit
    from showtell.metrics.screens import official_click

    def clean(row: Mapping[str, Any]) -> float:
        said, truth = _shapes(row)
        return pointing_hit(said.center if isinstance(said, Box) else said, truth)

    size = [1000, 500]
    box = [100, 100, 200, 150]
    return Metric(
        BOX_FIELDS,
        {
            "official": each(lambda row: official_click(row["prediction"], _shapes(row)[1])),
            "clean": each(clean),
            "lmms-eval": each(lambda row: lmms_screenspot_hit(row["prediction"], _shapes(row)[1].unit)),
        },
        [
            {"prediction": "(0.15,0.25)", "box": box, "size": size, "convention": "seeclick"},
            {"prediction": "step 1: [0.15, 0.25]", "box": box, "size": size, "convention": "showui"},
            {"prediction": '[{"point_2d": [150, 250]}]', "box": box, "size": size, "convention": "qwen3-vl"},
            {"prediction": '[{"bbox_2d": [100, 100, 200, 150]}]', "box": box, "size": size, "convention": "qwen2.5-vl"},
        ],
    )
