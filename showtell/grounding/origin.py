"""Where an answer came from: every map of its words, judged by deletion, and the map of each word by itself.

    evidence     patches under the answer's own boxes, by the share that a box covers
    occlusion, patching, attention, gradient                      `word_maps.py`
    random       the order that knows nothing

The ranking with the least area under its deletion curve is the one to believe. `words` tells, for each word or place
that was written, the patch whose hiding cost it most. Not here: the experiment on the boxes (`evidence.py`).
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from showtell.core.geometry import Box
from showtell.grounding.deletion import Curve, deletion_curve, random_ranking
from showtell.grounding.word_maps import KINDS, Words, box_shares, occlusion_by_token, word_map, words_of
from showtell.images.decode import Picture
from showtell.instruct.answer import Answer, token_groups
from showtell.instruct.assistant import Assistant, Question


@dataclass(frozen=True, eq=False)
class Origin:
    """The maps of one answer.

    cells: each patch in pixels of the original picture, row by row; None in the padding.
    maps: values of the patches, by the name of the ranking.
    curves: their deletion curves.
    words: (text, patch that mattered most) of each word or place written.
    """

    answer: Answer
    grid: tuple[int, int]
    cells: tuple[Box | None, ...]
    maps: dict[str, Tensor]
    curves: dict[str, Curve]
    words: tuple[tuple[str, int], ...]

    @property
    def areas(self) -> dict[str, float]:
        """Area under each deletion curve; less is better."""
        return {kind: curve.area for kind, curve in self.curves.items()}

    @property
    def best(self) -> str:
        """The ranking to believe."""
        return min(self.areas, key=self.areas.__getitem__)

    def strength(self, kind: str) -> list[float]:
        """Values of a map from 0 to 1, for drawing; what lowers the answer's chance by being there counts 0."""
        values = self.maps[kind].clamp(min=0)
        return (values / values.max().clamp(min=1e-12)).tolist()

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "believe": self.best,
            "deletion_area": {kind: round(area, 4) for kind, area in self.areas.items()},
            "words": [
                {
                    "text": text,
                    "patch": None if (cell := self.cells[patch]) is None else [round(v, 1) for v in cell.xyxy],
                }
                for text, patch in self.words
            ],
            "grid": list(self.grid),
            "maps": {kind: [round(v, 4) for v in self.strength(kind)] for kind in self.maps if kind != "random"},
        }


def origin_of(assistant: Assistant, picture: Picture, question: Question, answer: Answer) -> Origin:
    """Raises ConfigError when the answer was not written by this model."""
    words = words_of(assistant, picture, question, answer)
    rankings = {kind: word_map(words, kind) for kind in KINDS}
    if answer.boxes:
        rankings = {"evidence": box_shares(words, [found.box for found in answer.boxes])} | rankings
    rankings["random"] = random_ranking(words.patches, seed=0)
    curves = {kind: deletion_curve(words, ranking) for kind, ranking in rankings.items()}
    return Origin(answer, words.grid, tuple(words.view.cells(*words.grid)), rankings, curves, _words(words, answer))


def _corners(cell: Box | None) -> list[float] | None:
    return None if cell is None else [round(v, 1) for v in cell.xyxy]


def _words(words: Words, answer: Answer) -> tuple[tuple[str, int], ...]:
    by_token = occlusion_by_token(words)
    found = []
    for group in token_groups(answer.tokens):
        fall = by_token[:, group.start : group.start + len(group.tokens)].mean(dim=1)
        found.append(("".join(token.text for token in group.tokens).strip(), int(fall.argmax())))
    return tuple(found)
