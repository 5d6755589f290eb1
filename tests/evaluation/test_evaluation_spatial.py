"""Minimal pairs whose truth is checked by geometry, probes of what is not there, and the worth of keeping silent."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.errors import DataError
from showtell.core.geometry import Box, Frame
from showtell.evaluation.cards import task
from showtell.evaluation.spatial import PHRASES, SEED, Variant, variants
from showtell.grounding import exchange
from showtell.grounding.hallucination import KINDS, Labelled, from_coco, probes
from showtell.metrics.abstention import risk_coverage
from showtell.worlds.stage import Prop, stage


def truth(relation: str, question: str, variant: Variant, boxes: list[Box], width: int) -> bool:
    """Whether the relation holds, from the boxes of what was drawn."""
    if variant.mirrored:
        boxes = [Box(width - b.x2, b.y1, width - b.x1, b.y2, b.frame) for b in boxes]
    place = {prop.shape: box for prop, box in zip(variant.props, boxes, strict=True)}
    names = sorted((name for name in place if f"the {name}" in question), key=lambda n: question.index(f"the {n}"))
    a, b, *rest = (place[name] for name in names)
    if relation == "larger":
        return a.area > 1.5 * b.area
    if relation == "inside":
        return b.x1 < a.x1 and a.x2 < b.x2 and b.y1 < a.y1 and a.y2 < b.y2
    if relation == "between":
        return sorted((b.center.x, a.center.x, rest[0].center.x))[1] == a.center.x
    gap = {"left": b.x1 - a.x2, "right": a.x1 - b.x2, "above": b.y1 - a.y2, "below": a.y1 - b.y2}[relation]
    return gap > 0


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([*PHRASES]), st.integers(0, 60), st.integers(0, 3))
def test_the_truth_of_every_variant_is_that_of_the_picture(relation: str, group: int, seed: int) -> None:
    found = list(variants(relation, group, seed))
    assert [variant.name for variant in found] == ["base", "exchanged", "swapped", "mirrored", "paraphrased"]
    for variant in found:
        pixels, boxes = stage(SEED + seed, group, variant.props)
        holds = truth(relation, variant.question, variant, boxes, pixels.shape[1])
        assert variant.answers == (("yes",) if holds else ("no",)), variant.name


@pytest.mark.parametrize("group", range(12))
def test_things_that_are_counted_do_not_touch(group: int) -> None:
    base, more, *_ = variants("count", group, 0)
    assert len(more.props) == len(base.props) + 1 == group + 2
    assert base.answers[0] == str(group + 1) and more.answers[0] == str(group + 2)
    pixels, boxes = stage(SEED, group, more.props)
    owner = np.zeros(pixels.shape[:2], int)
    for box in boxes:
        owner[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] += 1
    assert owner.max() == 1


def test_one_thing_changes_and_all_else_stays_to_the_pixel() -> None:
    star, dot = Prop("star", "red", 24, 25, 30, 0), Prop("circle", "blue", 20, 70, 60, 1)
    both, _ = stage(3, 4, [star, dot])
    alone, boxes = stage(3, 4, [star])
    moved = (both != alone).any(axis=2)
    assert moved.any() and not moved[:, :50].any() and boxes[0].frame == Frame(96, 96)
    assert (stage(3, 4, [star])[0] == alone).all() and (stage(3, 5, [star])[0] != alone).any()
    with pytest.raises(ValueError, match="reaches out"):
        stage(3, 4, [Prop("star", "red", 24, 5, 5)])


def test_the_task_names_its_relations_and_groups() -> None:
    found = task("spatial", pictures=12)
    assert {item.skill for item in found.items} == {*PHRASES, "count 1-4", "count 5-8", "count 9-13, past training"}
    assert (
        found.fingerprint
        == task("spatial", pictures=12).fingerprint
        != task("spatial", pictures=12, seed=1).fingerprint
    )
    mirrored = next(item for item in found.items if item.id == "left 0 mirrored")
    base = next(item for item in found.items if item.id == "left 0 base")
    assert mirrored.picture and base.picture
    assert (found.open(mirrored.picture).pixels == found.open(base.picture).pixels[:, ::-1]).all()


# what is not there ----------------------------------------------------------------------------------------------------

SET = [
    Labelled("a", ("dog", "cat"), {"dog": ("brown",)}),
    Labelled("b", ("dog", "cup"), {"cup": ("red",)}),
    Labelled("c", ("dog", "cat", "cup")),
    Labelled("d", ("tree",)),
    Labelled("e", ("scissors", "tree")),
]


@pytest.mark.parametrize("kind", KINDS)
def test_probes_are_balanced_and_true(kind: str) -> None:
    found = probes(SET, kind)  # type: ignore[arg-type]
    objects = [probe for probe in found if probe.about == "object"]
    assert sum(p.answer == "yes" for p in found) * 2 == len(found)
    for probe in objects:
        names = next(one.names for one in SET if one.picture == probe.picture)
        named = probe.question.removesuffix("?").split(" ")[-1]
        assert (named in names) == (probe.answer == "yes")
    assert found == probes(SET, kind)  # type: ignore[arg-type]
    assert "are there some scissors?" in {p.question for p in objects} or kind != "random"


def test_popular_and_adversarial_choose_what_they_say() -> None:
    popular = [p for p in probes(SET, "popular", each=1) if p.picture == "d" and p.answer == "no"]
    assert popular[0].question == "is there a dog?"
    company = [p for p in probes(SET, "adversarial", each=1) if p.picture == "e" and p.answer == "no"]
    assert len(company) == 1
    beside = [
        Labelled("x", ("fork",)),
        *[Labelled(f"y{i}", ("fork", "knife")) for i in range(3)],
        Labelled("z", ("dog",)),
    ]
    adversarial = [p for p in probes(beside, "adversarial", each=1) if p.picture == "x" and p.answer == "no"]
    assert adversarial[0].question == "is there a knife?"


def test_probes_of_an_annotation_file_and_of_nothing() -> None:
    frame = Frame(9, 9)
    pictures = [exchange.Picture("p.jpg", frame, (exchange.Region("dog", Box(1, 1, 4, 4, frame)),) * 2)]
    labelled = from_coco(pictures)
    assert labelled == [Labelled("p.jpg", ("dog",))] and probes(labelled, "random") == []
    with pytest.raises(DataError, match="no picture has a label"):
        probes([], "random")


def test_the_hallucination_task_reads_scenes() -> None:
    found = task("hallucination", pictures=6)
    skills = {item.skill for item in found.items}
    assert {f"object {kind}" for kind in KINDS} <= skills
    assert found.items[0].picture and found.open(found.items[0].picture).frame.width <= 96
    json.dumps([item.reference for item in found.items])


# keeping silent -------------------------------------------------------------------------------------------------------


def test_risk_and_coverage_by_hand() -> None:
    found = risk_coverage(torch.tensor([0.9, 0.8, 0.3]), torch.tensor([1.0, 0.0, 1.0]))
    assert found.coverage == pytest.approx((1 / 3, 2 / 3, 1)) and found.risk == pytest.approx((0, 0.5, 1 / 3))
    assert found.area == pytest.approx((0 + 0.5 + 1 / 3) / 3) and found.excess == pytest.approx(0.5 / 3, abs=1e-6)
    assert found.coverage_at(0.1) == pytest.approx(1 / 3) and found.coverage_at(1.0) == 1
    tied = risk_coverage(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]))
    assert tied.risk == (0.5, 0.5)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_no_order_is_better_than_the_best(pairs: list[tuple[float, float]]) -> None:
    sure, value = (torch.tensor(column, dtype=torch.float64) for column in zip(*pairs, strict=True))
    found = risk_coverage(sure, value)
    assert found.excess >= -1e-9 and found.risk[-1] == pytest.approx(float((1 - value).mean()), abs=1e-9)
    assert risk_coverage(value, value).excess == pytest.approx(0, abs=1e-9)


def test_confidences_must_be_numbers() -> None:
    with pytest.raises(ValueError, match="0 confidences"):
        risk_coverage(torch.zeros(0), torch.zeros(0))
    with pytest.raises(ValueError, match="finite"):
        risk_coverage(torch.tensor([float("nan")]), torch.tensor([1.0]))
