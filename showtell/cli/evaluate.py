"""`eval`: score a model on published sets on disk, on any rows of questions, or on made-up pictures.

    showtell eval pocket vqav2=data/vqav2 my_questions.jsonl spatial --out runs/pocket --html report.html
    showtell eval answers.jsonl refcoco=data/refcoco             somebody else's answers, scored
    showtell eval --pictures 200                                 every held-out split of the worlds, skill by skill

Not here: tasks (`evaluation/cards.py`), the run (`evaluation/running.py`), the scoring of the worlds alone
(`instruct/evaluate.py`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from showtell.cli import console
from showtell.cli.options import Json, Model, answering
from showtell.cli.scores import matrix
from showtell.core.errors import ConfigError

if TYPE_CHECKING:
    from showtell.evaluation.answering import Answerer
    from showtell.evaluation.running import Run

Words = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="[MODEL TASK…]",
        help="A model or answers.jsonl, then tasks: NAME=FOLDER, rows.jsonl, worlds[:SPLIT], hallucination, spatial.",
        help_behavior_hint="",
    ),
]
Split = Annotated[
    tuple[str, ...],
    tyro.conf.UseAppendAction,
    tyro.conf.arg(name="split", metavar="SPLIT", help="Score this split only; may be given several times."),
]
Out = Annotated[
    Path | None,
    tyro.conf.arg(metavar="FOLDER", help="Keep the run here; the same command goes on from where it stopped."),
]
Html = Annotated[
    Path | None, tyro.conf.arg(metavar="REPORT.html", help="Write a page with the pictures, failures first.")
]
Against = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help="Compare with the run kept here, item by item.")]


def evaluate(
    words: Words = (),
    /,
    model: Model = "pocket",
    splits: Split = (),
    pictures: Annotated[int, tyro.conf.arg(help="Made-up pictures a split or task; more narrow the intervals.")] = 200,
    seed: Annotated[int, tyro.conf.arg(help="Seed of the pictures.")] = 0,
    limit: Annotated[int | None, tyro.conf.arg(metavar="N", help="Only the first N items of each task.")] = None,
    batch: Annotated[int, tyro.conf.arg(metavar="N", help="Items read at a time; changes no answer.")] = 64,
    codec: Annotated[
        str | None, tyro.conf.arg(metavar="NAME", help="Convention of the boxes that a published model writes.")
    ] = None,
    prompt: Annotated[
        str | None, tyro.conf.arg(help="Asked instead of the card's own; {question} stands in it.")
    ] = None,
    out: Out = None,
    html: Html = None,
    against: Against = None,
    json: Json = False,
) -> int:
    """Score a model on tasks, or without any on held-out pictures, with 95 % intervals."""
    if pictures < 1 or batch < 1 or (limit is not None and limit < 1):
        raise ConfigError("--pictures, --batch and --limit are numbers of at least 1")
    if not words:
        return _splits(model, splits, pictures, seed, json)
    if len(words) < 2:
        raise ConfigError(f"say what {words[0]} is to be scored on: showtell eval {words[0]} spatial")
    if html is not None and not html.parent.is_dir():
        raise ConfigError(f"--html {html}: the folder {html.parent} does not exist; create it first")
    import torch

    torch.set_num_threads(1)  # sums depend on the number of threads, and the records are to be the same everywhere
    answerer = _answerer(words[0], codec)
    asked = {"pictures": pictures, "seed": seed, "prompt": prompt, "limit": limit}
    runs = _run_all(answerer, words[1:], asked, batch, out)
    summaries = [_summary(run, answerer, against, out) for run in runs]
    if html is not None:
        from showtell.evaluation.report import report

        html.write_text(report(list(zip(runs, summaries, strict=True))), encoding="utf-8")
        console.note(f"written: {html}")
    for summary in summaries:
        if json:
            console.emit(summary)
        else:
            _show(summary)
    return 0


def _answerer(name: str, codec: str | None) -> "Answerer":
    from showtell.evaluation.answering import OfAssistant, OfFile, OfPublished
    from showtell.text.dialects import DIALECTS

    if codec is not None and codec not in DIALECTS:
        raise ConfigError(f"--codec {codec!r} is no known convention; choose from {', '.join(DIALECTS)}")
    if name.endswith(".jsonl"):
        return OfFile.read(Path(name))
    from showtell.evaluation.ranking import OfPair
    from showtell.instruct.assistant import Assistant
    from showtell.instruct.embedding import embedder_of
    from showtell.instruct.published import Published
    from showtell.load import load

    loaded = load(name)
    if isinstance(loaded, Assistant):
        return OfAssistant(loaded)
    if isinstance(loaded, Published) and loaded.kind == "vision-language model":
        return OfPublished(loaded, codec)
    return OfPair(embedder_of(loaded))


def _run_all(
    answerer: "Answerer", names: tuple[str, ...], asked: Mapping[str, Any], batch: int, out: Path | None
) -> list["Run"]:
    from showtell.evaluation.answering import OfAssistant
    from showtell.evaluation.cards import task
    from showtell.evaluation.running import run

    world = answerer.assistant.card.get("world", {}) if isinstance(answerer, OfAssistant) else {}
    columns = TextColumn("{task.description}"), SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    found = []
    with Progress(*columns, console=console.err) as bar:
        for name in names:
            row = bar.add_task(f"{name}: reading", total=None)
            known = task(
                name, pictures=asked["pictures"], seed=asked["seed"], world=world, prompt=asked["prompt"]
            ).first(asked["limit"])
            folder = None if out is None else out / known.card.name.replace(":", "-")

            def tell(done: int, total: int, row: Any = row, name: str = name) -> None:
                bar.update(row, description=name, completed=done, total=total)

            found.append(run(answerer, known, folder, chunk=batch, on_answers=tell))
    return found


def _summary(run: "Run", answerer: "Answerer", against: Path | None, out: Path | None) -> dict[str, Any]:
    """The scores, kept beside the run where it has a folder."""
    import json as text

    from showtell.core.checkpoint import write_atomically
    from showtell.evaluation.spatial import consistency
    from showtell.evaluation.summary import compare, summarise

    summary = summarise(run)
    place = run.task.card.name.replace(":", "-")
    summary |= {"consistency": found} if (found := consistency(run.records)) else {}
    if against is not None:
        summary["against"] = compare(run, against / place if (against / place).is_dir() else against)
    if out is not None:
        write_atomically(out / place / "summary.json", (text.dumps(summary, indent=1) + "\n").encode())
    return summary


def _show(summary: Mapping[str, Any]) -> None:
    edition = f", edition {summary['edition']}" if "edition" in summary else ""
    title = (
        f"{summary['task']}: {summary['model']}{edition}, {summary['items']:,} items, {summary['pictures']:,} pictures"
    )
    table = Table(title=Text(title, style="bold"), title_justify="left", box=None, pad_edge=False)
    table.add_column("score")
    for column in ("%", "95 % interval", "n"):
        table.add_column(column, justify="right")
    for name, got in summary["scores"].items():
        table.add_row(name, Text(f"{got['value']:.1%}", style="bold"), _interval(got), str(summary["items"]))
    if len(summary["skills"]) > 1:
        for skill, got in summary["skills"].items():
            table.add_row(Text(f"  {skill}"), f"{got['clean']['value']:.1%}", _interval(got["clean"]), str(got["n"]))
    console.out.print(table)
    for relation, got in summary.get("consistency", {}).items():
        parts = ", ".join(f"{n.replace('_', ' ')} {v['value']:.0%}" for n, v in got.items() if n != "groups")
        console.out.print(Text(f"  {relation}, {got['groups']} minimal pairs: {parts}", style="dim"))
    if "against" in summary:
        gap = summary["against"]
        console.out.print(
            f"against {gap['with']}: {100 * gap['difference']['value']:+.1f} points, {_interval(gap['difference'])}, "
            f"p = {gap['p_value']:.3f}; better on {gap['better']}, worse on {gap['worse']}"
        )
    if "refused" in summary:
        console.note(f"{summary['refused']} questions were too long for this model and count as wrong")
    if summary["pictures"] < 20:
        console.note("fewer than 20 pictures: no interval is to be trusted")
    console.note(f"hash of everything that entered: {summary['hash'][:16]}")


def _interval(got: Mapping[str, float]) -> str:
    return f"{got['low']:.1%} to {got['high']:.1%}"


def _splits(model: str, splits: tuple[str, ...], pictures: int, seed: int, as_json: bool) -> int:
    """Every held-out split of the worlds, as one matrix."""
    from showtell.instruct.evaluate import evaluate as score
    from showtell.load import load

    assistant = answering(load(model))
    with Progress(TextColumn("{task.description}"), SpinnerColumn(), TimeElapsedColumn(), console=console.err) as bar:
        task, asked = bar.add_task("reading pictures", total=None), 0

        def tell(split: str) -> None:
            nonlocal asked
            asked += 1
            bar.update(task, description=f"{split}: {asked} questions")

        found = score(assistant, splits=splits or None, pictures=pictures, seed=seed, on_question=tell)
    if as_json:
        console.emit(found)
        return 0
    for split, skills in found["splits"].items():
        table = Table(title=Text(split, style="bold"), title_justify="left", box=None, pad_edge=False)
        table.add_column("skill")
        for column in ("score", "95 % interval", "n"):
            table.add_column(column, justify="right")
        for skill, got in skills.items():
            table.add_row(skill, Text(f"{got['value']:.1%}", style="bold"), _interval(got), str(got["n"]))
        console.out.print(table)
    console.out.print(matrix(found["splits"]))
    return 0
