"""VQA accuracy: how many of ten people would have said the same.

    accuracy = mean over annotators i of min(1, matches among the other nine / 3)

    matches    0     1     2     3     4 and more
    accuracy   0   0.30  0.60  0.90   1.00

`official_vqa_accuracy` is the VQA v2 script (`PythonEvaluationTools/vqaEvaluation/vqaEval.py` of GT-Vision-Lab/VQA).
It normalises *only where the annotators disagree*: "Yes" is wrong where ten people wrote "yes".
`official_textvqa_accuracy` is MMF's evaluator, which always normalises and starts by deleting commas. `vqa_accuracy`
always normalises, with the rules of `text.py` and number words as digits, and an empty prediction is never right.

The official script leaves one annotator out by comparing whole records, which works because each has an `answer_id`;
here it is done by position. Not here: the per-type averages of the challenge, and the variant min(1, matches / 3)
without leaving one out (OK-VQA in big_vision, Molmo), which differs by up to ten points on an item.
"""

from collections.abc import Callable, Sequence

from showtell.metrics.text import TEENS, UNITS, normalize_answer
from showtell.metrics.vqa_words import official_textvqa_words, official_vqa_words, one_line

DIGITS = {word: str(number) for number, word in enumerate((*UNITS, *TEENS))}


def official_vqa_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Accuracy of one answer, bug for bug. Raises ValueError without answers."""
    answers, prediction = [one_line(answer) for answer in answers], one_line(prediction)
    disagree = len(set(answers)) > 1
    return _agreement(prediction, answers, official_vqa_words if disagree else str)


def official_textvqa_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Accuracy of one answer, bug for bug. Raises ValueError unless there are ten, as the script asserts."""
    if len(answers) != 10:
        raise ValueError(f"TextVQA accuracy is defined over 10 answers, not {len(answers)}")
    return _agreement(prediction, answers, official_textvqa_words)


def vqa_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Accuracy with one normalisation for every item. Raises ValueError without answers."""
    return _agreement(prediction, answers, clean_words) if clean_words(prediction) else 0.0


def clean_words(answer: str) -> str:
    """`normalize_answer`, and number words up to nineteen as digits; "no" stays a word, it answers other questions."""
    return " ".join(DIGITS.get(word, word) for word in normalize_answer(answer).split())


def _agreement(prediction: str, answers: Sequence[str], normal: Callable[[str], str]) -> float:
    if not answers:
        raise ValueError("VQA accuracy needs the annotators' answers, and there are none")
    said = normal(prediction)
    matches = [normal(answer) == said for answer in answers]
    return sum(min(1.0, (sum(matches) - left_out) / 3) for left_out in matches) / len(matches)
