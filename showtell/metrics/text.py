"""Short answers as text: exact match and counts, in their clean form.

    "The red-brown dog's ball."  --normalize_answer-->  "red brown dogs ball"

Normalisation, in this order:

    1. Unicode compatibility form (NFKC) and lower case
    2. apostrophes deleted; commas between digits deleted ("1,000" -> "1000"); a point between digits and a minus
       before a number are kept; all other punctuation becomes a space, except "%" which changes what is said
    3. the articles a, an, the dropped, unless nothing would be left (the letter "A" read from a sign is an answer)
    4. white space collapsed

It treats every answer alike. The official VQA script does not: it skips normalisation where annotators agree, strips
different marks depending on digits elsewhere in the string, and maps number words. Never mix scores of the two.
Not here: VQA accuracy over ten annotators (`vqa.py`), ANLS (`anls.py`), relaxed accuracy (`relaxed.py`), error rates of
read text (`error_rates.py`), and the official normalisation (`vqa_words.py`).
"""

import re
import unicodedata
from collections.abc import Collection

ARTICLES = frozenset(("a", "an", "the"))
UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
TEENS = ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBER_WORDS = {word: number for number, word in enumerate((*UNITS, *TEENS))}
NUMBER_WORDS |= {word: 20 + 10 * index for index, word in enumerate(TENS)}
NUMBER_WORDS |= {"no": 0, "none": 0}


def normalize_answer(text: str) -> str:
    """The form in which answers are compared; see the module's docstring."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"['’`]", "", text)
    text = re.sub(r"(?<=\d),(?=\d)", "", text)
    text = "".join(_keep_or_space(text, index) for index in range(len(text)))
    words = text.split()
    return " ".join([word for word in words if word not in ARTICLES] or words)


def _keep_or_space(text: str, index: int) -> str:
    mark, before, after = text[index], text[index - 1 : index], text[index + 1 : index + 2]
    if not unicodedata.category(mark).startswith("P") or mark == "%":
        return mark
    is_point = mark == "." and before.isdigit() and after.isdigit()
    is_minus = mark == "-" and not before.strip() and after.isdigit()
    return mark if is_point or is_minus else " "


def exact_match(prediction: str, accepted: Collection[str]) -> bool:
    """Whether the prediction is one of the accepted answers, both normalised; an empty prediction never is."""
    answer = normalize_answer(prediction)
    return bool(answer) and any(answer == normalize_answer(truth) for truth in accepted)


def parse_count(text: str) -> int | None:
    """The one whole number that a sentence states, in digits or words up to ninety-nine ("no", "none" are 0).

    None when there is none, when two different ones are stated ("two dogs and three cats"), or one is not whole.
    """
    words = normalize_answer(text).split()
    numbers, index = set(), 0
    while index < len(words):
        word, number = words[index], NUMBER_WORDS.get(words[index])
        if re.fullmatch(r"-?\d+(\.\d+)?%?", word):
            if not word.isdigit():
                return None
            number = int(word)
        elif word in TENS and NUMBER_WORDS.get(" ".join(words[index + 1 : index + 2]), 0) in range(1, 10):
            index += 1
            number = NUMBER_WORDS[word] + NUMBER_WORDS[words[index]]
        if number is not None:
            numbers.add(number)
        index += 1
    return numbers.pop() if len(numbers) == 1 else None


def count_match(prediction: str, count: int) -> bool:
    """Whether the prediction states exactly this number and no other."""
    return parse_count(prediction) == count
