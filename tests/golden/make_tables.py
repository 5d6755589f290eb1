"""Golden vectors of TEDS. Run by hand: python tests/golden/make_tables.py FOLDER, which holds PubTabNet's metric.py."""

import random
import sys
from pathlib import Path
from typing import Any

from oracles import load_file, save

PLAIN = "Year 2019 1,000 12% <b>Total</b> <i>n</i> 3.5 kg &amp; é 東京 a<br>b (x) -".split()
WORDS = [*PLAIN, "", " ", "two words", "H<sub>2</sub>O"]


def table(rng: random.Random) -> list[list[list[Any]]]:
    """Rows of cells [tag, attributes, text]."""
    rows = []
    for row in range(rng.randrange(1, 5)):
        tag = "th" if row == 0 and rng.random() < 0.2 else "td"
        cells = []
        for _ in range(rng.randrange(1, 5)):
            span = rng.choice(["", "", "", ' colspan="2"', ' rowspan="3"', ' colspan="1"'])
            cells.append([tag, span, rng.choice(WORDS)])
        rows.append(cells)
    return rows


def changed(rng: random.Random, rows: list[list[list[Any]]]) -> list[list[list[Any]]]:
    """The table as a model might read it."""
    rows = [[list(cell) for cell in row] for row in rows]
    for _ in range(rng.randrange(4)):
        row = rng.choice(rows)
        kind = rng.randrange(5)
        if kind == 0 and row:
            rng.choice(row)[2] = rng.choice(WORDS)
        elif kind == 1:
            row.insert(rng.randrange(len(row) + 1), ["td", "", "x"])
        elif kind == 2 and len(row) > 1:
            row.pop(rng.randrange(len(row)))
        elif kind == 3:
            rows.insert(rng.randrange(len(rows) + 1), [["td", "", rng.choice(WORDS)]])
        elif row:
            rng.choice(row)[1] = ' colspan="2"'
    return rows


def written(rng: random.Random, rows: list[list[list[Any]]]) -> str:
    """HTML, some of it with sections, white space, comments, or tags left open."""
    sloppy, parts = rng.random() < 0.1, []
    for row in rows:
        cells = "".join(f"<{tag}{span}>{text}" + ("" if sloppy else f"</{tag}>") for tag, span, text in row)
        parts.append(f"<tr>{cells}" + ("" if sloppy else "</tr>") + rng.choice(["", "", "\n", "<!-- row -->"]))
    inside = "".join(parts)
    if rng.random() < 0.3:
        inside = f"<thead>{parts[0]}</thead><tbody>{''.join(parts[1:])}</tbody>"
    page = f"<table>{inside}</table>"
    return page if rng.random() < 0.05 else f"<html><body>{page}</body></html>"


def main() -> None:
    teds = load_file(Path(sys.argv[1]) / "metric.py", "metric").TEDS
    scores, rng, rows = (teds(), teds(structure_only=True)), random.Random(57), []
    for _ in range(700):
        truth = table(rng)
        pair = [written(rng, changed(rng, truth)), written(rng, truth)]
        rows.append([*pair, *(score.evaluate(*pair) for score in scores)])
    rows += [["", pair[1], 0.0, 0.0]]
    save("tables", rows)


if __name__ == "__main__":
    main()
