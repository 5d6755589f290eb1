"""Scores of short answers against golden vectors of the reference implementations, and where the clean form departs."""

import math
import random

import pytest
from golden import golden
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.geometry import Box, Frame
from showtell.metrics.anls import anls, official_anls
from showtell.metrics.edit_distance import levenshtein
from showtell.metrics.error_rates import cer, official_cer, official_wer, wer
from showtell.metrics.gqa import official_gqa_match
from showtell.metrics.mmmu import official_mmmu_choice, official_mmmu_open, open_answer
from showtell.metrics.multiple_choice import choice, official_scienceqa_choice
from showtell.metrics.relaxed import official_relaxed_match, relaxed_match
from showtell.metrics.screens import macro_average, official_click
from showtell.metrics.vqa import official_textvqa_accuracy, official_vqa_accuracy, vqa_accuracy
from showtell.metrics.yes_no import YesNoScore, official_pope_answer, yes_no_score, yes_or_no

words = st.text(alphabet="ab ,.é'", max_size=12)


def test_vqa_is_the_official_script_to_the_last_bit():
    rows = golden("vqa")
    assert len(rows) > 2000
    for said, answers, official, textvqa, *_ in rows:
        assert official_vqa_accuracy(said, answers) == official, (said, answers)
        assert official_textvqa_accuracy(said, answers) == pytest.approx(textvqa, abs=1e-9), (said, answers)
    assert len({row[2] for row in rows}) >= 5


def test_official_vqa_is_case_sensitive_only_where_all_agree():
    assert official_vqa_accuracy("Yes", ["yes"] * 10) == 0
    assert official_vqa_accuracy("Yes", ["yes"] * 9 + ["no"]) == 1
    assert vqa_accuracy("Yes", ["yes"] * 10) == 1


def test_clean_vqa_reads_numbers_and_refuses_silence():
    assert vqa_accuracy("two", ["2"] * 10) == 1
    assert vqa_accuracy("", [""] * 10) == 0
    assert vqa_accuracy("no", ["0"] * 10) == 0
    assert [round(vqa_accuracy("x", ["x"] * n + ["y"] * (10 - n)), 2) for n in range(5)] == [0, 0.3, 0.6, 0.9, 1]


def test_vqa_without_answers_is_refused():
    with pytest.raises(ValueError, match="annotators"):
        official_vqa_accuracy("x", [])
    with pytest.raises(ValueError, match="10 answers, not 3"):
        official_textvqa_accuracy("x", ["x"] * 3)


def test_anls_against_the_competition_script_and_the_paper():
    rows = golden("anls")
    assert len(rows) > 2000
    for said, truths, official, paper in rows:
        assert official_anls(said, truths) == pytest.approx(official, abs=1e-12), (said, truths)
        if all(
            len(text.upper()) == len(text.lower()) == len(text) for text in (said, *truths)
        ):  # no "ß", which is "SS"
            assert anls(said, truths) == pytest.approx(paper, abs=1e-12), (said, truths)
    assert any(row[2] != row[3] for row in rows)


def test_anls_departs_at_one_half_and_with_padding():
    assert (official_anls("ax", ["ab"]), anls("ax", ["ab"])) == (0.5, 0.0)
    assert official_anls("abx" + " " * 5, ["abcd"]) > official_anls("abx", ["abcd"])
    assert anls("abx" + " " * 5, ["abcd"]) == anls("abx", ["abcd"])


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=70), st.lists(st.integers(0, 3), max_size=70))
def test_levenshtein_is_the_dynamic_program(a: list[int], b: list[int]):
    row = list(range(len(b) + 1))
    for i, left in enumerate(a):
        previous, row = row, [i + 1]
        for j, right in enumerate(b):
            row.append(min(previous[j + 1] + 1, row[j] + 1, previous[j] + (left != right)))
    assert levenshtein(a, b) == row[-1] == levenshtein(b, a)


def test_relaxed_accuracy_is_pix2struct():
    rows = golden("relaxed")
    for said, truth, official in rows:
        assert official_relaxed_match(said, truth) == bool(official), (said, truth)
    assert 0.1 < sum(row[2] for row in rows) / len(rows) < 0.9


@pytest.mark.parametrize(
    ("said", "truth", "official", "clean"),
    [
        ("0.0", "0", False, True),
        ("0.001", "0", False, False),
        ("1,000", "1000", False, True),
        ("$5", "5", False, True),
        ("12", "12%", False, True),
        ("−3", "-3", False, True),
        ("2019", "2000", True, True),
        ("nan", "nan", False, True),  # to float("nan"), which equals nothing; clean: a word
        ("red ", "Red", False, True),
        ("", "", True, False),
        ("1,2", "12", False, False),  # no thousands separator
    ],
)
def test_where_relaxed_accuracy_departs(said: str, truth: str, official: bool, clean: bool):
    assert official_relaxed_match(said, truth) is official
    assert relaxed_match(said, [truth]) is clean


def test_pope_is_the_official_script():
    for answers, truths, counts, scores, *_ in golden("pope"):
        ours = yes_no_score([official_pope_answer(answer) for answer in answers], truths)
        assert [ours.true_yes, ours.false_yes, ours.true_no, ours.false_no] == counts
        if scores is not None:
            assert [ours.accuracy, ours.precision, ours.recall, ours.f1, ours.yes_ratio] == pytest.approx(
                scores, abs=1e-12
            )


@pytest.mark.parametrize(
    ("text", "official", "clean"),
    [
        ("Yes, there is.", "yes", "yes"),
        ("NO", "yes", "no"),
        ("no!", "yes", "no"),
        ("There isn’t a dog", "yes", "no"),
        ("banana", "yes", None),
        ("", "yes", None),
        ("yes, not here", "no", None),
        ("Yes. Nothing else.", "yes", "yes"),
        ("I know.", "yes", None),
    ],
)
def test_where_pope_departs(text: str, official: str, clean: str | None):
    assert official_pope_answer(text) == official
    assert yes_or_no(text) == clean


def test_an_answer_that_says_neither_is_wrong_and_no_yes():
    score = yes_no_score([None, None, "yes", "no"], ["yes", "no", "yes", "no"])
    assert score == YesNoScore(1, 0, 1, 0, 1, 1)
    assert (score.n, score.accuracy, score.recall, score.precision, score.yes_ratio) == (4, 0.5, 0.5, 1, 0.25)
    assert yes_no_score(["no"], ["no"]).f1 == 0
    with pytest.raises(ValueError, match="1 answers for 2"):
        yes_no_score(["no"], ["no", "yes"])


def test_mmmu_and_scienceqa_parse_as_the_references():
    vectors, generator = golden("choices"), random.Random(42)
    for (response, options), mmmu, science in zip(vectors["rows"], vectors["mmmu"], vectors["scienceqa"], strict=True):
        assert official_mmmu_choice(response, options, generator) == mmmu, (response, options)
        said = official_scienceqa_choice(response, options)
        assert (-1 if said is None else said) == science, (response, options)


def test_mmmu_open_answers_are_judged_as_the_reference():
    rows = golden("open_answers")
    for response, truths, right in rows:
        assert official_mmmu_open(response, truths) == bool(right), (response, truths)
    assert 0.1 < sum(row[2] for row in rows) / len(rows) < 0.9


def test_open_answers_cleanly():
    assert official_mmmu_open("cartography", "art") and not open_answer("cartography", ["art"])
    assert open_answer("3 + 4 = 7", ["7"]) and not open_answer("7 is not 8", ["7"])
    assert open_answer("It is the Mona Lisa.", ["Mona Lisa"])
    assert not open_answer("", ["7"])


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("B", 1),
        ("b", 1),
        ("**B**", 1),
        ("(B)", 1),
        ("B.", 1),
        (" B)\n", 1),
        ("B. the blue one", 1),
        ("The answer is B", 1),
        ("the correct option is (C).", 2),
        ("Answer: C because A is wrong", 2),
        ("The answer is A. No, the answer is B.", None),
        ("blue", 1),
        ("I see a dark red ball", 3),
        ("A dog is on the grass", None),
        ("It is from the USA", None),
        ("red or blue", None),
        ("", None),
        ("E", None),
        ("(A) or (B)", None),
        ("The answer is A's", None),
    ],
)
def test_a_choice_is_read_or_refused_and_never_guessed(text: str, index: int | None):
    assert choice(text, ["red", "blue", "green", "dark red"]) == index


def test_a_question_without_options_is_refused():
    with pytest.raises(ValueError, match="1 to 26 options, not 0"):
        choice("A", [])


def test_gqa_is_exact():
    assert official_gqa_match("Yes..", "yes")
    assert not official_gqa_match(" yes", "yes")


def test_clicks_are_read_as_seeclick_does():
    rows = golden("clicks")
    for text, (x, y, width, height), size, right in rows:
        target = Box(x, y, x + width, y + height, Frame(*size))
        assert official_click(text, target) == bool(right), (text, target)
    assert 0.1 < sum(row[3] for row in rows) / len(rows) < 0.9


def test_the_macro_average_weighs_cells_alike():
    assert macro_average([True, True, True, False], ["web", "web", "web", "icon"]) == 0.5
    with pytest.raises(ValueError, match="1 clicks in 0 cells"):
        macro_average([True], [])


def test_error_rates_are_jiwer():
    rows = golden("error_rates")
    for said, truths, characters, by_word in rows:
        assert official_cer(said, truths) == pytest.approx(characters, abs=1e-12), (said, truths)
        assert official_wer(said, truths) == pytest.approx(by_word, abs=1e-12), (said, truths)


def test_clean_error_rates_see_text_and_not_its_encoding():
    assert cer(["cafe\u0301"], ["café"]) == 0 < official_cer(["cafe\u0301"], ["café"])
    assert cer(["a  b"], ["a b"]) == 0 and wer(["a\tb"], ["a b"]) == 0
    assert wer(["a b", "x"], ["a b", "c"]) == pytest.approx(1 / 3)
    assert cer(["abcdef"], ["a"]) == 5
    with pytest.raises(ValueError, match="no text at all"):
        cer(["a"], [" "])
    with pytest.raises(ValueError, match="0 predictions"):
        wer([], [])


@settings(deadline=None)
@given(words, st.lists(words, min_size=10, max_size=10))
def test_every_score_is_a_share(said: str, answers: list[str]):
    for score in (official_vqa_accuracy, vqa_accuracy, official_textvqa_accuracy, official_anls, anls):
        assert 0 <= score(said, answers) <= 1
    assert math.isfinite(official_cer([said], answers[:1]))
    assert anls(answers[0], answers) == 1
