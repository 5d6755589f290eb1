"""A scene's facts are true of its pixels, and its splits are kept apart by construction."""

import hashlib
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds_tiny_pack import CATEGORIES, TinyPack

from showtell.core.errors import ConfigError
from showtell.core.geometry import Box, Frame
from showtell.worlds.cutouts import load_pack
from showtell.worlds.dice import keyed
from showtell.worlds.facts import Facts, Item, count, description, holds, larger, left_to_right, noun, relation, select
from showtell.worlds.layout import VISIBLE
from showtell.worlds.scene import SPLITS, Scene, SceneConfig
from showtell.worlds.shapes import COLORS, HELD_OUT_PAIRS, SHAPES, TRAIN_PAIRS, held_out_pair, shade
from showtell.worlds.sprites import shape_sprite
from showtell.worlds.words import HELD_OUT_WORDS, TRAIN_WORDS, WORDS

PACK = TinyPack()
SCENE = Scene(SceneConfig(), PACK)


def item(name: str, box: tuple[float, float, float, float], index: int = 0, color: str | None = None) -> Item:
    """A made-up item in a frame of 100 x 100."""
    where = Box(*box, Frame(100, 100))
    kind = "shape" if name in SHAPES else "cutout"
    return Item(
        kind=kind,
        name=name,
        color=color,
        text=None,
        size=None,
        box=where,
        center=where.center,
        instance=None,
        index=index,
    )


def facts_of(*items: Item) -> Facts:
    """Facts of made-up items."""
    empty = np.zeros((100, 100), dtype=np.uint8)
    return Facts(frame=Frame(100, 100), items=items, instance_map=empty, background="plain", split="train")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**63), st.integers(0, 2**40), st.sampled_from(SPLITS[:-1]))
def test_every_box_is_the_extent_of_what_can_be_seen(seed: int, index: int, split: str) -> None:
    pixels, facts = Scene(SceneConfig(split=split), PACK).sample(seed, index)
    assert pixels.shape == (facts.frame.height, facts.frame.width, 3) and pixels.dtype == np.uint8
    assert facts.instance_map.shape == pixels.shape[:2]
    assert max(pixels.shape[:2]) == 96 and min(pixels.shape[:2]) >= 64
    assert set(np.unique(facts.instance_map)) - {0} == {i + 1 for i in range(len(facts.items))}
    for i, thing in enumerate(facts.items):
        rows, columns = (facts.instance_map == i + 1).nonzero()
        assert thing.index == i
        assert thing.box.xyxy == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert len(rows) >= 20 and min(thing.box.width, thing.box.height) >= 5
        assert thing.center == thing.box.center


def test_the_same_number_gives_the_same_picture_in_another_process() -> None:
    code = (
        "import hashlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "from worlds_tiny_pack import TinyPack\n"
        "from showtell.worlds.scene import Scene, SceneConfig\n"
        "scene = Scene(SceneConfig(), TinyPack()); digest = hashlib.sha256()\n"
        "for i in reversed(range(24)):\n"
        "    pixels, facts = scene.sample(7, i); digest.update(pixels.tobytes() + repr(facts.items).encode())\n"
        "print(digest.hexdigest())"
    )
    here = hashlib.sha256()
    for i in reversed(range(24)):
        pixels, facts = SCENE.sample(7, i)
        here.update(pixels.tobytes() + repr(facts.items).encode())
    folder = __file__.rpartition("/")[0]
    there = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here.hexdigest()


def test_other_seeds_indices_and_splits_give_other_pictures() -> None:
    val = Scene(SceneConfig(split="val"), PACK)
    pictures = [SCENE.sample(1, 2)[0], SCENE.sample(2, 1)[0], SCENE.sample(1, 3)[0], val.sample(1, 2)[0]]
    assert len({picture.tobytes() for picture in pictures}) == 4


def test_training_never_draws_what_is_held_out() -> None:
    heldout = {cutout.instance for cutout in PACK.instances if PACK.split(cutout) == "heldout"}
    pairs, colors, shapes, instances, words, grounds = set(), set(), set(), set(), set(), set()
    for index in range(2000):
        _, facts = SCENE.sample(0, index)
        grounds.add(facts.background)
        for thing in facts.items:
            if thing.kind == "shape":
                pairs.add((thing.color, thing.name))
                colors.add(thing.color)
                shapes.add(thing.name)
            instances.add(thing.instance)
            words.add(thing.text)
    assert not pairs & set(HELD_OUT_PAIRS)
    assert colors == {*COLORS, None} and shapes == set(SHAPES)
    assert not instances & heldout and len(instances) > 20
    assert not words & set(HELD_OUT_WORDS)
    assert "photo" in grounds and not grounds & {"checks", "dots"}


def test_held_out_splits_hold_what_training_lacks() -> None:
    def sample(split: str) -> list[Facts]:
        scene = Scene(SceneConfig(split=split), PACK)
        return [scene.sample(0, index)[1] for index in range(100)]

    for facts in sample("composition"):
        assert all(held_out_pair(str(i.color), i.name) for i in facts.items if i.kind == "shape")
    shapes_seen = [any(i.kind == "shape" for i in facts.items) for facts in sample("composition") if facts.items]
    assert np.mean(shapes_seen) > 0.9
    instances = {i.instance for facts in sample("instance") for i in facts.items if i.kind == "cutout"}
    assert instances and all(name.endswith("-3") for name in instances if name)
    words = [i.text for facts in sample("word") for i in facts.items if i.kind == "word"]
    assert len(words) > 50 and set(words) <= set(HELD_OUT_WORDS)
    assert {facts.background for facts in sample("background")} == {"photo", "checks", "dots"}


def test_the_held_out_sets_cover_every_colour_and_shape_and_leave_them_to_training() -> None:
    for pairs in (HELD_OUT_PAIRS, TRAIN_PAIRS):
        assert {color for color, _ in pairs} == set(COLORS) and {shape for _, shape in pairs} == set(SHAPES)
    assert 0.15 < len(HELD_OUT_PAIRS) / (len(COLORS) * len(SHAPES)) < 0.25
    assert not set(TRAIN_WORDS) & set(HELD_OUT_WORDS) and len(WORDS) >= 250
    assert all(2 <= len(word) <= 6 and word.isupper() for word in WORDS)


def test_a_shape_has_the_colour_it_is_said_to_have() -> None:
    plain = Scene(SceneConfig(noise_share=0, jpeg_share=0, blur_share=0, word_share=0, patterned_share=0))
    nominal = {color: np.array(shade(color, 0.5, 0.5, 0.5)) for color in COLORS}
    checked, right = 0, 0
    for index in range(150):
        pixels, facts = plain.sample(3, index)
        for thing in facts.items:
            seen = np.median(pixels[facts.instance_map == thing.index + 1], axis=0)
            nearest = sorted(COLORS, key=lambda color: float(np.abs(nominal[color] - seen).sum()))
            checked, right = checked + 1, right + (str(thing.color) in nearest[:2])
    assert checked > 300 and right / checked > 0.97


def test_a_shape_of_two_colours_has_no_colour_word_and_both_colours() -> None:
    scene = Scene(SceneConfig(patterned_share=1.0, word_share=0, noise_share=0, jpeg_share=0, blur_share=0))
    spreads = []
    for index in range(60):
        pixels, facts = scene.sample(4, index)
        for thing in facts.items:
            assert thing.color is None
            own = pixels[facts.instance_map == thing.index + 1].astype(float)
            spreads.append(own.std(axis=0).max())
    assert len(spreads) > 100 and np.median(spreads) > 30
    held_out = Scene(SceneConfig(patterned_share=1.0, split="composition"), PACK)
    assert all(i.color for n in range(40) for i in held_out.sample(4, n)[1].items if i.kind == "shape")


def test_the_borders_between_letters_lie_between_the_letters() -> None:
    """Between two letters there is less ink than inside of them: summed over many words the borders must show it."""
    scene = Scene(SceneConfig(word_share=1.0, empty_share=0, noise_share=0, jpeg_share=0, blur_share=0, photo_share=0))
    at_borders, inside = [], []
    for index in range(300):
        _, facts = scene.sample(5, index)
        for thing in facts.items:
            if thing.name != "word":
                assert (thing.text is None) == (thing.letters == ())
                continue
            borders = np.array(thing.letters)
            assert len(borders) == len(str(thing.text)) + 1 and (np.diff(borders) > 1).all()
            assert abs(borders[0] - thing.box.x1) < 5 and abs(borders[-1] - thing.box.x2) < 5
            ink = (facts.instance_map == thing.index + 1).sum(axis=0)
            at_borders += [ink[round(x) - 1 : round(x) + 1].min() for x in borders[1:-1]]
            inside += [ink[int(a) : int(b) + 1].max() for a, b in pairwise(borders)]
    assert len(at_borders) > 300 and np.mean(at_borders) < 0.35 * np.mean(inside)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_fills_about_the_size_asked_for(shape: str) -> None:
    for index in range(8):
        sprite = shape_sprite(shape, "red", 40, keyed(0, index))
        assert sprite is not None
        x1, y1, x2, y2 = sprite.extent
        assert 24 <= max(x2 - x1, y2 - y1) <= 46 and sprite.pixels > 200


def test_what_is_covered_stays_mostly_in_sight_and_words_are_never_covered() -> None:
    crowded = Scene(SceneConfig(overlap_share=1.0, word_share=1.0, photo_share=0), PACK)
    covered = 0
    for index in range(200):
        _, facts = crowded.sample(1, index)
        for a, b in pairwise(facts.items):
            if a.kind == "word":
                overlap = facts.instance_map[int(a.box.y1) : int(a.box.y2), int(a.box.x1) : int(a.box.x2)]
                assert set(np.unique(overlap)) <= {0, a.index + 1}
            covered += min(a.box.x2, b.box.x2) > max(a.box.x1, b.box.x1) and a.kind != "word"
    assert covered > 30 and VISIBLE == 0.55


def test_scenes_are_varied() -> None:
    numbers = [len(SCENE.sample(9, index)[1].items) for index in range(400)]
    assert set(range(8)) <= set(numbers)
    assert np.mean([1 <= n <= 5 for n in numbers]) > 0.7
    assert np.mean([n == 0 for n in numbers]) < 0.06


def test_relation_needs_a_clear_distance_on_one_axis() -> None:
    a = item("dog", (10, 40, 20, 50))
    assert relation(a, item("cat", (60, 42, 70, 52))) == "left of"
    assert relation(item("cat", (60, 42, 70, 52)), a) == "right of"
    assert relation(a, item("cat", (12, 80, 22, 90))) == "above"
    assert relation(a, item("cat", (40, 70, 50, 80))) is None, "diagonal"
    assert relation(a, item("cat", (16, 42, 26, 52))) is None, "too close"
    assert holds(a, "left of", item("cat", (40, 70, 50, 80))) is True
    assert holds(a, "right of", item("cat", (40, 70, 50, 80))) is False
    assert holds(a, "left of", item("cat", (15, 70, 25, 80))) is None


def test_counts_and_sizes() -> None:
    stars = [item("star", (0, 0, 10, 10), 0, "red"), item("star", (20, 0, 40, 20), 1, "blue")]
    facts = facts_of(*stars, item("dog", (50, 50, 60, 60), 2))
    assert count(facts, "star") == 2 and count(facts, "star", "red") == 1 and count(facts, None, "red") == 1
    assert count(facts, "cat") == 0 and [noun(i) for i in left_to_right(facts)] == ["red star", "blue star", "dog"]
    assert larger(*stars) is stars[1] and larger(stars[0], facts.items[2]) is None
    assert select(facts, "star", "blue") == [stars[1]]


def test_descriptions_single_out_one_item_with_as_little_as_possible() -> None:
    ring = item("ring", (80, 80, 95, 95), 3, "blue")
    red, green = item("star", (0, 0, 10, 10), 0, "red"), item("star", (30, 0, 40, 10), 1, "green")
    assert description(facts_of(red, green, ring), ring) == "the ring"
    assert description(facts_of(red, green, ring), red) == "the red star"
    assert description(facts_of(red, green), red, use_color=False) == "the leftmost star"
    big, small = item("dog", (0, 0, 40, 40), 0), item("dog", (50, 2, 70, 22), 1)
    assert description(facts_of(big, small), small) == "the smaller dog"
    dogs = [item("dog", (10 * i, 20 * i, 10 * i + 9, 20 * i + 9), i) for i in range(4)]
    assert description(facts_of(*dogs), dogs[0]) == "the top dog"
    assert description(facts_of(*dogs), dogs[1]) is None
    corners = ((10, 10, 20, 20), (12, 60, 22, 70), (60, 12, 70, 22), (62, 62, 72, 72))
    four = [item("dog", box, i) for i, box in enumerate(corners)]
    assert description(facts_of(*four, item("cup", (10, 85, 20, 95), 4)), four[1]) is None, "two dogs are above it"
    pair = [item("dog", (10, 40, 20, 50), 0), item("dog", (12, 42, 22, 52), 1), item("dog", (14, 80, 24, 90), 2)]
    assert description(facts_of(*pair), pair[2]) == "the bottom dog"
    twins = [item("dog", (10, 10, 20, 20), 0), item("dog", (12, 12, 22, 22), 1)]
    assert description(facts_of(*twins), twins[0]) is None


def test_a_wrong_split_is_told_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match="split 'tset' is unknown"):
        Scene(SceneConfig(split="tset"))
    with pytest.raises(ConfigError, match="needs a pack"):
        Scene(SceneConfig(split="instance"))


def test_all_names_of_the_world_are_told() -> None:
    assert set(SCENE.names) == {*SHAPES, *CATEGORIES, "sign"}


@pytest.mark.parametrize("split", SPLITS)
def test_the_shipped_pack_keeps_its_sides_apart(split: str) -> None:
    pack = load_pack()
    heldout = {cutout.instance for cutout in pack.instances if cutout.split == "heldout"}
    twins = {cutout.instance for cutout in pack.instances if cutout.style_twin}
    scene = Scene(SceneConfig(split=split), pack)
    seen = {thing.instance for i in range(40) for thing in scene.sample(4, i)[1].items if thing.kind == "cutout"}
    assert seen
    if split == "style":
        assert seen <= twins
    elif split == "instance":
        assert seen <= heldout - twins
    else:
        assert not seen & heldout
