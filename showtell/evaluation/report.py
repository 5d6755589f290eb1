"""A run as a page that a person can judge: the number, what it hides, and the pictures it was wrong about, first.

    score with its interval · every definition of it · skill by skill · when it may keep silent · items, failures first

One self-contained HTML file; pictures are scaled down and put inside. Of the failures of each skill those come first of
which the model was surest: they are what one can learn from. Not here: the looks (`page.py`), the numbers
(`summary.py`).
"""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from typing import Any

from PIL import Image

from showtell.core.errors import ShowtellError
from showtell.core.geometry import Box, Point
from showtell.evaluation.page import page
from showtell.evaluation.running import Record, Run
from showtell.evaluation.scoring import reference_to_json
from showtell.evaluation.task import Task
from showtell.images.decode import Picture

WRONG, RIGHT = 60, 24  # items shown
SIDE = 360  # pixels of an embedded picture
RIGHT_FROM = 0.5  # an item counts as right from this clean score on
MOST_SKILLS = 14  # buttons
KEY = (
    '<p class="soft"><span class="key"></span>said<span class="key truth"></span>true'
    '<span class="key asked"></span>asked about</p>'
)


def report(runs: Sequence[tuple[Run, Mapping[str, Any]]]) -> str:
    """The page of one or several tasks, each with its summary."""
    models = ", ".join(dict.fromkeys(str(summary["model"]) for _, summary in runs))
    names = ", ".join(str(summary["task"]) for _, summary in runs)
    sections = "\n".join(_section(run, summary) for run, summary in runs)
    hashes = "<br>".join(f"{escape(str(s['task']))} v{s['version']} · run {s['hash'][:16]}" for _, s in runs)
    return page(f"{escape(models)}: {escape(names)}", f"evaluation of {escape(models)}", sections, hashes)


def _section(run: Run, summary: Mapping[str, Any]) -> str:
    score = summary["scores"]["official"]
    few = " Fewer than 20 pictures: trust no interval." if summary["pictures"] < 20 else ""
    edition = f", edition {summary['edition']}" if "edition" in summary else ""
    about = (
        f"{escape(str(summary['model']))}{edition}: {summary['items']:,} questions about {summary['pictures']:,} "
        f"pictures, scored as <b>{escape(str(summary['metric']))}</b>. 95&nbsp;% interval {_percent(score['low'])} to "
        f"{_percent(score['high'])}, drawn by whole pictures.{few}"
    )
    parts = [
        f'<section class="task"><h1>{escape(str(summary["task"]))}</h1>',
        f'<div class="lead"><div class="score">{100 * score["value"]:.1f}<small>%</small></div><p>{about}</p></div>',
        '<div class="columns"><div><h2>Skill by skill</h2>',
        _bars(summary["skills"]),
        "</div><div><h2>The same answers, scored otherwise</h2>",
        _definitions(run.records, summary["scores"]),
        _silence(summary.get("calibration")),
        _against(summary.get("against")),
        "</div></div>",
        _consistency(summary.get("consistency")),
        _items(run),
        "</section>",
    ]
    return "\n".join(parts)


def _bars(skills: Mapping[str, Any]) -> str:
    """A bar a skill: the clean score, its interval as a line."""
    rows = []
    for name, got in sorted(skills.items(), key=lambda item: -item[1]["clean"]["value"]):
        value, low, high = (100 * min(max(got["clean"][key], 0), 1) for key in ("value", "low", "high"))
        rows.append(
            f'<div class="row"><span>{escape(name)}</span>'
            f'<span class="bar"><i style="width:{value:.1f}%"></i>'
            f'<b style="left:{low:.1f}%;width:{max(high - low, 0.4):.1f}%"></b><u style="left:{value:.1f}%"></u></span>'
            f'<span class="mono">{value:.0f} %</span><span class="mono soft">n {got["n"]}</span></div>'
        )
    return f'<div class="bars">{"".join(rows)}</div>'


def _definitions(records: Sequence[Record], scores: Mapping[str, Any]) -> str:
    rows = []
    for name, got in scores.items():
        departs = sum(record.scores[name] != record.scores["official"] for record in records)
        rows.append(
            f'<tr><td>{escape(name)}</td><td class="n">{_percent(got["value"])}</td>'
            f'<td class="n soft">{_percent(got["low"])} to {_percent(got["high"])}</td>'
            f'<td class="n soft">{departs or "-"}</td></tr>'
        )
    names = ("score", "95 % interval", "departs on")
    columns = "".join(f'<th class="n">{name}</th>' for name in names)
    head = f"<tr><th>definition</th>{columns}</tr>"
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _silence(found: Mapping[str, Any] | None) -> str:
    """The abstention curve: mistakes among the surest answers."""
    if found is None or len(found["abstention"]) < 2:
        return ""
    top = max(0.1, *(risk for _, risk in found["abstention"]))
    points = " ".join(f"{40 + 320 * c:.1f},{130 - 115 * r / top:.1f}" for c, r in found["abstention"])
    ticks = "".join(f'<text x="{40 + 320 * x:.0f}" y="148" text-anchor="middle">{x:.0%}</text>' for x in (0, 0.5, 1))
    return (
        "<h2>If it may keep silent</h2>"
        f'<svg class="curve" viewBox="0 0 370 168" role="img" aria-label="share of mistakes by share answered">'
        f'<line x1="40" y1="130" x2="360" y2="130"/><line x1="40" y1="15" x2="360" y2="15"/>'
        f'<text x="34" y="19" text-anchor="end">{top:.0%}</text><text x="34" y="134" text-anchor="end">0</text>'
        f'<path d="M {points.replace(" ", " L ")}"/>{ticks}<text x="200" y="165" text-anchor="middle">'
        "share answered, the surest first</text></svg>"
        f'<p class="soft">Mistakes among them. With at most 5 % of mistakes it answers '
        f"{found['coverage_at_5_percent_risk']:.0%}. Expected calibration error {found['ece']:.3f}, Brier score "
        f"{found['brier']:.3f}.</p>"
    )


def _against(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    gap = found["difference"]
    return (
        f"<h2>Against {escape(str(found['with']))}</h2><p>{100 * gap['value']:+.1f} points "
        f"({100 * gap['low']:+.1f} to {100 * gap['high']:+.1f}, p = {found['p_value']:.3f}): better on "
        f"{found['better']}, worse on {found['worse']}, equal on {found['equal']}.</p>"
    )


def _consistency(found: Mapping[str, Any] | None) -> str:
    """How often an answer turned, or stayed, as it had to."""
    if not found:
        return ""
    names = list(dict.fromkeys(name for got in found.values() for name in got if name not in ("groups",)))
    head = "".join(f'<th class="n">{escape(name.replace("_", " "))}</th>' for name in names)
    rows = []
    for relation, got in found.items():
        cells = "".join(
            f'<td class="n">{100 * got[name]["value"]:.0f} <span class="soft">±'
            f"{50 * (got[name]['high'] - got[name]['low']):.0f}</span></td>"
            if name in got
            else '<td class="n soft">-</td>'
            for name in names
        )
        rows.append(f'<tr><td>{escape(relation)}</td>{cells}<td class="n soft">{got["groups"]}</td></tr>')
    return (
        "<h2>Does the answer turn when it has to?</h2>"
        '<p class="soft">Share of minimal pairs, in %: all variants right, and each variant against the base.</p>'
        f'<div class="scroll"><table><tr><th></th>{head}<th class="n">pairs</th></tr>{"".join(rows)}</table></div>'
    )


def _items(run: Run) -> str:
    wrong = [record for record in run.records if record.scores["clean"] < RIGHT_FROM]
    right = [record for record in run.records if record.scores["clean"] >= RIGHT_FROM]
    wrong = _surest_of_each_skill(wrong)
    shown = [*wrong[:WRONG], *_spread(right, RIGHT)]
    if not shown:
        return ""
    skills = list(dict.fromkeys(record.item.skill for record in shown))[:MOST_SKILLS]
    buttons = [("side", "wrong", f"wrong ({len(wrong):,})"), ("side", "right", f"right ({len(right):,})")]
    buttons += [("skill", skill, skill) for skill in skills] if len(skills) > 1 else []
    row = "".join(_button(*button) for button in buttons)
    cache: dict[str, str] = {}
    cards = "".join(_card(record, run.task, cache) for record in shown)
    places = any(record.reply.said.boxes or "box" in record.item.reference for record in shown)
    key = KEY if places else ""
    return (
        f"<h2>Failures first</h2><p class='soft'>{min(len(wrong), WRONG)} of {len(wrong):,} wrong answers, of each "
        f"skill the surest first, then {len(shown) - min(len(wrong), WRONG)} of {len(right):,} right ones.</p>{key}"
        f'<div><div class="filter" hidden>{row}</div><div class="items">{cards}</div></div>'
    )


def _button(group: str, value: str, text: str) -> str:
    data = f'data-group="{group}" data-value="{escape(value)}"'
    return f'<button type="button" {data} aria-pressed="false">{escape(text)}</button>'


def _surest_of_each_skill(records: Sequence[Record]) -> list[Record]:
    """The surest of every skill, then the second surest of every skill, ..."""
    ranked: list[tuple[int, Record]] = []
    seen: Counter[str] = Counter()
    for record in sorted(records, key=lambda record: -(record.reply.said.confidence or 0)):
        ranked.append((seen[record.item.skill], record))
        seen[record.item.skill] += 1
    return [record for _, record in sorted(ranked, key=lambda pair: pair[0])]


def _spread(records: Sequence[Record], most: int) -> list[Record]:
    """Every so many-th, so that all skills have a chance."""
    return list(records[:: max(1, len(records) // most)][:most])


def _card(record: Record, task: Task, cache: dict[str, str]) -> str:
    plain = record.to_json()
    said = record.reply.said
    good = record.scores["clean"] >= RIGHT_FROM
    words = said.text or " ".join(f"[{' '.join(f'{v:.0f}' for v in box.xyxy)}]" for box in said.boxes)
    words = (
        words
        or " ".join(f"[{point.x:.0f} {point.y:.0f}]" for point in said.points)
        or record.reply.refused
        or "(nothing)"
    )
    sure = "" if said.confidence is None else f" · sure {said.confidence:.0%}"
    return (
        f'<article class="{"right" if good else "wrong"}" data-side="{"right" if good else "wrong"}" '
        f'data-skill="{escape(record.item.skill)}">{_frame(record, task, cache)}'
        f'<p class="ask">{escape(plain["question"])}</p><p class="answer">{escape(words)}</p>'
        f'<p class="soft">{"" if good else escape(_truth(record))}</p>'
        f'<p class="mono soft">{escape(record.item.skill)}{sure}</p></article>'
    )


def _truth(record: Record) -> str:
    plain = reference_to_json(record.item.reference)
    for name in ("answers", "answer", "captions", "box", "place"):
        value = plain.get(name)
        if value is not None:
            some = value if isinstance(value, list) else [value]
            text = " · ".join(dict.fromkeys(str(one) for one in some[:3]))
            return f"true: {text}" if name not in ("box", "place") else "true: the dashed box"
    return ""


def _frame(record: Record, task: Task, cache: dict[str, str]) -> str:
    key = record.item.picture
    if key is None:
        return ""
    try:
        picture = task.open(key)
    except ShowtellError as error:  # a run may be reported where its pictures no longer are
        return f'<p class="soft">{escape(str(error))}</p>'
    if key not in cache:
        cache[key] = _embedded(picture)
    truth = record.item.reference.get("box", record.item.reference.get("place"))
    asked = [] if isinstance(record.item.question, str) else record.item.question
    marks: list[tuple[Box | Point, str]] = [(place, "asked") for place in asked if not isinstance(place, str)]
    marks += [(box, "said") for box in record.reply.said.boxes]
    marks += [(point, "said") for point in record.reply.said.points]
    marks += [(truth, "truth")] if isinstance(truth, Box) else []
    shapes = "".join(_mark(place, "halo") + _mark(place, kind) for place, kind in marks)
    view = f'viewBox="0 0 {picture.frame.width} {picture.frame.height}" preserveAspectRatio="none"'
    return f'<div class="frame"><img alt="" loading="lazy" src="{cache[key]}"><svg {view}>{shapes}</svg></div>'


def _mark(place: Box | Point, kind: str) -> str:
    """A box as it is; a point as a ring around it."""
    if isinstance(place, Point):
        return f'<circle class="{kind}" cx="{place.x:.1f}" cy="{place.y:.1f}" r="{place.frame.width / 30:.1f}"/>'
    return (
        f'<rect class="{kind}" x="{place.x1:.1f}" y="{place.y1:.1f}" '
        f'width="{place.width:.1f}" height="{place.height:.1f}"/>'
    )


def _embedded(picture: Picture) -> str:
    """The picture as a data URL, no side longer than `SIDE`."""
    image = Image.fromarray(picture.pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=82)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
