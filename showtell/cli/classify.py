"""`classify`: pictures sorted by class names that nobody trained on: probabilities, a table, a sheet of mistakes.

    showtell classify photos --labels "dog, cat, bird"
    showtell classify photos --labels-file names.txt --out photos.csv --mistakes wrong.png

Where a picture lies in a folder that bears the name of a label, that label is taken for the truth; then accuracy with
its interval, the calibration error and the mistakes are reported. Not here: the classifier made of words
(`contrastive/zero_shot.py`).
"""

import csv
import json as json_format
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.text import Text

from showtell.cli import console
from showtell.cli.options import Json
from showtell.cli.pairs import (
    PairModel,
    check_sheet,
    decoded,
    embedder_of,
    pictures_below,
    pixels_of,
    progress,
    save_sheet,
)
from showtell.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import Tensor

    from showtell.contrastive.embedder import PairEmbedder
    from showtell.contrastive.zero_shot import ZeroShot

TABLES = (".csv", ".json", ".jsonl")
LEAST_TO_CALIBRATE = 20
MOST_LABELS = 20_000

Places = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="DIR|PICTURE…", help="Folders and picture files.", help_behavior_hint=""),
]
Labels = Annotated[
    tuple[str, ...],
    tyro.conf.UseAppendAction,
    tyro.conf.arg(metavar="NAMES", help='Class names, "dog, cat, bird"; may be given several times.'),
]
Templates = Annotated[
    tuple[str, ...],
    tyro.conf.UseAppendAction,
    tyro.conf.arg(
        name="template",
        metavar="SENTENCE",
        help='A caption with {} for the name, "a photo of a {}."; several are averaged. Four, if none is given.',
    ),
]


@dataclass(frozen=True)
class Verdict:
    """What was said of one picture.

    top: (label, probability), best first.
    truth: the label its folder bears, if any.
    """

    path: Path
    top: tuple[tuple[str, float], ...]
    truth: str | None

    def to_json(self) -> dict[str, Any]:
        label, probability = self.top[0]
        told = {"picture": str(self.path), "label": label, "probability": round(probability, 4)}
        told |= {"top": [{"label": name, "probability": round(p, 4)} for name, p in self.top]}
        return told if self.truth is None else told | {"truth": self.truth, "right": label == self.truth}


def classify(
    places: Places,
    /,
    labels: Labels = (),
    labels_file: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help="Class names, one a line.")] = None,
    template: Templates = (),
    model: PairModel = "pocket-clip",
    out: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE.csv", help="Write a row a picture: .csv, .json or .jsonl.")
    ] = None,
    mistakes: Annotated[
        Path | None, tyro.conf.arg(metavar="SHEET.png", help="Draw what was taken for something else.")
    ] = None,
    calibrate: Annotated[
        bool,
        tyro.conf.FlagCreatePairsOff,
        tyro.conf.arg(help="Fit the temperature on the true labels, each half of the pictures on the other half."),
    ] = False,
    json: Json = False,
) -> int:
    """Classify pictures by names alone, without training."""
    names = read_labels(labels, labels_file)
    paths = pictures_below(places)
    if out is not None and out.suffix not in TABLES:
        raise ConfigError(f"--out {out}: unknown table format; use one of {', '.join(TABLES)}")
    check_sheet(mistakes)
    from showtell.contrastive.zero_shot import TEMPLATES, classifier

    embedder = embedder_of(model)
    zero_shot = classifier(lambda texts: embedder.texts(texts), names, template or TEMPLATES, embedder.scale)
    bad: list[dict[str, str]] = []
    kept, scores = score(embedder, zero_shot, paths, bad)
    truths = [truth_of(path, zero_shot.labels) for path in kept]
    if mistakes is not None and not any(truths):
        raise ConfigError("--mistakes needs folders named like labels; no picture lies in one, so none is known wrong")
    if calibrate:
        scores = calibrated(scores, truths, zero_shot.labels)
    verdicts = [verdict(*row, zero_shot.labels) for row in zip(kept, scores.softmax(dim=1), truths, strict=True)]
    found = summary(verdicts, bad, embedder.name)
    if out is not None:
        write_table(out, verdicts)
    if mistakes is not None:
        draw_mistakes(mistakes, verdicts, embedder.name)
    if json:
        for one in verdicts:
            console.emit(one.to_json())
        console.emit({"summary": found})
    else:
        show(verdicts, found, bad)
    return 0


def read_labels(given: Sequence[str], file: Path | None) -> list[str]:
    """Class names of the command line and of a file; raises DataError when there are none."""
    names = [name.strip() for words in given for name in words.split(",") if name.strip()]
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"--labels-file {file}: not a readable text file in UTF-8 ({error})") from error
        names += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    names = list(dict.fromkeys(names))
    if not names:
        where = f"{file} holds none" if file is not None else "none was given"
        raise DataError(f'labels are needed and {where}; name the classes: --labels "dog, cat" or --labels-file FILE')
    if len(names) > MOST_LABELS:
        raise DataError(f"{len(names):,} labels are too many; at most {MOST_LABELS:,} are read")
    return names


def score(
    embedder: "PairEmbedder", zero_shot: "ZeroShot", paths: Sequence[Path], bad: list[dict[str, str]]
) -> tuple[list[Path], "Tensor"]:
    """The pictures that could be read, and their scaled scores (pictures, classes)."""
    import torch

    kept, rows, done = [], [], 0
    with progress("looking at pictures") as tell:
        tell(0, len(paths))
        for ready in decoded(paths, bad):
            if ready:
                kept += [path for path, _ in ready]
                rows.append(embedder.pictures([picture for _, picture in ready]))
            done += 32
            tell(min(done, len(paths)), len(paths))
    if not kept:
        raise DataError(f"none of the {len(paths)} pictures could be read; the first: {bad[0]['why']}")
    return kept, zero_shot.scale * torch.cat(rows) @ zero_shot.weights.T


def truth_of(path: Path, labels: Sequence[str]) -> str | None:
    """The label that the folder of a picture bears, however it is spelled."""
    said = plain(path.parent.name)
    return next((label for label in labels if plain(label) == said), None)


def plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def calibrated(scores: "Tensor", truths: Sequence[str | None], labels: Sequence[str]) -> "Tensor":
    """Scores times the temperature fitted on the other half of the pictures whose truth is known."""
    import torch

    from showtell.contrastive.zero_shot import fit_temperature

    known = [i for i, truth in enumerate(truths) if truth is not None]
    if len(known) < LEAST_TO_CALIBRATE:
        raise ConfigError(
            f"--calibrate needs {LEAST_TO_CALIBRATE} pictures in folders named like labels, and there are {len(known)}"
        )
    result = scores.clone()
    for half in (0, 1):
        taught = torch.tensor(known[1 - half :: 2])
        right = torch.tensor([labels.index(str(truths[i])) for i in taught.tolist()])
        result[half::2] = scores[half::2] * fit_temperature(scores[taught], right)
    return result


def verdict(path: Path, probabilities: "Tensor", truth: str | None, labels: Sequence[str]) -> Verdict:
    best = probabilities.topk(min(5, len(labels)))
    top = tuple((labels[i], float(p)) for p, i in zip(best.values, best.indices.tolist(), strict=True))
    return Verdict(path, top, truth)


def summary(verdicts: Sequence[Verdict], bad: Sequence[dict[str, str]], model: str) -> dict[str, Any]:
    """Counts, and where truth is known accuracy with its interval and the calibration error."""
    found: dict[str, Any] = {"pictures": len(verdicts), "model": model, "unreadable": list(bad)}
    found["counts"] = dict(Counter(one.top[0][0] for one in verdicts).most_common())
    known = [one for one in verdicts if one.truth is not None]
    if known:
        import torch

        from showtell.metrics.calibration import ece
        from showtell.metrics.intervals import wilson

        right = torch.tensor([one.top[0][0] == one.truth for one in known])
        for k in (1, 5):
            hits = sum(one.truth in [label for label, _ in one.top[:k]] for one in known)
            found[f"top{k}"] = {
                "n": len(known),
                **{key: round(v, 4) for key, v in vars(wilson(hits, len(known))).items()},
            }
        found["calibration_error"] = round(ece(torch.tensor([one.top[0][1] for one in known]), right), 4)
    return found


def write_table(path: Path, verdicts: Sequence[Verdict]) -> None:
    rows = [one.to_json() for one in verdicts]
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                writer = csv.DictWriter(
                    file, ["picture", "label", "probability", "truth", "right"], extrasaction="ignore"
                )
                writer.writeheader()
                writer.writerows(rows)
            elif path.suffix == ".json":
                json_format.dump(rows, file, ensure_ascii=False, indent=1)
            else:
                file.writelines(json_format.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    except OSError as error:
        raise ConfigError(f"--out {path}: cannot be written ({error.strerror or error})") from error
    console.note(f"written: {path}  {len(rows)} rows")


def draw_mistakes(path: Path, verdicts: Sequence[Verdict], model: str) -> None:
    """The surest mistakes first."""
    from showtell.images.sheet import WRONG, Cell

    known = [one for one in verdicts if one.truth is not None]
    wrong = sorted((one for one in known if one.top[0][0] != one.truth), key=lambda one: -one.top[0][1])
    cells = [
        Cell(
            pixels=pixels_of(one.path),
            label=f"{one.top[0][0]}  {one.top[0][1]:.0%}",
            note=f"is {one.truth}",
            share=one.top[0][1],
            color=WRONG,
            label_color=WRONG,
        )
        for one in wrong
    ]
    heading = f"{len(wrong):,} of {len(known):,} taken for something else" if wrong else f"No mistake in {len(known):,}"
    save_sheet(path, cells, heading, f"{model} · the surest mistakes first")


def show(verdicts: Sequence[Verdict], found: dict[str, Any], bad: Sequence[dict[str, str]]) -> None:
    width = max(len(one.top[0][0]) for one in verdicts[:40])
    for one in verdicts[:40]:
        (label, probability), *rest = one.top
        mark = "" if one.truth is None else ("✓ ", "green") if label == one.truth else (f"is {one.truth} ", "red")
        others = " ".join(f"{name} {p:.0%}" for name, p in rest[:2] if p >= 0.05)
        sure = (f"  {probability:4.0%}  ", "cyan")
        console.out.print(Text.assemble((label.ljust(width), "bold"), sure, mark, f"{one.path}  ", (others, "dim")))
    if len(verdicts) > 40:
        console.note(f"and {len(verdicts) - 40:,} more; --out FILE.csv or --json gives all")
    if "top1" in found:
        top1, top5 = found["top1"], found["top5"]
        console.out.print(
            Text(f"top-1 {top1['value']:.1%}", "bold"),
            Text(f"({top1['low']:.1%} to {top1['high']:.1%}), top-5 {top5['value']:.1%}, of {top1['n']:,}; ", "dim"),
            Text(f"calibration error {found['calibration_error']:.1%}", "dim"),
        )
    for unread in bad[:5]:
        console.note(f"left out: {unread['picture']}: {unread['why']}")
    console.note(f"{len(verdicts):,} pictures · {found['model']}")
