"""Captions as facts, scored by hand."""

from dataclasses import dataclass

import pytest

from showtell.metrics.captions import caption_facts, regular_plural


@dataclass(frozen=True)
class Thing:
    name: str
    color: str | None = None


SCENE = [Thing("dog"), Thing("star", "red"), Thing("star", "red"), Thing("star", "blue")]
NAMES = ("cat", "cup", "fire truck", "truck")


def test_a_complete_caption_scores_one():
    score = caption_facts("a dog, two red stars and a blue star.", SCENE, names=NAMES)
    assert score.precision == score.recall == score.f1 == 1
    assert len(score.truth) == 7  # 2 names, 2 colours, 3 counts


def test_a_wrong_colour_and_a_wrong_number_cost_their_facts():
    score = caption_facts("a dog and three green stars", SCENE, names=NAMES)
    # said: name dog, count 1 dog, name star | wrong: color green star, count 3 green star
    assert score.precision == pytest.approx(3 / 5)
    assert score.recall == pytest.approx(3 / 7)
    assert score.f1 == pytest.approx(2 * 0.6 * (3 / 7) / (0.6 + 3 / 7))


def test_a_hallucinated_thing_is_seen_when_its_name_is_known():
    assert caption_facts("a dog and a cat", SCENE, names=NAMES).precision == pytest.approx(2 / 4)
    assert caption_facts("a dog and a cat", SCENE).precision == 1


def test_a_total_without_colours_is_true_but_tells_less():
    score = caption_facts("three stars", SCENE, names=NAMES)
    assert score.precision == 1
    assert score.recall == pytest.approx(1 / 7)


def test_mentions_add_up_and_the_article_the_adds_nothing():
    score = caption_facts("a red star, a red star; the red star is left of the dog", SCENE, names=NAMES)
    assert ("count", "2", "red star") in score.right
    assert ("count", "1", "dog") not in score.said
    assert score.precision == 1


def test_a_claim_of_absence_counts():
    assert caption_facts("no cats", SCENE, names=NAMES).precision == 1
    assert caption_facts("no dogs", SCENE, names=NAMES).precision == 0


def test_a_colour_that_is_also_a_fruit():
    orange = [Thing("orange"), Thing("star", "orange")]
    assert caption_facts("an orange and an orange star", orange).f1 == 1
    assert caption_facts("an orange", orange).said == {("name", "orange"), ("count", "1", "orange")}


def test_the_longest_name_wins():
    score = caption_facts("A large red fire truck", [Thing("fire truck", "red")], names=NAMES)
    assert score.f1 == 1
    assert ("name", "truck") not in score.said
    juice = [Thing("orange juice")]
    assert caption_facts("some orange juice", juice, names=("orange",)).f1 == 1


def test_words_inside_words_are_not_names():
    assert caption_facts("a dogma and a cupboard", SCENE, names=NAMES).said == frozenset()


def test_plurals_are_the_callers():
    mice = [Thing("mouse"), Thing("mouse")]
    assert caption_facts("two mice", mice, plural={"mouse": "mice"}.__getitem__).f1 == 1
    assert caption_facts("two mice", mice).said == frozenset()
    assert [regular_plural(noun) for noun in ("box", "cherry", "toy", "star")] == ["boxes", "cherries", "toys", "stars"]


def test_nothing_said_and_nothing_to_say():
    silent = caption_facts("", SCENE, names=NAMES)
    assert (silent.precision, silent.recall, silent.f1) == (1, 0, 0)
    assert caption_facts("there is nothing in the picture.", []).f1 == 1


def test_regular_expression_characters_in_names_are_letters():
    assert caption_facts("a c.t", [Thing("c.t")]).f1 == 1
    assert caption_facts("a cat", [Thing("c.t")]).said == frozenset()
