"""The evidence contract: hiding, controls, verdicts on a model that is known, maps of words, their deletion curves."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from showtell.cli.main import main
from showtell.cli.prove import PANEL, sheet
from showtell.core.errors import ConfigError
from showtell.core.geometry import Box, Frame, intersection
from showtell.grounding import deletion, evidence, word_maps
from showtell.grounding.deletion import Curve, deletion_curve
from showtell.grounding.evidence import Proof, Trial, prove, prove_all, same_answer, spoken
from showtell.grounding.faithfulness import cases, contract, maps
from showtell.grounding.hiding import elsewhere, fill, hide
from showtell.grounding.origin import origin_of
from showtell.grounding.word_maps import KINDS, Words, box_shares, windows, word_map, words_of
from showtell.images.decode import Picture, decode
from showtell.images.view import ViewTransform
from showtell.instruct.answer import Answer, AnswerToken, LabelledBox, LabelledPoint, token_groups
from showtell.instruct.assistant import Assistant
from showtell.instruct.bundle import save_bundle
from showtell.load import load
from showtell.text.sampling import SamplingConfig
from showtell.worlds.stage import Prop, stage

FRAME = Frame(30, 20)
SHORT = SamplingConfig(max_tokens=6)


@pytest.fixture(scope="module")
def assistant() -> Assistant:
    model = load("pocket")
    assert isinstance(model, Assistant)
    return model


def answer(words: str, *boxes: tuple[float, float, float, float]) -> Answer:
    found = tuple(LabelledBox("", Box(*box, FRAME)) for box in boxes)
    return Answer(words, found, (), 0.5, "fake", {}, (), (3, 3), ViewTransform.identity(FRAME))


# hiding ---------------------------------------------------------------------------------------------------------------


def test_what_is_hidden_is_made_of_its_surroundings() -> None:
    pixels = np.full((20, 30, 3), (10, 200, 90), np.uint8)
    pixels[5:12, 8:19] = 255
    assert (hide(pixels, [Box(8, 5, 19, 12, FRAME)]) == (10, 200, 90)).all()
    ramp = np.repeat(np.arange(30, dtype=np.uint8)[None, :, None] * 8, 20, axis=0).repeat(3, axis=2)
    hidden = np.zeros((20, 30), bool)
    hidden[:, 11:18] = True  # nothing visible above and below: a straight line from the left border to the right one
    assert np.abs(fill(ramp, hidden).astype(int) - ramp).max() <= 1
    assert (fill(ramp, np.ones((20, 30), bool)) == 128).all()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(*[st.floats(-5, 35)] * 4), max_size=3), st.integers(0, 99))
def test_hiding_touches_nothing_outside_and_invents_no_colour(corners: list[tuple[float, ...]], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(60, 180, (20, 30, 3), dtype=np.uint8)
    boxes = [Box(min(a, c), min(b, d), max(a, c), max(b, d), FRAME) for a, b, c, d in corners]
    after = hide(pixels, boxes)
    changed = (after != pixels).any(axis=2)
    for y, x in zip(*changed.nonzero(), strict=True):
        assert any(box.x1 < x + 1 and x < box.x2 and box.y1 < y + 1 and y < box.y2 for box in boxes)
    assert after.min() >= 60 and after.max() <= 180


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.integers(1, 4), st.floats(2, 11))
def test_controls_have_the_same_area_and_touch_no_evidence(seed: int, count: int, side: float) -> None:
    rng = np.random.default_rng(seed)
    frame = Frame(61, 47)
    starts = rng.uniform(0, [61 - side, 47 - side], (count, 2))
    boxes = [Box(x, y, x + side, y + side / 2, frame) for x, y in starts]
    found = elsewhere(boxes, frame, seed)
    assert found is not None and found == elsewhere(boxes, frame, seed)
    assert sum(box.area for box in found) == pytest.approx(sum(box.area for box in boxes))
    for number, box in enumerate(found):
        assert box.x1 >= 0 and box.x2 <= 61 and box.y1 >= 0 and box.y2 <= 47
        assert not any(intersection(box, other) for other in [*boxes, *found[:number]])


def test_a_box_that_fits_nowhere_is_cut_and_a_full_picture_has_no_elsewhere() -> None:
    frame = Frame(40, 40)
    beside = elsewhere([Box(0, 0, 40, 18, frame)], frame, 0)
    assert beside is not None and sum(box.area for box in beside) == pytest.approx(720)
    assert elsewhere([Box(0, 0, 40, 30, frame)], frame, 0) is None


# the contract ---------------------------------------------------------------------------------------------------------


class Reads:
    """A stand-in for asking: says what stands in the middle of the picture, and how many of its corners are dark."""

    def __init__(self, faithful: bool) -> None:
        self.faithful = faithful

    def __call__(self, assistant: object, pictures: list[Picture], asked: list[tuple[int, str]]) -> list[Answer]:
        return [self.one(pictures[number]) for number, _ in asked]

    def one(self, picture: Picture) -> Answer:
        bright = picture.pixels[8:12, 12:18].mean() > 128
        place = (12, 8, 18, 12) if self.faithful else (1, 1, 5, 5)
        return answer("yes" if bright else "no", place)


@pytest.fixture
def lamp() -> Picture:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[8:12, 12:18] = 255
    return Picture(pixels, FRAME, "lamp")


def test_a_faithful_answer_scores_one_and_decoration_does_not(
    assistant: Assistant, lamp: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "ask_all", Reads(faithful=True))
    proof = prove(assistant, lamp, "is the lamp on?")
    assert proof is not None and proof.faithfulness == 1 and "rests on its evidence" in proof.verdict
    assert [trial.changed for trial in proof.each] == [True] and len(proof.controls) == 4
    monkeypatch.setattr(evidence, "ask_all", Reads(faithful=False))
    proof = prove(assistant, lamp, "is the lamp on?")
    assert proof is not None and not proof.without.changed and (proof.faithfulness or 0) <= 0
    assert json.loads(json.dumps(proof.to_json()))["without_evidence"]["hidden"] == [[1, 1, 5, 5]]


def test_verdicts_and_answers_without_evidence() -> None:
    kept, lost = (Trial((), answer(words), words == "no") for words in ("yes", "no"))
    base, boxes = answer("yes", (1, 1, 4, 4)), (Box(1, 1, 4, 4, FRAME),)
    for without, controls, score, words in (
        (lost, (kept, kept), 1.0, "rests on its evidence"),
        (lost, (kept, lost), 0.5, "fragile"),
        (kept, (kept, kept), 0.0, "not shown"),
        (kept, (lost, lost), -1.0, "unfaithful"),
        (lost, (), None, "no room"),
    ):
        proof = Proof(base, boxes, without, (without,), controls)
        assert proof.faithfulness == score and words in proof.verdict
    assert evidence._proof(answer("there is no dog"), []) is None


def test_when_two_answers_are_the_same() -> None:
    assert same_answer(answer("Yes."), answer("yes")) and not same_answer(answer("two"), answer("three"))
    assert same_answer(answer("", (0, 0, 10, 10)), answer("", (0, 1, 10, 11)))
    assert not same_answer(answer("", (0, 0, 10, 10)), answer("", (12, 0, 22, 10)))
    assert not same_answer(answer("", (0, 0, 10, 10)), answer("there is none"))
    point = LabelledPoint("", Box(3, 3, 5, 5, FRAME).center)
    pointed = Answer("", (), (point,), 0.5, "fake", {}, (), (3, 3), ViewTransform.identity(FRAME))
    assert same_answer(pointed, pointed) and spoken(pointed) == "[4 4]" and spoken(answer("")) == "(nothing)"


# maps of words --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene() -> Picture:
    """A blue star on nearly white, in the upper left quarter."""
    return decode(stage(1, 5, [Prop("star", "blue", 34, 26, 26)])[0])


@pytest.fixture(scope="module")
def words(tiny: Assistant, scene: Picture) -> Words:
    return words_of(tiny, scene, "what is this?", tiny.ask(scene, "what is this?", sampling=SHORT))


def test_the_chance_of_the_answer_is_what_generation_said(tiny: Assistant, scene: Picture, words: Words) -> None:
    said = tiny.ask(scene, "what is this?", sampling=SHORT)
    chances = word_maps.log_chances(words, [[]]).exp()[0]
    forbidden = pytest.approx([token.probability for token in said.tokens], rel=0.3)  # generation forbids two tokens
    assert chances[:-1].tolist() == forbidden


def test_every_map_is_finite_and_has_a_curve(words: Words) -> None:
    for kind in KINDS:
        ranking = word_map(words, kind)
        assert ranking.shape == (words.patches,) == (9,) and torch.isfinite(ranking).all()
        curve = deletion_curve(words, ranking)
        assert curve.hidden[0] == 0 and curve.chance[0] == 1 and curve.hidden[-1] == 1 and 0 <= curve.area <= 1
    with pytest.raises(ConfigError, match="no map of words"):
        word_map(words, "guess")


def test_occlusion_of_a_trained_model_finds_the_thing_and_its_evidence_is_needed(
    assistant: Assistant, scene: Picture
) -> None:
    question = "is there a star?"
    proof = prove(assistant, scene, question, controls=2)
    assert proof is not None and proof.answer.answer == "yes" and proof.faithfulness == 1
    found = words_of(assistant, scene, question, proof.answer)
    ranking = word_maps.occlusion(found).reshape(found.grid)
    rows, cols = found.grid
    assert ranking[: rows // 2, : cols // 2].mean() > ranking[rows // 2 :, cols // 2 :].mean()
    assert word_maps.swapped(found, decode(np.full((96, 96, 3), 230, np.uint8))) < 0.5


def test_where_each_word_came_from(tiny: Assistant, scene: Picture) -> None:
    said = tiny.ask(scene, "what is this?", sampling=SHORT)
    boxed = replace(said, boxes=(LabelledBox("", Box(9, 9, 43, 43, scene.frame)),))
    origin = origin_of(tiny, scene, "what is this?", boxed)
    assert origin.best in origin.areas and set(origin.areas) == {"evidence", *KINDS, "random"}
    assert len(origin.words) == len(token_groups(said.tokens))
    plain = json.loads(json.dumps(origin.to_json()))
    assert len(plain["maps"]["occlusion"]) == origin.grid[0] * origin.grid[1]
    foreign = Answer("red", (), (), 0.5, "other", {}, (AnswerToken("red", 0.5),), (8, 8), said.view)
    with pytest.raises(ConfigError, match="by other"):
        words_of(tiny, scene, "what?", foreign)


def test_words_and_places_are_grouped() -> None:
    pieces = [
        "<box>",
        "<loc_3>",
        "<loc_9>",
        "<loc_40>",
        "<loc_52>",
        " r",
        "ed",
        " star",
        "<point>",
        "<loc_1>",
        "<loc_2>",
    ]
    groups = token_groups([AnswerToken(piece, 0.5) for piece in pieces])
    assert [(g.start, len(g.tokens), g.located) for g in groups] == [
        (1, 4, True),
        (5, 2, False),
        (7, 1, False),
        (9, 2, True),
    ]


def test_windows_cover_every_patch_alike_and_boxes_have_shares(words: Words) -> None:
    for grid, side in (((3, 5), 2), ((2, 2), 3)):
        held = np.bincount(np.concatenate(windows(grid, side)), minlength=grid[0] * grid[1])
        assert (held == side * side).all()
    frame = words.view.source
    assert box_shares(words, [frame.box]).mean().item() == pytest.approx(1)
    left = box_shares(words, [Box(0, 0, frame.width / 2, frame.height, frame)]).reshape(words.grid)
    assert left[:, : words.grid[1] // 2].min() == 1 and left[:, -1].max() == 0


def test_the_area_counts_no_gain() -> None:
    assert Curve((0.0, 0.5, 1.0), (1.0, 1.5, 0.0)).area == pytest.approx(0.75)
    assert deletion.SHARES[0] == 0 and deletion.SHARES[-1] == 1


def test_a_measurement_has_intervals(tiny: Assistant, scene: Picture) -> None:
    found = cases(tiny, "val", pictures=2, each=2)
    report = contract(found)
    assert report["all"]["asked"] == len(found) > 0 and json.dumps(report)
    said = tiny.ask(found[0].picture, found[0].exchange.question, sampling=SHORT)
    box = Box(9, 9, 43, 43, found[0].picture.frame)
    kept, lost = Trial((box,), said, False), Trial((box,), said, True)
    proof = Proof(replace(said, boxes=(LabelledBox("", box),)), (box,), lost, (lost,), (kept,))
    judged = replace(found[0], proof=proof)
    assert contract([judged])["all"]["faithfulness"]["value"] == 1
    mapped = maps(tiny, [judged])
    assert mapped["questions"] == 1 and set(mapped["deletion_area"]) == {"evidence", *KINDS, "random"}
    assert json.dumps(mapped) and maps(tiny, []) == {"questions": 0}


def test_prove_all_of_nothing(tiny: Assistant) -> None:
    assert prove_all(tiny, [], []) == []


# the command ----------------------------------------------------------------------------------------------------------


def test_ask_prove_prints_and_draws(
    tiny: Assistant, scene: Picture, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, drawn, folder = tmp_path / "star.png", tmp_path / "out.png", tmp_path / "tiny"
    Image.fromarray(scene.pixels).save(path)
    save_bundle(tiny.bundle, folder)
    words = ["ask", str(path), "what is this?", "--prove", "--model", str(folder)]
    assert main([*words, "--json", "--draw", str(drawn)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {"answer", "boxes", "proof"} <= set(said) and said["proof"]["believe"] in said["proof"]["deletion_area"]
    with Image.open(drawn) as sheet:
        assert sheet.width > sheet.height
    assert main(["ask", str(path), *words[1:]]) == 2
    assert "one answer" in capsys.readouterr().err


def test_a_sheet_has_a_panel_for_every_experiment(tiny: Assistant, scene: Picture) -> None:
    said = tiny.ask(scene, "what is this?", sampling=SHORT)
    box = Box(9, 9, 43, 43, scene.frame)
    boxed = replace(said, boxes=(LabelledBox("star", box),))
    trial = Trial((box,), said, True)
    proof = Proof(boxed, (box,), trial, (trial,), (trial,))
    origin = origin_of(tiny, scene, "what is this?", boxed)
    assert sheet(scene, proof, origin).width > 4 * PANEL > sheet(scene, None, origin).width > 2 * PANEL
