"""MMMU's answer parsing, bug for bug: letters found in a response, or guessed, and numbers and words of open answers.

    multiple choice   "(B)" anywhere -> " B " anywhere -> the text of an option, in a response of more than five words
                      several -> the one that comes last           none -> a random option

    open question     the tail after "is ", "so ", "answer " ... of each line, the numbers in it, all to two decimals;
                      right if a true string lies *within* one of them ("art" in "cartography"), or a true number is one

(Yue et al. 2024; `eval_utils.py` of MMMU-Benchmark/MMMU.) The random option comes from a generator seeded once with
42, so a score depends on the order of the questions and on how many answers fail to parse; here the generator is an
argument. Kept as well: the article in " A dog" is option A, "**B**" and "b" are guesses, the sentence splitter looks
for capitals in lower-cased text and so never splits.

Clean are `multiple_choice.choice`, which returns None instead of guessing, and `open_answer` here: the last number
stated against the true number, or equal words; nothing inside another word counts. Scores are means over questions;
MMMU's "overall" weights subjects by their size, which is the same.
"""

import random
import re
from collections.abc import Sequence

from showtell.metrics.text import normalize_answer

ENDS = (",", ".", "!", "?", ";", ":", "'")
KEYS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
WITH_COMMAS = r"-?\b\d{1,3}(?:,\d{3})+\b"
SCIENTIFIC = r"-?\d+(?:\.\d+)?[eE][+-]?\d+"
SIMPLE = r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"


def official_mmmu_choice(response: str, options: Sequence[str], generator: random.Random) -> int:
    """Index of the chosen or guessed option; `generator` is `random.Random(42)`, one for the whole run."""
    for mark in ENDS:
        response = response.strip(mark)
    response = f" {response} "
    lower = response.lower()
    letters = [chr(ord("A") + index) for index in range(len(options))]
    named = {index: option.lower() for index, option in enumerate(options)} if len(response.split()) > 5 else {}
    for text, forms in (
        (response, {index: f"({letter})" for index, letter in enumerate(letters)}),
        (response, {index: f" {letter} " for index, letter in enumerate(letters)}),
        (lower, named),
    ):
        places = {index: text.rfind(form) for index, form in forms.items() if form in text}
        if places:
            return max(places, key=places.__getitem__)
    return letters.index(generator.choice(letters))


def official_mmmu_open(response: str, truths: str | Sequence[str]) -> bool:
    """Whether an open answer counts as right."""
    accepted = [form for truth in ([truths] if isinstance(truths, str) else truths) for form in _forms(truth)]
    tails = _tails(response)
    numbers = [
        number for tail in tails for kind in (WITH_COMMAS, SCIENTIFIC, SIMPLE) for number in re.findall(kind, tail)
    ]
    for said in (form for part in (*tails, *numbers) for form in _forms(part)):
        if isinstance(said, str):
            if any(isinstance(true, str) and true in said for true in accepted):
                return True
        elif said in accepted:
            return True
    return False


def open_answer(response: str, truths: Sequence[str]) -> bool:
    """Whether the last number of the response is a true one to two decimals, or its words are a true answer's."""
    numbers = re.findall(rf"{WITH_COMMAS}|{SCIENTIFIC}|{SIMPLE}", response)
    for truth in truths:
        true = _number(truth)
        if true is not None:
            if numbers and round(float(numbers[-1].replace(",", "")), 2) == true:
                return True
        elif normalize_answer(truth) and normalize_answer(truth) == normalize_answer(_tails(response)[-1]):
            return True
    return False


def _tails(response: str) -> list[str]:
    """The shortest text after a key word, of each line that has one; else the whole response."""
    response = response.strip().strip(".").lower()
    tails, lines = [], response.split("\n")
    for index, line in enumerate(lines):
        keys = (*KEYS, "=") if index == len(lines) - 1 else KEYS
        shortest = None
        for key in keys:
            tail = line.split(key)[-1].strip()
            if key in line and (not shortest or len(tail) < len(shortest)):
                shortest = tail
        if shortest and shortest not in ENDS:
            tails.append(shortest)
    return tails or [response]


def _forms(text: str) -> list[str | float]:
    number = _number(text)
    if number is not None:
        return [number]
    text = text.strip().lower()
    return [f" {text}", f"{text} "] if len(text) == 1 else [text]  # so that one letter does not match inside words


def _number(text: str) -> float | None:
    try:
        return round(float(text.strip().replace(",", "")), 2)
    except ValueError:
        return None
