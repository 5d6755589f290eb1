"""Yes or no: is the object there? POPE's polling of hallucinations, and what its answers are worth.

    answer -> yes | no          positives are "yes":   precision = TP / (TP + FP)    recall = TP / (TP + FN)
                                yes ratio = share of answers that say yes, whatever the truth

`official_pope_answer` is POPE's script (`evaluate.py` of AoiDragon/POPE): the text before the first period, commas
deleted, split at spaces; it is "no" if one of the words is exactly No, no or not, and otherwise "yes". Gibberish,
"NO" and "no!" are therefore "yes". `yes_or_no` looks for whole words in any case, reads "isn't" as no, and returns
None where there is neither or both: the answer is then wrong on every question and counted as unparsed, never as a
"yes".

Report the three splits (random, popular, adversarial) one by one. Not here: making the questions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Answer = Literal["yes", "no"]


def official_pope_answer(text: str) -> Answer:
    """What POPE's script takes the text to say."""
    words = text.split(".")[0].replace(",", "").split(" ")
    return "no" if {"No", "no", "not"} & set(words) else "yes"


def yes_or_no(text: str) -> Answer | None:
    """What the text says, or None: it says neither, or both ("yes, there is no dog")."""
    words = set(re.findall(r"[a-z]+(?:'t)?", text.lower().replace("’", "'")))
    says_no = bool(words & {"no", "not", "cannot", "none", "nope"}) or any(word.endswith("n't") for word in words)
    says_yes = bool(words & {"yes", "yeah", "yep"})
    if says_yes == says_no:
        return None
    return "yes" if says_yes else "no"


@dataclass(frozen=True)
class YesNoScore:
    """Counts of yes/no answers against the truth; "yes" is the positive class.

    true_yes, false_yes, true_no, false_no: answers by what they said and whether it was so.
    unparsed_yes, unparsed_no: answers that said neither, by what would have been true; wrong, and no yes.
    """

    true_yes: int
    false_yes: int
    true_no: int
    false_no: int
    unparsed_yes: int = 0
    unparsed_no: int = 0

    @property
    def n(self) -> int:
        return self.true_yes + self.false_yes + self.true_no + self.false_no + self.unparsed_yes + self.unparsed_no

    @property
    def accuracy(self) -> float:
        return (self.true_yes + self.true_no) / self.n

    @property
    def precision(self) -> float:
        """0 where nothing was answered with yes; POPE's script stops with a division by zero there."""
        return _share(self.true_yes, self.true_yes + self.false_yes)

    @property
    def recall(self) -> float:
        """0 where the truth is never yes."""
        return _share(self.true_yes, self.true_yes + self.false_no + self.unparsed_yes)

    @property
    def f1(self) -> float:
        return _share(2 * self.precision * self.recall, self.precision + self.recall)

    @property
    def yes_ratio(self) -> float:
        """Share of *answers* that say yes (lmms-eval reports the share of truths under this name)."""
        return (self.true_yes + self.false_yes) / self.n


def yes_no_score(answers: Sequence[Answer | None], truths: Sequence[Answer]) -> YesNoScore:
    """Count answers against truths. Raises ValueError for lists that are empty or of different lengths."""
    if not truths or len(answers) != len(truths):
        raise ValueError(f"{len(answers)} answers for {len(truths)} truths; one each, None where none could be read")
    pairs = list(zip(answers, truths, strict=True))
    cells = ("yes", "yes"), ("yes", "no"), ("no", "no"), ("no", "yes"), (None, "yes"), (None, "no")
    return YesNoScore(*(pairs.count(cell) for cell in cells))  # type: ignore[arg-type]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
