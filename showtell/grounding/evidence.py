"""The evidence contract: an answer names the boxes it rests on, and an experiment says whether it does.

    the picture                    "two"   <box> <box>
    evidence hidden                ?       the answer should change
    as much hidden elsewhere       ?       it should not                     (several random places)

    faithfulness = [changed without the evidence] - share of the controls in which it changed           in [-1, 1]
    needed       = for each box, whether hiding it alone changes the answer

1: the answer stands and falls with its evidence. 0: it does not matter what is hidden, or everything does. Below 0: the
boxes are decoration, and the answer comes from somewhere else. The answers are written anew on each picture (a decoder
that is made to repeat its boxes would read the answer off them). Two answers are the same when their words are, or,
for answers that are places only, when the places overlap by half.

An answer without boxes makes no claim, and `prove` says so. Hiding is `hiding.py`; over a set of pictures,
`faithfulness.py`. After the "contract" of Jain and Wallace (2019) and DeYoung et al. (2020, comprehensiveness),
who removed words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from showtell.core.geometry import Box, Point, iou
from showtell.grounding.hiding import elsewhere, hide
from showtell.images.decode import Picture
from showtell.instruct.answer import Answer
from showtell.instruct.asking import ask_all
from showtell.instruct.assistant import Assistant, Question
from showtell.metrics.text import normalize_answer

CONTROLS = 4
SAME_PLACE = 0.5
NEAR = 0.1  # of the longer side: points closer than this are the same place


@dataclass(frozen=True)
class Trial:
    """One experiment: the boxes that were hidden, what the model then said, and whether that is another answer."""

    hidden: tuple[Box, ...]
    answer: Answer
    changed: bool


@dataclass(frozen=True)
class Proof:
    """What became of the answer when parts of the picture were hidden.

    evidence: the answer's own boxes.
    without: all evidence hidden.
    each: one box hidden at a time, in the order of `evidence`.
    controls: as much hidden elsewhere; empty where the evidence leaves no room.
    """

    answer: Answer
    evidence: tuple[Box, ...]
    without: Trial
    each: tuple[Trial, ...]
    controls: tuple[Trial, ...]

    @property
    def disturbed(self) -> float | None:
        """Share of the controls in which the answer changed; None without controls."""
        return sum(trial.changed for trial in self.controls) / len(self.controls) if self.controls else None

    @property
    def faithfulness(self) -> float | None:
        """The score at the top; None without controls."""
        return None if self.disturbed is None else float(self.without.changed) - self.disturbed

    @property
    def verdict(self) -> str:
        """One sentence for a person."""
        if self.disturbed is None:
            return "the evidence leaves no room to hide as much elsewhere, so nothing is shown"
        if self.without.changed:
            return (
                "the answer rests on its evidence: hiding it changes the answer, hiding as much elsewhere does not"
                if self.disturbed == 0
                else f"fragile: hiding the evidence changes the answer, and so do {self.disturbed:.0%} of the controls"
            )
        return (
            "not shown: the answer stays the same without its evidence"
            if self.disturbed == 0
            else "unfaithful: the answer survives without its evidence and changes when something else is hidden"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data; boxes are [x1, y1, x2, y2] in pixels of the picture."""

        def plain(trial: Trial) -> dict[str, Any]:
            hidden = [[round(v, 1) for v in box.xyxy] for box in trial.hidden]
            return {"hidden": hidden, "answer": spoken(trial.answer), "changed": trial.changed}

        return {
            "faithfulness": self.faithfulness,
            "verdict": self.verdict,
            "without_evidence": plain(self.without),
            "each_box": [plain(trial) for trial in self.each],
            "controls": [plain(trial) for trial in self.controls],
        }


def prove(
    assistant: Assistant, picture: Picture, question: Question, *, controls: int = CONTROLS, seed: int = 0
) -> Proof | None:
    """Ask, hide, ask again; None when the answer names no box."""
    return prove_all(assistant, [picture], [(0, question)], controls=controls, seed=seed)[0]


def prove_all(
    assistant: Assistant,
    pictures: Sequence[Picture],
    asked: Sequence[tuple[int, Question]],
    *,
    controls: int = CONTROLS,
    seed: int = 0,
) -> list[Proof | None]:
    """`prove` for many questions, in order, in few forward passes."""
    answers = ask_all(assistant, pictures, asked)
    changed_pictures: list[Picture] = []
    hidden: list[tuple[int, tuple[Box, ...]]] = []  # (question, boxes) of each trial
    for row, ((number, _), answer) in enumerate(zip(asked, answers, strict=True)):
        picture = pictures[number]
        for boxes in _experiments(answer, picture, controls, seed):
            changed_pictures.append(Picture(hide(picture.pixels, boxes), picture.frame, f"{picture.source}, changed"))
            hidden.append((row, boxes))
    again = ask_all(assistant, changed_pictures, [(i, asked[row][1]) for i, (row, _) in enumerate(hidden)])
    trials: list[list[Trial]] = [[] for _ in asked]
    for (row, boxes), answer in zip(hidden, again, strict=True):
        trials[row].append(Trial(boxes, answer, not same_answer(answers[row], answer)))
    return [_proof(answer, found) for answer, found in zip(answers, trials, strict=True)]


def _experiments(answer: Answer, picture: Picture, controls: int, seed: int) -> list[tuple[Box, ...]]:
    """What is hidden, one entry a trial: all evidence, each box alone, then the controls."""
    evidence = tuple(found.box for found in answer.boxes)
    if not evidence:
        return []
    places = [elsewhere(evidence, picture.frame, seed + number) for number in range(controls)]
    return [evidence, *((box,) for box in evidence), *(place for place in places if place is not None)]


def _proof(answer: Answer, trials: Sequence[Trial]) -> Proof | None:
    evidence = tuple(found.box for found in answer.boxes)
    if not evidence:
        return None
    count = len(evidence)
    return Proof(answer, evidence, trials[0], tuple(trials[1 : 1 + count]), tuple(trials[1 + count :]))


def same_answer(a: Answer, b: Answer) -> bool:
    """Whether two answers say the same: by their words if either has any, otherwise by their places."""
    if a.answer or b.answer:
        return normalize_answer(a.answer) == normalize_answer(b.answer)
    if len(a.boxes) != len(b.boxes) or len(a.points) != len(b.points):
        return False
    boxes = zip(a.boxes, b.boxes, strict=True)
    points = zip(a.points, b.points, strict=True)
    return all(iou(x.box, y.box) >= SAME_PLACE for x, y in boxes) and all(_near(x.point, y.point) for x, y in points)


def _near(a: Point, b: Point) -> bool:
    side = max(a.frame.width, a.frame.height)
    return ((a.x - b.x) ** 2 + (a.y - b.y) ** 2) ** 0.5 <= NEAR * side


def spoken(answer: Answer) -> str:
    """The words of an answer; of one that is places only, the places."""
    if answer.answer:
        return answer.answer
    places = [" ".join(f"{v:.0f}" for v in found.box.xyxy) for found in answer.boxes]
    places += [f"{found.point.x:.0f} {found.point.y:.0f}" for found in answer.points]
    return ", ".join(f"[{place}]" for place in places) or "(nothing)"
