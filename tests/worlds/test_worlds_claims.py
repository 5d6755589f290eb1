"""Claims against facts: each kind true, denied and untellable; what claims nothing; everything our own captions say."""

import numpy as np
import pytest

from showtell.core.geometry import Box, Frame, Point
from showtell.worlds.answers import caption
from showtell.worlds.claims import claims
from showtell.worlds.facts import Facts, Item
from showtell.worlds.scene import Scene, SceneConfig

FRAME = Frame(100, 100)


def item(index: int, name: str, color: str | None, x: float, y: float) -> Item:
    box = Box(x - 8, y - 8, x + 8, y + 8, FRAME)
    return Item(
        kind="shape", name=name, color=color, text=None, size=None, box=box, center=Point(x, y, FRAME), instance=None,
        index=index,
    )  # fmt: skip


FACTS = Facts(
    frame=FRAME,
    items=(
        item(0, "star", "red", 20, 20),
        item(1, "star", "red", 20, 80),
        item(2, "circle", "blue", 80, 22),
        item(3, "dog", None, 78, 80),
    ),
    instance_map=np.zeros((100, 100), np.uint8),
    background="plain",
    split="train",
    names=("star", "circle", "dog", "cup", "traffic light"),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two red stars.", {("object", True), ("count", True), ("color", True)}),
        ("There are three stars.", {("object", True), ("count", False)}),
        ("I can see a cup.", {("object", False)}),
        ("There are no cups.", {("count", True)}),
        ("There are no dogs here.", {("count", False)}),
        ("A green circle.", {("object", True), ("color", False)}),
        ("The circle is blue.", {("object", True), ("color", True)}),
        ("The circle is yellow.", {("object", True), ("color", False)}),
        ("The dog is brown.", {("object", True), ("color", None)}),
        ("The blue circle is above the dog.", {("object", True), ("color", True), ("relation", True)}),
        ("The dog is above the circle.", {("object", True), ("relation", False)}),
        ("The dog lies to the right of the circle.", {("object", True), ("relation", None)}),
        ("A star is left of the circle.", {("object", True), ("relation", True)}),
        ("A traffic light and a light cup", {("object", False)}),
        ("It is not clear whether a cup is there. There isn't a cup, nor a traffic light.", set()),
        ("A lovely afternoon, dogmatic and circular.", set()),
    ],
)
def test_what_a_text_claims(text: str, expected: set[tuple[str, bool | None]]) -> None:
    assert {(claim.kind, claim.holds) for claim in claims(text, FACTS)} == expected


def test_the_worlds_own_captions_are_never_denied() -> None:
    scene, checked = Scene(SceneConfig()), 0
    for index in range(60):
        _, facts = scene.sample(3, index)
        found = claims(caption(facts), facts)
        assert not [claim for claim in found if claim.holds is False], (caption(facts), found)
        checked += len(found)
    assert checked > 100
