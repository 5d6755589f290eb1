"""Every published convention: its exact strings, the error of the round trip, and texts that are cut or wrong."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.geometry import Box, Frame, Point, iou
from showtell.text.axis import Labelled
from showtell.text.dialects import DIALECTS
from showtell.text.dialects_markup import JsonDialect, MolmoDialect, MoondreamBins

FRAME = Frame(1000, 500)
DOG, CAT = Box(120, 125, 480, 450, FRAME), Box(10, 20, 300, 250, FRAME)
SPOT = Point(615, 202, FRAME)
WITH_POINTS = [name for name in DIALECTS if name not in ("fuyu", "paligemma", "florence-2", "doctags", "kosmos-2")]
WITH_BOXES = [name for name in DIALECTS if name != "molmo"]

WRITTEN = {
    "llava": "dog [0.12, 0.25, 0.48, 0.90]",
    "shikra": "dog [0.120,0.250,0.480,0.900]",
    "qwen-vl": "<ref>dog</ref><box>(120,250),(480,899)</box>",
    "qwen2-vl": "<|object_ref_start|>dog<|object_ref_end|><|box_start|>(120,250),(480,900)<|box_end|>",
    "qwen2.5-vl": '```json\n[\n{"bbox_2d": [120, 125, 480, 450], "label": "dog"}\n]\n```',
    "qwen3-vl": '```json\n[\n{"bbox_2d": [120, 250, 480, 900], "label": "dog"}\n]\n```',
    "gemini": '```json\n[\n{"box_2d": [250, 120, 900, 480], "label": "dog"}\n]\n```',
    "deepseek-vl2": "<|ref|>dog<|/ref|><|det|>[[120, 250, 480, 899]]<|/det|>",
    "cogagent": "dog [[120,250,480,900]]",
    "fuyu": "dog <box>63, 60, 225, 240</box>",
    "showui": "dog [0.12, 0.25, 0.48, 0.90]",
    "seeclick": "dog (0.12,0.25,0.48,0.90)",
    "paligemma": "<loc0256><loc0123><loc0921><loc0491> dog",
    "florence-2": "dog<loc_120><loc_250><loc_480><loc_900>",
    "doctags": "<dog><loc_60><loc_125><loc_240><loc_450></dog>",
    "kosmos-2": "<phrase>dog</phrase><object><patch_index_0259><patch_index_0911></object>",
}


@pytest.mark.parametrize("name", WITH_BOXES)
def test_a_box_is_written_as_the_model_writes_it(name: str):
    assert DIALECTS[name].write([Labelled("dog", [DOG])]) == WRITTEN[name]


@pytest.mark.parametrize("name", WITH_BOXES)
def test_several_boxes_and_labels_come_back(name: str):
    text = "I see: " + DIALECTS[name].write([Labelled("dog", [DOG, CAT]), Labelled("cat", [CAT])]) + " there."
    reading = DIALECTS[name].read(text, FRAME)
    assert reading.refused == ()
    assert len(reading.found) == 3
    for found, box in zip(reading.found, (DOG, CAT, CAT), strict=True):
        assert iou(found.shape, box) > (0.8 if name == "kosmos-2" else 0.95)  # type: ignore[arg-type]
        assert text[found.start : found.stop] and found.shape.frame == FRAME
    if "{}" not in getattr(DIALECTS[name], "label", "")[:2] and name not in ("florence-2", "doctags"):
        assert [found.label for found in reading.found[1:]][-1] in ("cat", "cat there.")
        assert reading.found[0].label == "dog"


@pytest.mark.parametrize("name", WITH_POINTS)
def test_points_come_back(name: str):
    text = DIALECTS[name].write([Labelled("ear", [SPOT])])
    (found,) = DIALECTS[name].read(text, FRAME).found
    assert isinstance(found.shape, Point)
    assert found.shape.x == pytest.approx(615, abs=6) and found.shape.y == pytest.approx(202, abs=3)


@pytest.mark.parametrize("name", [*sorted(set(DIALECTS) - set(WITH_POINTS)), "molmo"])
def test_a_shape_that_a_convention_does_not_have_is_refused(name: str):
    with pytest.raises(ValueError, match="no way to write a"):
        DIALECTS[name].write([Labelled("x", [DOG if name == "molmo" else SPOT])])


# Mean IoU by side of the object; field notes, section 3, and the docstring of dialects.py
TABLE = {
    "llava": (0.369, 0.612, 0.819, 0.904, 0.967),
    "shikra": (0.90, 0.95, 0.98, 0.99, 0.997),
    "doctags": (0.82, 0.90, 0.96, 0.98, 0.993),
    "kosmos-2": (0.085, 0.286, 0.546, 0.733, 0.898),
    "qwen2.5-vl": (0.93, 0.96, 0.985, 0.993, 0.998),
}
TABLE |= dict.fromkeys(("showui", "seeclick"), TABLE["llava"])
SAME = ("qwen-vl", "qwen2-vl", "qwen3-vl", "gemini", "deepseek-vl2", "cogagent", "paligemma", "florence-2")
TABLE |= dict.fromkeys(SAME, TABLE["shikra"])
SIDES = (0.01, 0.02, 0.05, 0.1, 0.3)


def squares(side: float, frame: Frame, count: int = 250) -> list[Box]:
    rng = random.Random(int(side * 1000))
    corners = [(rng.random() * (1 - side), rng.random() * (1 - side)) for _ in range(count)]
    return [Box.from_unit((x, y, x + side, y + side), frame) for x, y in corners]


@pytest.mark.parametrize("name", [name for name in WITH_BOXES if name != "fuyu"])
def test_the_round_trip_is_as_good_as_the_table(name: str):
    frame = Frame(1932, 1092)
    for side, stated in zip(SIDES, TABLE[name], strict=True):
        overlaps = []
        for box in squares(side, frame):
            reading = DIALECTS[name].read(DIALECTS[name].write([Labelled("a", [box])]), frame)
            overlaps.append(iou(reading.found[0].shape, box) if reading.found else 0.0)  # type: ignore[arg-type]
        assert sum(overlaps) / len(overlaps) >= stated - 0.02, side


def test_moondream_keeps_sizes_better_than_it_keeps_places():
    codec, frame = MoondreamBins(), Frame(1932, 1092)
    for side, stated in zip(SIDES, (0.82, 0.90, 0.96, 0.98, 0.993), strict=True):
        pairs = [(codec.decode(codec.encode(box), frame), box) for box in squares(side, frame)]
        assert sum(iou(*pair) for pair in pairs) / len(pairs) >= stated - 0.02, side  # type: ignore[arg-type]
    spot = codec.decode(codec.encode(SPOT), FRAME)
    assert isinstance(spot, Point) and spot.x == pytest.approx(615, abs=1)
    for wrong in ([1], [0, 0, 0, 1024], [-1, 0]):
        with pytest.raises(ValueError, match="from 0 to 1023"):
            codec.decode(wrong, frame)


unit = st.floats(0, 1)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(WITH_BOXES), st.lists(unit, min_size=4, max_size=4))
def test_every_box_comes_back_within_a_step(name: str, values: list[float]):
    (x1, x2), (y1, y2) = sorted(values[:2]), sorted(values[2:])
    frame = Frame(1932, 1092)
    box = Box.from_unit((x1, y1, x2, y2), frame)
    reading = DIALECTS[name].read(DIALECTS[name].write([Labelled("a", [box])]), frame)
    assert len(reading.found) == 1 and not reading.refused
    step = 1.01 / 32 if name == "kosmos-2" else 0.0051
    assert max(abs(a - b) for a, b in zip(reading.found[0].shape.unit, box.unit, strict=True)) <= step  # type: ignore[arg-type]


@pytest.mark.parametrize("name", list(DIALECTS))
def test_a_text_cut_anywhere_gives_the_shapes_before_the_cut_and_no_other(name: str):
    items = [Labelled("ear", [SPOT]), Labelled("eye", [Point(100, 100, FRAME)])]
    items = items if name == "molmo" else [Labelled("dog", [DOG, CAT]), Labelled("cat", [CAT])]
    text = DIALECTS[name].write(items)
    whole = [found.shape for found in DIALECTS[name].read(text, FRAME).found]
    seen = set()
    for cut in range(len(text)):
        reading = DIALECTS[name].read(text[:cut], FRAME)
        shapes = [found.shape for found in reading.found]
        assert shapes == whole[: len(shapes)]
        seen.add(len(shapes))
    assert len(seen) >= len(whole)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("qwen2-vl", "<|box_start|>(1,2),(3", "begun here and not completed"),
        ("qwen2-vl", "<|box_start|>(9,2),(3,4)<|box_end|>", "ends before it begins"),
        ("llava", "[0.1, 0.2, 0.3", "begun here"),
        ("llava", "[0.9, 0.2, 0.3, 0.4]", "ends before"),
        ("llava", "[0.9, 0.2, 0.3]", "begun here"),
        ("shikra", "[0.1,0.2,0.3,0.4;0.5,0.6", "begun here"),
        ("qwen3-vl", '[{"bbox_2d": [1, 2, 3], "label": "x"}]', "should hold 4 numbers"),
        ("qwen3-vl", '[{"bbox_2d": [1, 2, 3, true]}]', "should hold 4 numbers"),
        ("qwen3-vl", '[{"bbox_2d": [1, 2, NaN, 4]}]', "should hold 4 numbers"),
        ("qwen3-vl", "{'a': 1, \"bbox_2d\": [1, 2, 3, 4]}", "not JSON"),
        ("qwen3-vl", '[{"bbox_2d": [1, 2, 3', "begun here"),
        ("gemini", '{"box_2d": "everywhere"}', "should hold 4 numbers"),
        ("paligemma", "<loc0001><loc0002><loc1024><loc1023> x", "1024 is not one of"),
        ("paligemma", "<loc0001><loc0002><loc0003> x", "3 location tokens left over"),
        ("florence-2", "dog<loc_1><loc_1><loc_1000><loc_9>", "1000 is not one of"),
        ("florence-2", "dog<loc_5><loc_5><loc_6><loc_6><loc_7>", "1 location tokens left over"),
        ("kosmos-2", "<object><patch_index_0001><patch_index_1024></object>", "1024 is not one of 1024"),
        ("kosmos-2", "<object><patch_index_0033><patch_index_0001></object>", "ends before"),
        ("molmo", '<point x="61.5" alt="dog">dog</point>', "without its y"),
        ("molmo", '<points x1="61.5" y1="3', "begun here"),
        ("molmo", '<point alt="dog">dog</point>', "without coordinates"),
    ],
)
def test_what_is_no_shape_is_refused_with_its_reason(name: str, text: str, reason: str):
    refused = DIALECTS[name].read(text, FRAME).refused
    assert any(reason in one.reason for one in refused), refused
    assert all(text[one.start :].startswith(one.text) for one in refused)


def test_the_space_is_never_guessed():
    (found,) = DIALECTS["llava"].read("[120, 125, 480, 450]", FRAME).found  # pixels, from a model that writes fractions
    assert found.outside and found.shape == Box(120000, 62500, 480000, 225000, FRAME)
    (small,) = DIALECTS["qwen3-vl"].read('{"bbox_2d": [0.1, 0.2, 0.5, 0.6]}', FRAME).found
    assert small.shape == Box(0.1, 0.1, 0.5, 0.3, FRAME) and not small.outside


def test_labels_keep_their_apostrophes_and_masks_their_codes():
    text = "<loc0256><loc0123><loc0921><loc0491>" + "".join(f"<seg{i:03d}>" for i in range(16)) + " a dog's ear, left ;"
    (found,) = DIALECTS["paligemma"].read(text, FRAME).found
    assert found.label == "a dog's ear, left" and found.codes == tuple(range(16))
    (other,) = DIALECTS["qwen3-vl"].read('{"label": "a {b}", "bbox_2d": [1, 2, 3, 4]}', FRAME).found
    assert other.label == "a {b}"


def test_what_was_read_is_where_it_says():
    (found,) = DIALECTS["llava"].read("a dog at  [0.12, 0.25, 0.48, 0.90]  , I think", FRAME).found
    assert (found.start, found.stop) == (10, 34)


def test_molmo_writes_points_in_order_of_x():
    points = [Point(900, 50, FRAME), Point(100, 450, FRAME)]
    text = DIALECTS["molmo"].write([Labelled("ears", points)])
    assert text == '<points x1="10.0" y1="90.0" x2="90.0" y2="10.0" alt="ears">ears</points>'
    assert [found.shape for found in DIALECTS["molmo"].read(text, FRAME).found] == points[::-1]


PIECES = (
    *'[ ] ( ) { } < > , ; : " \\ - . 0 1 999 1000 1e9 NaN label'.split(),
    *(text[i : i + 9] for text in WRITTEN.values() for i in range(0, len(text), 5)),
)
noise = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=40).map("".join)


@settings(deadline=None, max_examples=120)
@given(noise)
def test_no_text_raises_and_everything_found_lies_in_it(text: str):
    for dialect in DIALECTS.values():
        reading = dialect.read(text, FRAME)
        for found in reading.found:
            assert 0 <= found.start < found.stop <= len(text)
        for refused in reading.refused:
            assert text[refused.start :].startswith(refused.text)


HOSTILE = (
    '{"bbox_2d": ' + "[" * 5000,
    '{"bbox_2d": ' + "[" * 5000 + "]" * 5000 + "}",
    "9" * 20_000,
    "[" + " " * 20_000,
    '{"' * 5_000,
    '{"{' * 5_000,
    '{"a' + '"x" ' * 5_000,
    "word " * 5_000,
    "<phrase>" * 5_000,
    "[0.1, " * 5_000,
)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_deep_and_long_texts_are_survived_quickly(text: str):
    start = time.process_time()
    for dialect in DIALECTS.values():
        assert dialect.read(text, FRAME).found == ()
    assert time.process_time() - start < 10  # 1 or less; a pattern that backtracks without bound takes minutes


def test_every_entry_says_which_frame_it_means():
    assert all(dialect.frame for dialect in DIALECTS.values())
    assert isinstance(DIALECTS["molmo"], MolmoDialect) and isinstance(DIALECTS["gemini"], JsonDialect)
