"""The answer normalisation of the VQA challenge, with everything that is odd about it.

    "It's a U.S. flag, isnt it?"  --official_vqa_words-->  "it's us flag isn't it"

Four passes over the whole answer, in this order (Antol et al. 2015; `vqaEval.py` of GT-Vision-Lab/VQA):

    1. each of 21 marks is *deleted* if it touches a space anywhere in the answer, or if the answer has digit, comma,
       digit anywhere; otherwise it becomes a space. "red/blue" gives two words, "red/ blue/green" gives "red bluegreen"
    2. the first 32 periods that no digit follows are deleted (32 is `re.UNICODE`, passed where a count is expected;
       the guard against a digit *before* the period is misspelt and never holds)
    3. lower case; "none" and "zero" to "ten" become digits; the articles go
    4. contractions that lost exactly one apostrophe get it back; "somebody'd" loses its own (a slip of 2015, kept)

`official_textvqa_words` is the same as MMF wrote it for TextVQA: first lower case, commas and question marks deleted
and "'s" split off, and the digit-comma-digit test also fires on "1,,2".

Not here: the accuracy (`vqa.py`), and the normalisation we would choose (`text.py`).
"""

import re

MARKS = ';/[]"{}()=+\\_-><@`,?!'
PERIOD = re.compile(r"\.(?!\d)")
MOST_PERIODS = 32
DIGIT_COMMA_DIGIT = re.compile(r"\d,\d")
DIGIT_COMMAS_DIGIT = re.compile(r"(?<=\d),+(?=\d)")
NUMBERS = {"none": "0", "zero": "0"}
NUMBERS |= {word: str(i + 1) for i, word in enumerate("one two three four five six seven eight nine ten".split())}
ARTICLES = frozenset(("a", "an", "the"))
CONTRACTED = """
'ow's'at 'twas ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't
he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've mustn't
needn't not've o'clock oughtn't shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll
somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd
there'd've there're there's they'd they'd've they'll they're they've wasn't we'd've we've weren't what'll what're
what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've
""".split()
# Every way to lose one apostrophe: "shouldnt've" and "shouldn'tve", but not "shouldntve".
RESTORED = {word[:i] + word[i + 1 :]: word for word in CONTRACTED for i, mark in enumerate(word) if mark == "'"}
RESTORED["somebody'd"] = "somebodyd"


def official_vqa_words(answer: str) -> str:
    """The normal form of the VQA evaluation code."""
    return restore_contractions(strip_marks(answer, DIGIT_COMMA_DIGIT).lower().split())


def official_textvqa_words(answer: str) -> str:
    """The normal form of MMF's TextVQA evaluator (the one LLaVA and lmms-eval carry)."""
    answer = answer.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    answer = one_line(answer)
    return restore_contractions(strip_marks(answer, DIGIT_COMMAS_DIGIT).lower().split())


def one_line(answer: str) -> str:
    """Newlines and tabs as spaces, ends stripped."""
    return answer.replace("\n", " ").replace("\t", " ").strip()


def strip_marks(answer: str, has_thousands: re.Pattern[str], period: re.Pattern[str] = PERIOD) -> str:
    """Pass 1 and 2: `has_thousands` is what makes every mark be deleted, `period` which periods go."""
    stripped, delete_all = answer, has_thousands.search(answer) is not None
    for mark in MARKS:
        touches_space = f"{mark} " in answer or f" {mark}" in answer  # in the answer as it came, not as it is by now
        stripped = stripped.replace(mark, "" if delete_all or touches_space else " ")
    return period.sub("", stripped, count=MOST_PERIODS)


def restore_contractions(words: list[str]) -> str:
    """Pass 3 and 4, of words in lower case."""
    words = [NUMBERS.get(word, word) for word in words]
    return " ".join(RESTORED.get(word, word) for word in words if word not in ARTICLES)
