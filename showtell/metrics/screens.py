"""ScreenSpot: does the click land on the element that was meant?

    right = x1 <= x <= x2 and y1 <= y <= y2, edges included; an answer that cannot be read is wrong

    mobile  desktop  web    Six cells. ShowUI and SeeClick average the cells (macro), ScreenSpot-Pro the clicks (micro):
    text    text     text       the cells differ in size, so the two differ by points.
    icon    icon     icon

`official_click` reads an answer as SeeClick's `screenspot_test.py` does: if the word "box" occurs, the middle of the
first `<box>(x,y),(x,y)</box>` in thousandths; otherwise all numbers in the text, two of them a point, four a box
whose middle is clicked, taken as fractions whatever their size. Clean is a `Point` from a codec that knows its space
and `boxes.pointing_hit`. The boxes of ScreenSpot are x, y, width, height; those of ScreenSpot-Pro are corners: `Box`
is built by whoever reads the file.
"""

import re
from collections.abc import Hashable, Sequence

from showtell.core.geometry import Box

BOX = re.compile(r"<box>\((\d+),(\d+)\),\((\d+),(\d+)\)</box>")
NUMBER = re.compile(r"-?\d+\.?\d*")


def official_click(text: str, target: Box) -> bool:
    """Whether the answer hits the target, bug for bug."""
    if "box" in text:
        found = BOX.search(text)
        corners, scale = [float(number) for number in found.groups()] if found else [], 1000.0
    else:
        corners, scale = [float(number) for number in NUMBER.findall(text)], 1.0
    if len(corners) == 4:
        corners = [(corners[0] + corners[2]) / 2, (corners[1] + corners[3]) / 2]
    if len(corners) != 2:
        return False
    x, y = (middle / scale for middle in corners)
    x1, y1, x2, y2 = target.unit
    return x1 <= x <= x2 and y1 <= y <= y2


def macro_average(hits: Sequence[bool], cells: Sequence[Hashable]) -> float:
    """Mean over the cells of each cell's share of hits. Raises ValueError for no hits or a missing cell."""
    if not hits or len(hits) != len(cells):
        raise ValueError(f"{len(hits)} clicks in {len(cells)} cells; one cell each")
    shares = []
    for cell in dict.fromkeys(cells):
        inside = [hit for hit, of in zip(hits, cells, strict=True) if of == cell]
        shares.append(sum(inside) / len(inside))
    return sum(shares) / len(shares)
