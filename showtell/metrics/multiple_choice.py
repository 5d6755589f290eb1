"""Which option did the model choose? A letter read out of a sentence, for multiple choice questions.

    "(B)"   "B"   "b."   "**B**"   "The answer is B."   "B: the red one"   "the red one"        -> B

`official_scienceqa_choice` is the parser of LLaVA's `eval_science_qa.py`, which the published ScienceQA numbers of
such models use: the bare letter; a letter, a period and a space; or exactly one "The answer is X" with any character
after the X (the period of the pattern is not escaped). It strips nothing: "B\\n" fails. `choice` tries, in this
order:

    1. the letter alone, in any case, within brackets, stars or quotes, with one of .):, after it
    2. "answer is X", "answer: X", "option X" with a capital letter, if all of them name the same one
    3. a capital letter at the start followed by .):, and text, or in round brackets, if all of them are the same one
    4. the text of exactly one option, as the whole answer or as words within it

and returns None where all fail, which is wrong, never lucky. Not here: MMMU's parser, which guesses (`mmmu.py`).
"""

import re
from collections.abc import Sequence

from showtell.metrics.text import normalize_answer

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SCIENCEQA_LETTERS = "ABCDE"


def official_scienceqa_choice(text: str, options: Sequence[str]) -> int | None:
    """Index of the chosen option; None where LLaVA's script notes FAILED, or a letter that is no option."""
    said = re.findall(r"The answer is ([A-Z]).", text)
    if len(text) == 1 and text in SCIENCEQA_LETTERS:
        letter = text
    elif text[:1] and text[0] in SCIENCEQA_LETTERS and text[1:3] == ". ":
        letter = text[0]
    elif len(said) == 1:
        letter = said[0]
    else:
        return None
    index = SCIENCEQA_LETTERS.find(letter)
    return index if 0 <= index < len(options) else None


def choice(text: str, options: Sequence[str]) -> int | None:
    """Index of the chosen option, or None where none or several are named. Raises ValueError without options."""
    if not 0 < len(options) <= len(LETTERS):
        raise ValueError(f"a multiple choice question has 1 to {len(LETTERS)} options, not {len(options)}")
    text, letters = text.strip(), LETTERS[: len(options)]
    alone = re.fullmatch(rf"[\s(\[*\"'`]*([{letters}])[\s)\]*\"'`.:,]*", text, re.IGNORECASE | re.ASCII)
    leading = re.match(rf"[(\[*]*([{letters}])[)\]*]*[.):,]\**\s", text)
    for found in (
        {alone[1].upper()} if alone else set(),
        set(re.findall(rf"\b(?i:answer|option|choice)(?i: is)?:?\s*[(\[*\"'`]*([{letters}])\b(?!')", text)),
        set(re.findall(rf"\(([{letters}])\)", text)) | ({leading[1]} if leading else set()),
    ):
        if found:
            return letters.index(found.pop()) if len(found) == 1 else None
    return _named(text, options)


def _named(text: str, options: Sequence[str]) -> int | None:
    said = f" {normalize_answer(text)} "
    normal = [normalize_answer(option) for option in options]
    exact = [index for index, option in enumerate(normal) if option and said == f" {option} "]
    within = [index for index, option in enumerate(normal) if option and f" {option} " in said]
    # "dark red" is not also "red": an option inside another one that was named does not count
    within = [i for i in within if not any(i != j and f" {normal[i]} " in f" {normal[j]} " for j in within)]
    found = exact or within
    return found[0] if len(found) == 1 else None
