"""`ask --prove`: the answer, what happens to it when its evidence is hidden, and which patches its words came from.

    ┌──────────────┐  ┌──────────────┐  ┌──────────────┐  ┌──────────────┐
    │  the answer  │  │   evidence   │  │   as much    │  │  what each   │       --draw out.png
    │  and boxes   │  │    hidden    │  │  elsewhere   │  │  patch did   │
    └──────────────┘  └──────────────┘  └──────────────┘  └──────────────┘
         "yes"             "no"              "yes"           occlusion

Not here: the experiments (`grounding/evidence.py`, `grounding/word_maps.py`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from showtell.cli import console
from showtell.core.errors import ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image

    from showtell.grounding.evidence import Proof
    from showtell.grounding.origin import Origin
    from showtell.images.decode import Picture
    from showtell.instruct.assistant import Assistant

PANEL, GAP, CAPTION = 420, 26, 62
PAPER, INK, SOFT = (253, 253, 251), (23, 25, 28), (90, 96, 103)
HEAT = (213, 94, 0)


def proved(assistant: "Assistant", picture: "Picture", question: str, draw: Path | None, as_json: bool) -> None:
    """Answer one question and put the answer to the test."""
    from showtell.cli.answers import show
    from showtell.grounding.evidence import prove
    from showtell.grounding.origin import origin_of

    answer = assistant.ask(picture, question)
    proof = prove(assistant, picture, question)
    origin = origin_of(assistant, picture, question, answer)
    if as_json:
        found: dict[str, Any] = {"verdict": NO_EVIDENCE} if proof is None else proof.to_json()
        console.emit(answer.to_json() | {"proof": found | origin.to_json()})
    else:
        show(answer)
        _say(proof, origin)
    if draw is not None:
        try:
            sheet(picture, proof, origin).save(draw)
        except OSError as error:
            raise ConfigError(f"--draw {draw}: cannot be written ({error.strerror or error})") from error
        console.note(f"drawn: {draw}")


NO_EVIDENCE = "the answer names no box, so there is no evidence to hide"


def _say(proof: "Proof | None", origin: "Origin") -> None:
    from showtell.grounding.evidence import spoken

    console.out.print()
    if proof is None:
        console.out.print(Text(NO_EVIDENCE, style="bold"))
    else:
        console.out.print(Text(proof.verdict, style="bold"))
        table = Table(box=None, pad_edge=False)
        for column in ("what was hidden", "answer", ""):
            table.add_column(column)
        rows = [("all the evidence", proof.without)]
        if len(proof.each) > 1:
            rows += [(f"box {number} alone", trial) for number, trial in enumerate(proof.each, start=1)]
        rows += [(f"as much elsewhere, {number}", trial) for number, trial in enumerate(proof.controls, start=1)]
        for name, trial in rows:
            table.add_row(name, spoken(trial.answer), Text("changed" if trial.changed else "the same", style="dim"))
        console.out.print(table)
        if proof.faithfulness is not None:
            console.out.print(f"faithfulness {proof.faithfulness:+.2f}   (from -1 to 1)")
    console.out.print()
    table = Table(box=None, pad_edge=False, title="which map of the words to believe", title_justify="left")
    for column in ("ranking of patches", "area under its deletion curve"):
        table.add_column(column, justify="left" if column.startswith("r") else "right")
    for kind, area in sorted(origin.areas.items(), key=lambda item: item[1]):
        table.add_row(kind, Text(f"{area:.2f}", style="bold" if kind == origin.best else ""))
    console.out.print(table)
    console.note("less area: the patches it names first are those whose loss costs the answer first")


def sheet(picture: "Picture", proof: "Proof | None", origin: "Origin") -> "Image":
    """The panels side by side, each with a caption of two lines."""
    from PIL import Image, ImageDraw, ImageFont

    panels = _panels(picture, proof, origin)
    height = max(panel.height for panel, _, _ in panels)
    width = sum(panel.width for panel, _, _ in panels) + GAP * (len(panels) + 1)
    paper = Image.new("RGB", (width, height + CAPTION + 2 * GAP), PAPER)
    pen, large, small = ImageDraw.Draw(paper), ImageFont.load_default(size=21), ImageFont.load_default(size=15)
    x = GAP
    for panel, title, below in panels:
        paper.paste(panel, (x, GAP))
        for text, font, color, y in ((title, large, INK, 12), (below, small, SOFT, 41)):
            while font.getlength(text) > panel.width and len(text) > 4:
                text = text[:-2].rstrip("…") + "…"
            pen.text((x, GAP + height + y), text, font=font, fill=color)
        x += panel.width + GAP
    return paper


def _panels(picture: "Picture", proof: "Proof | None", origin: "Origin") -> list[tuple["Image", str, str]]:
    """(picture, what the model said, what was done) of each panel."""
    from showtell.grounding.evidence import spoken
    from showtell.grounding.hiding import hide

    answer = origin.answer
    boxes = [(found.label, found.box.xyxy) for found in answer.boxes]
    panels = [(_drawn(picture.pixels, boxes), spoken(answer), "the picture, and the evidence named")]
    if proof is not None:
        hidden = [("", box.xyxy) for box in proof.without.hidden]
        pixels = hide(picture.pixels, proof.without.hidden)
        panels.append((_drawn(pixels, hidden), spoken(proof.without.answer), "the evidence hidden"))
        if proof.controls:
            control = next((trial for trial in proof.controls if trial.changed), proof.controls[0])
            hidden, pixels = [("", box.xyxy) for box in control.hidden], hide(picture.pixels, control.hidden)
            same = sum(not trial.changed for trial in proof.controls)
            below = f"as much elsewhere: the same answer {same} of {len(proof.controls)} times"
            panels.append((_drawn(pixels, hidden), spoken(control.answer), below))
    below = f"deletion area {origin.areas['occlusion']:.2f}, attention {origin.areas['attention']:.2f}, "
    panels.append((_heat(picture, origin), "what hiding each part did", f"{below}random {origin.areas['random']:.2f}"))
    return panels


def _drawn(pixels: np.ndarray, boxes: list[tuple[str, tuple[float, float, float, float]]]) -> "Image":
    from showtell.images.draw import draw_boxes

    drawn = draw_boxes(pixels, boxes, enlarge_to=PANEL, tint=False)
    drawn.thumbnail((PANEL, PANEL))
    return drawn


def _heat(picture: "Picture", origin: "Origin") -> "Image":
    """The picture in grey, each patch in ink as strong as what hiding it did to the words."""
    from PIL import Image, ImageDraw

    base = _drawn(picture.pixels, []).convert("L").convert("RGBA")
    veil = Image.new("RGBA", base.size, (0, 0, 0, 0))
    pen, zoom = ImageDraw.Draw(veil), base.width / picture.frame.width
    strength = origin.strength("occlusion")
    for place, value in zip(origin.cells, strength, strict=True):
        if place is not None and value > 0.02:
            pen.rectangle([round(edge * zoom) for edge in place.xyxy], fill=(*HEAT, round(215 * value)))
    return Image.alpha_composite(base, veil).convert("RGB")
