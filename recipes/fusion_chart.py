"""The fusion comparison as one picture: a row an arm, a column a skill, a dot with its interval in each cell.

              all skills    color     exists   ...                 tokens   memory
    linear    ...|--o--     ..|-o-    ...                              64   110 MB
    late      .|-o-|                                                    1    62 MB
                 ¦ dashed: what is guessed without a picture

Drawn with Pillow three times larger and scaled down, as `images/draw.py` does, in its colours.
"""

from typing import Any

from PIL import Image, ImageDraw, ImageFont

from showtell.images.draw import PALETTE

SCALE = 3
ROW, HEAD, FOOT, NAME, RIGHT = 46, 118, 74, 122, 150
INK, SOFT, GRID, PAPER = (28, 30, 34), (112, 118, 128), (228, 231, 236), (255, 255, 255)
COLORS = {
    "blind": (150, 155, 163),
    "late": PALETTE[6],
    "linear": PALETTE[1],
    "mlp": PALETTE[1],
    "resampler": PALETTE[5],
    "qformer": PALETTE[5],
    "gated": PALETTE[3],
    "early": PALETTE[0],
    "scratch": PALETTE[0],
}
TITLES = {"all": "all questions", "color": "colour", "exists": "is there", "name": "what is at"}


class Pen:
    """Draws in points of the final picture."""

    def __init__(self, width: int, height: int):
        self.canvas = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
        self.draw = ImageDraw.Draw(self.canvas)

    def text(self, x: float, y: float, words: str, size: float, color: Any = INK, anchor: str = "lm") -> None:
        font = ImageFont.load_default(size=size * SCALE)
        self.draw.text((x * SCALE, y * SCALE), words, font=font, fill=color, anchor=anchor)

    def line(self, x1: float, y1: float, x2: float, y2: float, width: float, color: Any) -> None:
        self.draw.line([(x1 * SCALE, y1 * SCALE), (x2 * SCALE, y2 * SCALE)], fill=color, width=round(width * SCALE))

    def bar(self, x1: float, x2: float, y: float, thick: float, color: Any) -> None:
        box = [x1 * SCALE, (y - thick / 2) * SCALE, max(x2, x1 + thick) * SCALE, (y + thick / 2) * SCALE]
        self.draw.rounded_rectangle(box, radius=thick * SCALE / 2, fill=color)

    def dot(self, x: float, y: float, radius: float, color: Any) -> None:
        for r, fill in ((radius + 1, PAPER), (radius, color)):
            self.draw.ellipse([(x - r) * SCALE, (y - r) * SCALE, (x + r) * SCALE, (y + r) * SCALE], fill=fill)

    def done(self) -> Image.Image:
        return self.canvas.resize(
            (self.canvas.width // SCALE * 2, self.canvas.height // SCALE * 2), Image.Resampling.LANCZOS
        )


def draw_comparison(result: dict[str, Any]) -> Image.Image:
    """The chart of what `recipes.fusion_comparison.report` returns, at twice the density of a screen."""
    arms = result["arms"]
    skills = list(next(iter(arms.values()))["accuracy"])
    widths = [190 if skill == "all" else 118 for skill in skills]
    gap = 30
    width = NAME + sum(widths) + gap * len(widths) + RIGHT
    height = HEAD + ROW * len(arms) + FOOT
    pen = Pen(width, height)
    seeds = sorted({len(arm["seeds"]) for arm in arms.values()})
    pen.text(24, 30, "Giving one small language model eyes, in every published way", 21)
    pen.text(24, 57, subtitle(result, seeds), 12.5, SOFT)
    left = float(NAME)
    for skill, wide in zip(skills, widths, strict=True):
        column(pen, arms, skill, left, wide, HEAD, HEAD + ROW * len(arms))
        left += wide + gap
    for place, title in ((left + 36, "tokens"), (left + 112, "memory")):
        pen.text(place, HEAD - 20, title, 12.5, INK, "rm")
    for i, (name, arm) in enumerate(arms.items()):
        y = HEAD + ROW * (i + 0.5)
        pen.text(24, y, name, 15, COLORS.get(name, INK))
        pen.text(left + 36, y, str(arm["image_tokens"]), 13, INK, "rm")
        pen.text(left + 112, y, f"{arm['memory_megabytes']:.0f} MB", 13, INK, "rm")
    note = (
        "dot: share of answers right; bar: 95 % interval over pictures; small marks: single seeds; dashed: no picture"
    )
    pen.text(24, height - 28, note, 12, SOFT)
    return pen.done()


def subtitle(result: dict[str, Any], seeds: list[int]) -> str:
    run = result["run"]
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    many = "s" if seeds[-1] > 1 else ""
    return (
        f"{run['gigaflops'] / 1000:g} TFLOP of training each, the same frozen tower and the same decoder from scratch, "
        f"{run['held_out']} held-out pictures, {count} seed{many}"
    )


def column(pen: Pen, arms: dict[str, Any], skill: str, left: float, wide: float, top: float, bottom: float) -> None:
    """One skill: grid, the guess without a picture, and a dot with its interval for each arm."""

    def at(value: float) -> float:
        return left + value * wide

    pen.text(left, top - 20, TITLES.get(skill, skill), 14 if skill == "all" else 12.5, INK)
    for tick in (0.0, 0.5, 1.0) if skill != "all" else (0.0, 0.25, 0.5, 0.75, 1.0):
        pen.line(at(tick), top, at(tick), bottom, 1, GRID)
        pen.text(at(tick), bottom + 14, f"{100 * tick:.0f}", 10.5, SOFT, "mm")
    guess = arms.get("blind", {}).get("accuracy", {}).get(skill)
    if guess:
        for dash in range(int(top), int(bottom), 7):
            pen.line(at(guess["value"]), dash, at(guess["value"]), dash + 3.5, 1.1, SOFT)
    for i, (name, arm) in enumerate(arms.items()):
        y, value, color = top + ROW * (i + 0.5), arm["accuracy"].get(skill), COLORS.get(name, INK)
        if value is None:
            continue
        pen.bar(at(value["low"]), at(value["high"]), y, 5, tuple(round(0.5 * 255 + 0.5 * part) for part in color))
        if skill == "all":
            for single in arm["seeds"].values():
                pen.line(at(single), y + 8, at(single), y + 13, 1.4, color)
        pen.dot(at(value["value"]), y, 3.6, color)
        pen.text(at(value["high"]) + 5, y - 10, f"{100 * value['value']:.0f}", 10.5, color, "lm")
