"""Where well-known harnesses depart from the official scores: their own definitions, to be told apart by name.

    metric     lmms-eval 0.7                                       VLMEvalKit 0.0.20
    vqa        always normalises; "1,,2" counts as thousands       always normalises; a period after a digit stays
    pope       the whole answer must be "yes" or "no"              exactly one of the words yes, no; else neither
    mmmu       also "A " inside a word ("USA "), also "A."         a lone letter near the end or one option; else asks
    gqa        ignores case and every punctuation mark             -
    refcoco    first [a, b, c, d], as fractions; else all zeros    guesses the space from the largest number
    screenspot boxes only; divides by 1000 if a number is above 1  -

These are restated from what the harnesses compute and held to it by golden vectors, so that `showtell metrics diff`
can say by how much a published number moves. None of them is a recommendation. Boxes are xyxy: pixels of the picture
where a size is given, fractions where none is. Not here: prompts, which move scores more than any of this.
"""

import random
import re
import string
from collections.abc import Sequence

from showtell.metrics.vqa_words import (
    DIGIT_COMMA_DIGIT,
    DIGIT_COMMAS_DIGIT,
    one_line,
    restore_contractions,
    strip_marks,
)

KIT_PERIOD = re.compile(r"(?<!\d)\.(?!\d)")
FOUR = re.compile(r"\[\s*" + r",\s*".join([r"(-?\d+(?:\.\d+)?)"] * 4) + r"\s*\]")
FOUR_IN_ANY = re.compile(r"[\[(]\s*" + r",\s*".join([r"(-?\d+(?:\.\d+)?)"] * 4) + r"\s*[\])]")
KIT_NUMBER = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"
KIT_FOUR = re.compile(r"\[\s*" + r"(?:\s*,\s*|\s+)".join([f"({KIT_NUMBER})"] * 4) + r"\s*\]")
KIT_SPACED = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
KIT_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
Corners = tuple[float, float, float, float]


def lmms_vqa_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """lmms-eval's VQAv2: normalises unanimous answers too."""
    said, *true = [_lmms_words(text) for text in (prediction, *answers)]
    return _agreement(said, true)


def kit_vqa_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """VLMEvalKit's VQA score: normalises always, with another rule for periods."""
    said, *true = [_kit_words(text) for text in (prediction, *answers)]
    return _agreement(said, true)


def lmms_pope_answer(text: str) -> str:
    """lmms-eval's POPE: the answer itself in lower case; only "yes" and "no" are one."""
    return text.lower().strip()


def kit_pope_answer(text: str) -> str:
    """VLMEvalKit's Y/N questions, before any judge: yes, no or unknown."""
    words = set(_kit_strip(text.lower()).split())
    if ("yes" in words) == ("no" in words):
        return "unknown"
    return "yes" if "yes" in words else "no"


def lmms_mmmu_choice(response: str, options: Sequence[str], generator: random.Random) -> int:
    """lmms-eval's MMMU: a letter and a space anywhere, even inside a word; of several, by where " X " stands last."""
    for mark in ",.!?;:'":
        response = response.strip(mark)
    response = f" {response} "
    letters = [chr(ord("A") + index) for index in range(len(options))]
    named = [option.lower() for option in options] if len(response.split()) > 5 else []
    for text, forms, places in (
        (response, [f"({letter})" for letter in letters], [f"({letter})" for letter in letters]),
        (response, [f"{letter} " for letter in letters], [f" {letter} " for letter in letters]),
        (response, [f"{letter}." for letter in letters], [f" {letter} " for letter in letters]),
        (response.lower(), named, named),
    ):
        found = [index for index, form in enumerate(forms) if form in text]
        if found:
            return max(found, key=lambda index: text.rfind(places[index]))
    return letters.index(generator.choice(letters))


def kit_choice(text: str, options: Sequence[str]) -> int | None:
    """VLMEvalKit's choice by rules; None where it would ask a language model, or the answer is a refusal.

    One letter standing alone, among the last five words; else the one option whose text the answer holds.
    """
    letters = [chr(ord("A") + index) for index in range(len(options))]
    if any(sentence in text for sentence in KIT_REFUSALS):
        return None
    words = text.translate(KIT_SPACED).split()
    named = [letter for letter in letters if letter in words]
    if len(named) == 1 and words.index(named[0]) > len(words) - 5:
        return letters.index(named[0])
    if not named and "Z" in words:
        return None
    return _kit_named(text, options)


def _kit_named(text: str, options: Sequence[str]) -> int | None:
    if len(text.lower()) > 2 * sum(map(len, options)):
        return None
    held = [index for index, option in enumerate(options) if option.lower() in text.lower()]
    return held[0] if len(held) == 1 else None


def lmms_gqa_match(prediction: str, truth: str) -> bool:
    """lmms-eval's GQA: equal but for case and ASCII punctuation.

    NumPy does the lower case there, in as many letters as the text had: "İ" becomes two, and the last letter is lost.
    """
    dropped = str.maketrans("", "", string.punctuation)
    said, true = (text.lower()[: len(text)].translate(dropped) for text in (prediction, truth))
    return said == true


def lmms_refcoco_iou(text: str, truth: Corners) -> float:
    """lmms-eval's RefCOCO: IoU of the first bracketed box, `truth` as fractions; without one, of a box of zeros."""
    match = FOUR.search(text)
    said = tuple(float(number) for number in match.groups()) if match else (0.0, 0.0, 0.0, 0.0)
    return _signed_iou(truth, said)  # type: ignore[arg-type]


def lmms_screenspot_hit(text: str, truth: Corners) -> bool:
    """lmms-eval's ScreenSpot: the middle of the first box of four numbers, by 1000 if one is above 1; no points."""
    match = FOUR_IN_ANY.search(text)
    said = [float(number) for number in match.groups()] if match else [0.0] * 4
    if max(said) > 1:
        said = [number / 1000 for number in said]
    x, y = (said[0] + said[2]) / 2, (said[1] + said[3]) / 2
    return truth[0] <= x <= truth[2] and truth[1] <= y <= truth[3]


def kit_refcoco_iou(text: str, truth: Corners, width: float, height: float) -> float:
    """VLMEvalKit's RefCOCO: up to 1.5 they are fractions, up to 1000 thousandths, beyond that pixels."""
    match = KIT_FOUR.search(text)
    numbers = [float(n) for n in (match.groups() if match else re.findall(KIT_NUMBER, text)[:4])]
    if len(numbers) < 4:
        return 0.0
    largest = max(abs(number) for number in numbers)
    scale = 1.0 if largest <= 1.5 else 1000.0 if largest <= 1000 else None
    xs, ys = (
        [n / scale * side if scale else n for n in pair]
        for pair, side in ((numbers[::2], width), (numbers[1::2], height))
    )
    x1, x2 = sorted(min(max(x, 0.0), width) for x in xs)
    y1, y2 = sorted(min(max(y, 0.0), height) for y in ys)
    return _signed_iou((x1, y1, x2, y2), truth)


def _signed_iou(a: Corners, b: Corners) -> float:
    """IoU without a look at the order of the edges: a reversed box has a negative area or two."""
    common = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - common
    return common / union if union else 0.0  # lmms-eval stops with a division by zero there


def _lmms_words(answer: str) -> str:
    return restore_contractions(strip_marks(one_line(answer), DIGIT_COMMAS_DIGIT).lower().split())


def _kit_words(answer: str) -> str:
    return restore_contractions(_kit_strip(one_line(answer)).lower().split())


def _kit_strip(answer: str) -> str:
    return strip_marks(answer, DIGIT_COMMA_DIGIT, KIT_PERIOD)


def _agreement(said: str, answers: Sequence[str]) -> float:
    matches = [answer == said for answer in answers]
    return sum(min(1.0, (sum(matches) - left_out) / 3) for left_out in matches) / len(matches)
