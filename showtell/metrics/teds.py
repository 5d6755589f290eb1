"""TEDS: how much of a table was read, as the edit distance between two trees of cells.

    <table>                            1 - edits / nodes of the larger tree
      <tr> <td>a</td> <td>b</td> </tr>      inserting or deleting a node      1
    </table>                                another tag, colspan or rowspan   1
                                            another text in a cell            its normalised Levenshtein distance

(Zhong et al. 2020; the distance is that of Zhang and Shasha 1989, which APTED computes too.) `official_teds` is
`metric.py` of PubTabNet: the answer must begin with <html> and hold the table directly in <body>, or it scores 0; the
text of <th> cells is not compared at all; tags inside a cell are tokens of its text *and* counted as nodes to divide
by; a missing or empty answer is 0. `teds` takes a bare <table>, reads <th> as <td>, collapses white space, ignores
tags inside cells and divides by the nodes it compared. `structure_only` leaves out all text (TEDS-S). At most
`MOST_PAIRS` pairs of nodes: the time grows with them. Not here: Markdown or LaTeX tables, and what a browser would
make of broken HTML beyond cells and rows left open.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from html.parser import HTMLParser

from showtell.metrics.edit_distance import levenshtein

MOST_PAIRS = 4_000_000
DEEPEST = 200  # tags within tags; deeper ones are read as if closed at once
VOID = frozenset(("br", "img", "hr", "input", "col", "wbr", "meta", "link"))
CLOSES = {  # an opening tag ends what was left open, up to the first of these
    "td": ("tr", "table"),
    "th": ("tr", "table"),
    "tr": ("thead", "tbody", "tfoot", "table"),
    "thead": ("table",),
    "tbody": ("table",),
    "tfoot": ("table",),
}
CELLS = ("td", "th")
FULL_PAGE = re.compile(r"^\s*<(?:html|!doctype)", re.IGNORECASE)


@dataclass
class Element:
    """A tag, what it says about itself, and what is in it: elements, and texts as they stood."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    content: list["Element | str"] = field(default_factory=list)

    @property
    def elements(self) -> list["Element"]:
        return [one for one in self.content if isinstance(one, Element)]


@dataclass(frozen=True)
class Node:
    """A node of the tree that is compared; `text` is empty except in cells."""

    tag: str
    spans: tuple[int, int] | None
    text: tuple[str, ...]
    children: tuple["Node", ...]


class _Reader(HTMLParser):
    """Builds the elements; cells, rows and sections may be left open."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        within = [element.tag for element in self.open]
        if tag in CLOSES and "table" in within:
            keep = max(index for index, name in enumerate(within) if name in CLOSES[tag])
            del self.open[keep + 1 :]
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].content.append(element)
        if tag not in VOID and len(self.open) < DEEPEST:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        names = [element.tag for element in self.open]
        if tag in names[1:]:
            del self.open[len(names) - 1 - names[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        self.open[-1].content.append(data)


def official_teds(prediction: str, truth: str, structure_only: bool = False) -> float:
    """Similarity of two pages with a table each, bug for bug. Raises ValueError for spans that are no numbers."""
    tables = [_official_table(page) for page in (prediction, truth)]
    if tables[0] is None or tables[1] is None:
        return 0.0
    trees = [_official_node(table, structure_only) for table in tables if table]
    nodes = max(_inside(table) for table in tables if table)
    return 1.0 - tree_distance(*trees) / nodes if nodes else 1.0  # two empty tables; the script divides by zero


def teds(prediction: str, truth: str, structure_only: bool = False) -> float:
    """Similarity of two tables; 0 where the prediction holds none. Raises ValueError where the truth holds none."""
    said, true = _first_table(prediction), _first_table(truth)
    if true is None:
        raise ValueError("the true answer holds no <table>")
    if said is None:
        return 0.0
    trees = [_clean_node(table, structure_only) for table in (said, true)]
    return 1.0 - tree_distance(*trees) / max(_size(tree) for tree in trees)


def tree_distance(a: Node, b: Node) -> float:
    """Fewest edits between two ordered trees (Zhang and Shasha). Raises ValueError for trees of too many nodes."""
    first, second = _Flat.of(a), _Flat.of(b)
    sizes = len(first.nodes), len(second.nodes)
    if sizes[0] * sizes[1] > MOST_PAIRS:
        raise ValueError(f"tables of {sizes[0]} and {sizes[1]} nodes are too large to compare")
    distance = [[0.0] * len(second.nodes) for _ in first.nodes]
    for i in first.roots:
        for j in second.roots:
            _forest_distances(first, second, i, j, distance)
    return distance[-1][-1]


@dataclass(frozen=True)
class _Flat:
    """A tree in postorder: its nodes, the leftmost leaf under each, and the last node above each leftmost leaf."""

    nodes: list[Node]
    leftmost: list[int]
    roots: list[int]

    @classmethod
    def of(cls, tree: Node) -> "_Flat":
        nodes: list[Node] = []
        leftmost: list[int] = []

        def visit(node: Node) -> int:
            first = [visit(child) for child in node.children]
            nodes.append(node)
            leftmost.append(first[0] if first else len(nodes) - 1)
            return leftmost[-1]

        visit(tree)
        return cls(nodes, leftmost, sorted({leaf: index for index, leaf in enumerate(leftmost)}.values()))


def _forest_distances(first: _Flat, second: _Flat, i: int, j: int, distance: list[list[float]]) -> None:
    """Fill in the distances of all pairs of subtrees on the left paths of nodes i and j."""
    a, b = first.leftmost[i], second.leftmost[j]
    row = [float(column) for column in range(j - b + 2)]
    rows = [row]
    for x in range(a, i + 1):
        row = [rows[-1][0] + 1.0]
        for y in range(b, j + 1):
            cheapest = min(rows[-1][y - b + 1], row[-1]) + 1.0
            if first.leftmost[x] == a and second.leftmost[y] == b:
                cheapest = min(cheapest, rows[-1][y - b] + _rename(first.nodes[x], second.nodes[y]))
                distance[x][y] = cheapest
            else:
                cheapest = min(cheapest, rows[first.leftmost[x] - a][second.leftmost[y] - b] + distance[x][y])
            row.append(cheapest)
        rows.append(row)


def _rename(a: Node, b: Node) -> float:
    if a.tag != b.tag or a.spans != b.spans:
        return 1.0
    return 0.0 if a.text == b.text else levenshtein(a.text, b.text) / max(len(a.text), len(b.text))


def _official_table(page: str) -> Element | None:
    if not FULL_PAGE.match(page):
        return None
    for html in _elements(page).elements:
        for body in html.elements if html.tag == "html" else ():
            for table in body.elements if body.tag == "body" else ():
                if table.tag == "table":
                    return table
    return None


def _first_table(page: str) -> Element | None:
    found = [_elements(page)]
    while found:
        element = found.pop(0)
        if element.tag == "table":
            return element
        found = element.elements + found
    return None


def _elements(page: str) -> Element:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.open[0]


def _official_node(element: Element, structure_only: bool) -> Node:
    if element.tag == "td":
        spans = int(element.attributes.get("colspan", "1")), int(element.attributes.get("rowspan", "1"))
        return Node("td", spans, () if structure_only else tuple(_tokens(element)), ())
    return Node(element.tag, None, (), tuple(_official_node(one, structure_only) for one in element.elements))


def _clean_node(element: Element, structure_only: bool) -> Node:
    if element.tag in CELLS:
        words = unicodedata.normalize("NFC", _text(element)).split()
        return Node(
            "td",
            (_span(element, "colspan"), _span(element, "rowspan")),
            () if structure_only else tuple(" ".join(words)),
            (),
        )
    return Node(element.tag, None, (), tuple(_clean_node(one, structure_only) for one in element.elements))


def _span(element: Element, name: str) -> int:
    said = element.attributes.get(name, "1").strip()
    return int(said) if re.fullmatch(r"[1-9]\d{0,3}", said) else 1  # as a browser does


def _tokens(element: Element) -> list[str]:
    """The characters of a cell, and the tags in it as one token each."""
    tokens: list[str] = []
    for one in element.content:
        if isinstance(one, str):
            tokens += one
        else:
            tokens += [f"<{one.tag}>", *_tokens(one), f"</{one.tag}>"]
    return tokens


def _text(element: Element) -> str:
    return "".join(
        one if isinstance(one, str) else f" {_text(one)}" if one.tag == "br" else _text(one) for one in element.content
    )


def _inside(element: Element) -> int:
    return sum(1 + _inside(one) for one in element.elements)


def _size(node: Node) -> int:
    return 1 + sum(_size(child) for child in node.children)
