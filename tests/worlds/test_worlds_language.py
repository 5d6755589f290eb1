"""Every answer follows from the facts, guessing does not pay, and the English is right."""

import os
import subprocess
import sys
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds_tiny_pack import TinyPack

from showtell.core.errors import ConfigError
from showtell.core.geometry import Box, Frame, Point, iou
from showtell.worlds import answers, grammar
from showtell.worlds.facts import Facts, Item, count, description, larger, noun, relation, spot
from showtell.worlds.language import SKILLS, Exchange, exchanges, outside
from showtell.worlds.phrases import TRAIN
from showtell.worlds.phrases_heldout import HELD_OUT
from showtell.worlds.related import confusable
from showtell.worlds.scene import Scene, SceneConfig
from showtell.worlds.shapes import COLORS, SHAPES, held_out_pair

SCENE = Scene(SceneConfig(), TinyPack())


@cache
def pictures() -> tuple[Facts, ...]:
    """One sample of pictures for all tests."""
    return tuple(SCENE.sample(11, index)[1] for index in range(80))


def rng(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


@cache
def asked(skills: tuple[str, ...] | None = None, phrasings: str = "train") -> tuple[tuple[Facts, Exchange], ...]:
    """What is asked about these pictures; asked once for all tests."""
    random = rng(3)
    return tuple((f, e) for f in pictures() for e in exchanges(f, random, phrasings, skills=skills))


def text(parts: tuple[str | Box | Point, ...]) -> str:
    return "".join(part if isinstance(part, str) else f"<{type(part).__name__.lower()}>" for part in parts)


def test_every_skill_is_asked_and_a_picture_gives_eight_different_questions() -> None:
    assert {exchange.skill for _, exchange in asked()} == set(SKILLS)
    for facts in pictures()[:40]:
        found = exchanges(facts, rng(5))
        assert len({e.question for e in found}) == len(found) <= 8
    assert len(asked()) > 7 * len(pictures())


def test_text_is_lower_case_but_for_words_that_are_read() -> None:
    for facts, exchange in asked():
        written = {item.text for item in facts.items if item.text}
        for part in (*exchange.question, *exchange.answer):
            if isinstance(part, str):
                upper = {word.strip('.,"') for word in part.split() if word != word.lower()}
                assert upper <= written, part
                assert "{" not in part and "  " not in part and "none" not in part.split(), part


def test_the_canonical_answer_is_the_first_accepted_one() -> None:
    for _, exchange in asked():
        if exchange.accepted:
            assert exchange.answer == (exchange.accepted[0],)
            assert len(set(exchange.accepted)) == len(exchange.accepted)
        else:
            assert any(isinstance(part, Box | Point) for part in exchange.answer)


@pytest.mark.parametrize("skill", ["exists", "relation", "compare"])
def test_yes_and_no_are_equally_likely(skill: str) -> None:
    random, said = rng(8), Counter[str]()
    while sum(said.values()) < 1000:
        for facts in pictures():
            for exchange in exchanges(facts, random, most=6, skills=(skill,)):
                if exchange.answer in (("yes",), ("no",)):
                    said[str(exchange.answer[0])] += 1
    assert 0.45 < said["yes"] / sum(said.values()) < 0.55, said


def test_what_is_asked_about_exists_exactly_when_the_answer_is_yes() -> None:
    for facts, exchange in asked(("exists",)):
        question, yes = text(exchange.question).rstrip("?"), exchange.answer == ("yes",)
        if any(word in question for word in ("word", "text", "read", "letters", "writ")):
            assert yes == any(item.text for item in facts.items), question
            continue
        assert yes == (_named_in(question, facts) is not None), question


def test_training_never_asks_about_a_held_out_pair() -> None:
    for _, exchange in asked():
        question = text(exchange.question)
        for color in COLORS:
            for shape in SHAPES:
                if held_out_pair(color, shape):
                    assert f"{color} {shape}" not in question and f"{color} {grammar.plural(shape)}" not in question


def test_counts_are_true_and_not_mostly_one() -> None:
    seen = Counter[int]()
    for facts, exchange in asked(("count",)):
        assert isinstance(exchange.target, int) and exchange.accepted[0] == str(exchange.target)
        seen[exchange.target] += 1
        name = _named_in(text(exchange.question), facts)
        assert (_counts(facts)[name] if name else 0) == exchange.target, text(exchange.question)
    assert seen[0] > 10 and seen[1] / seen.total() < 0.5 and len(seen) >= 7


def _named_in(question: str, facts: Facts) -> str | None:
    """What of the picture a question names: the longest phrase; a colour before it would make it another thing."""
    words = f" {question.strip('.?')} ".replace(", ", " ")
    for name in sorted(_counts(facts), key=len, reverse=True):
        for form in (name, grammar.plural(name)):
            before, found, _ = words.partition(f" {form} ")
            if found and before.split()[-1] not in COLORS:
                return name
    return None


def _counts(facts: Facts) -> dict[str, int]:
    shapes = [item for item in facts.items if item.kind == "shape"]
    things = [item for item in facts.items if item.kind != "word"]
    found = {"shape": len(shapes), "thing": len(things)}
    for item in facts.items:
        found[item.name] = count(facts, item.name)
        found[noun(item)] = count(facts, item.name, item.color)
        found[f"{item.color} shape"] = count(facts, None, item.color)
    return found


def test_relations_follow_from_the_centres() -> None:
    checked = 0
    for facts, exchange in asked(("relation",)):
        by_phrase: dict[str, Item] = {}
        for item in facts.items:
            for phrase in (description(facts, item), f"the {noun(item)}"):
                if phrase and (phrase == description(facts, item) or count(facts, item.name, item.color) == 1):
                    by_phrase[phrase] = item
        if exchange.answer[0] in ("left", "right", "above", "below") and exchange.item is not None:
            question = text(exchange.question)
            others = [item for phrase, item in by_phrase.items() if phrase in question and item.index != exchange.item]
            found = {relation(facts.items[exchange.item], other) for other in others}
            assert any(direction and direction.startswith(str(exchange.answer[0])) for direction in found)
            checked += 1
    assert checked > 50


def test_places_are_those_of_the_item_that_is_described() -> None:
    for facts, exchange in asked(("refer", "point", "region", "name")):
        if exchange.skill == "refer":
            assert exchange.item is not None and exchange.answer == (facts.items[exchange.item].box,)
        elif exchange.skill == "point":
            (point,) = exchange.answer
            assert isinstance(point, Point) and exchange.item is not None
            assert facts.instance_map[int(point.y), int(point.x)] == exchange.item + 1
        else:
            assert exchange.item is not None and exchange.answer[0] == noun(facts.items[exchange.item])


def test_a_box_in_a_question_means_one_thing() -> None:
    for facts, exchange in asked(("region",)):
        (box,) = (part for part in exchange.question if isinstance(part, Box))
        meant = facts.items[exchange.item or 0]
        assert box == meant.box
        for other in facts.items:
            if other is not meant:
                both = iou(box, other.box) * (box.area + other.box.area) / (1 + iou(box, other.box))
                assert both <= 0.36 * other.box.area, (meant.name, other.name)


def test_lists_and_captions_name_everything() -> None:
    for facts, exchange in asked(("list", "caption", "dense")):
        said = text(exchange.answer)
        if not facts.items:
            assert said in ("nothing", "there is nothing in the picture.")
        elif exchange.skill == "list":
            assert sorted(said.split(", ")) == sorted(answers.label(item) for item in facts.items)
        elif exchange.skill == "dense":
            centres = [part.center.x for part in exchange.answer if isinstance(part, Box)]
            assert centres == sorted(centres) and len(centres) == len(facts.items)
        else:
            assert said.endswith(".") and all(item.name[:3] in said or item.name == "mouse" for item in facts.items)


def test_declining_says_what_is_not_there() -> None:
    outside_seen = 0
    for facts, exchange in asked(("decline",)):
        said = text(exchange.answer)
        if said == answers.CANNOT_TELL:
            outside_seen += 1
            continue
        assert said.startswith("there is no ")
        called = said.removeprefix("there is no ").removesuffix(" in the picture.")
        if called == "text":
            assert not any(item.text for item in facts.items)
        else:
            assert called not in {noun(item) for item in facts.items} | {item.name for item in facts.items}
            assert called in text(exchange.question)
    assert outside_seen > 20


def test_comparisons_are_true() -> None:
    for facts, exchange in asked(("compare",)):
        if exchange.item is None or exchange.answer in (("yes",), ("no",)):
            continue
        right, question = facts.items[exchange.item], text(exchange.question)
        others = [i for i in facts.items if i is not right and i.name in question]
        big = "larger" in question or "bigger" in question
        assert any((larger(right, other) is right) == big for other in others)


def test_reading_gives_the_word_in_capitals() -> None:
    read = asked(("read",))
    assert read
    for facts, exchange in read:
        assert exchange.answer[0] in {item.text for item in facts.items if item.text}


def test_held_out_phrasings_are_new_words_for_the_same_skills() -> None:
    assert set(TRAIN) == set(HELD_OUT)
    for way, train in TRAIN.items():
        assert len(train) >= 8 and len(HELD_OUT[way]) >= 2
        assert not set(train) & set(HELD_OUT[way])
        slots = [sorted(s for s in _SLOTS if s in question) for question in (*train, *HELD_OUT[way])]
        assert all("{thing}" in s or s == slots[0] for s in (*slots, ["{thing}"])) or way == "read"
    assert {e.skill for _, e in asked(phrasings="heldout")} == set(SKILLS)


_SLOTS = ("{the}", "{a}", "{b}", "{m}", "{n}", "{many}", "{size}", "{rel}", "{box}", "{point}")


def test_outside_questions_are_declined() -> None:
    for phrasings in ("train", "heldout"):
        exchange = outside(rng(1), phrasings)
        assert exchange.skill == "decline" and exchange.answer == (answers.CANNOT_TELL,)
    assert len({text(outside(rng(i)).question) for i in range(60)}) > 12


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("red star", "red stars"), ("mouse", "mice"), ("bus", "buses"), ("strawberry", "strawberries"),
        ("sheep", "sheep"), ("cross", "crosses"), ("leaf", "leaves"), ("fox", "foxes"), ("monkey", "monkeys"),
        ("scissors", "scissors"), ("potato", "potatoes"), ("watch", "watches"), ("fire truck", "fire trucks"),
        ("snowman", "snowmen"), ("green arrow", "green arrows"), ("wolf", "wolves"), ("person", "people"),
    ],
)  # fmt: skip
def test_plurals(one: str, many: str) -> None:
    assert grammar.plural(one) == many


@pytest.mark.parametrize(
    ("noun_", "said"),
    [
        ("star", "a star"), ("orange star", "an orange star"), ("umbrella", "an umbrella"), ("unicorn", "a unicorn"),
        ("ice cream", "an ice cream"), ("scissors", "some scissors"), ("hourglass", "an hourglass"),
        ("uniform", "a uniform"), ("bread", "some bread"),
    ],
)  # fmt: skip
def test_articles(noun_: str, said: str) -> None:
    assert grammar.article(noun_) == said


def test_the_verb_agrees_with_a_plural_name() -> None:
    assert grammar.agree("where is {the}?", "{the}") == "where are {the}?"
    assert grammar.agree("is {a} {rel} {b}?", "{a}") == "are {a} {rel} {b}?"
    assert grammar.agree("does {a} lie {rel} {b}?", "{a}") == "do {a} lie {rel} {b}?"
    assert grammar.agree("is it true that {a} is {size} than {b}?", "{a}") == "is it true that {a} are {size} than {b}?"
    assert grammar.is_plural(grammar.head("the scissors above the cup"))
    assert not grammar.is_plural(grammar.head("the cup above the scissors"))


def test_a_caption_counts_what_is_alike() -> None:
    frame = Frame(100, 100)

    def thing(name: str, x: float, index: int, color: str | None = None, word: str | None = None) -> Item:
        box = Box(x, 10, x + 10, 20, frame)
        return Item(
            kind="word" if word else "shape", name=name, color=color, text=word, size=None,
            box=box, center=box.center, instance=None, index=index,
        )  # fmt: skip

    items = (
        thing("ring", 70, 0, "blue"), thing("mouse", 5, 1), thing("ring", 40, 2, "blue"),
        thing("sign", 85, 3, "orange", "STOP"), thing("mouse", 20, 4),
    )  # fmt: skip
    facts = Facts(
        frame=frame, items=items, instance_map=np.zeros((100, 100), np.uint8), background="plain", split="train"
    )
    assert answers.caption(facts) == "two mice, two blue rings and an orange sign that says STOP."
    assert answers.listing(facts) == "mouse, mouse, blue ring, blue ring, orange sign STOP"


def test_confusable_names_are_never_asked_as_absent() -> None:
    assert confusable("owl", "bird") and confusable("teddy bear", "bear") and confusable("car", "police car")
    assert not confusable("owl", "dog") and not confusable("star", "heart")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 2**32))
def test_the_same_numbers_ask_the_same_questions(index: int, key: int) -> None:
    _, facts = SCENE.sample(1, index)
    first, second = exchanges(facts, rng(key)), exchanges(facts, rng(key))
    assert first == second and all(0 <= (e.item or 0) < max(1, len(facts.items)) for e in first)
    for item in facts.items:
        point = spot(facts, item)
        assert facts.instance_map[int(point.y), int(point.x)] == item.index + 1


def test_wrong_names_are_told_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match="skill 'colour' is unknown"):
        exchanges(pictures()[0], rng(0), skills=("colour",))
    with pytest.raises(ConfigError, match="phrasings 'test' is unknown"):
        exchanges(pictures()[0], rng(0), phrasings="test")


def test_questions_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    """A set of words is walked in another order by every process; a resumed run would then ask other questions."""
    program = (
        "import hashlib\n"
        "from showtell.data.sample import sample_rng\n"
        "from showtell.worlds.language import exchanges\n"
        "from showtell.worlds.scene import Scene, SceneConfig\n"
        "scene = Scene(SceneConfig(shapes_share=1.0))\n"
        "said = [exchanges(scene.sample(5, i)[1], sample_rng(5, i)) for i in range(120)]\n"
        "print(hashlib.sha256(repr(said).encode()).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(digests) == 1
