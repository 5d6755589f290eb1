"""The harnesses' departures, held to the harnesses by golden vectors, and the table of them."""

import random

import pytest
from golden import golden

from showtell.core.errors import DataError
from showtell.metrics import harnesses
from showtell.metrics.departures import METRICS, scores
from showtell.metrics.yes_no import yes_no_score


def test_vqa_of_both_harnesses():
    departing = 0
    for said, answers, official, _, lmms, kit in golden("vqa"):
        assert harnesses.lmms_vqa_accuracy(said, answers) == pytest.approx(lmms, abs=1e-9), (said, answers)
        assert harnesses.kit_vqa_accuracy(said, answers) == pytest.approx(kit, abs=1e-9), (said, answers)
        departing += lmms != pytest.approx(official)
    assert departing > 10


def test_pope_of_both_harnesses():
    for answers, truths, _, _, (accuracy, precision, recall, f1, yes_ratio), kit in golden("pope"):
        said = [answer if answer in ("yes", "no") else None for answer in map(harnesses.lmms_pope_answer, answers)]
        score = yes_no_score(said, truths)  # type: ignore[arg-type]
        assert score.accuracy == pytest.approx(accuracy) and score.precision == pytest.approx(precision)
        assert truths.count("yes") / len(truths) == pytest.approx(yes_ratio)  # of the truths, not of the answers
        found = score.true_yes + score.false_no  # and an unreadable answer is no missed yes there
        their_recall = score.true_yes / found if found else 0.0
        assert their_recall == pytest.approx(recall)
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
        assert [harnesses.kit_pope_answer(answer).capitalize() for answer in answers] == kit


def test_mmmu_of_lmms_eval():
    vectors, generator = golden("choices"), random.Random(42)
    for (response, options), index in zip(vectors["rows"], vectors["lmms"], strict=True):
        assert harnesses.lmms_mmmu_choice(response, options, generator) == index, (response, options)


def test_choices_of_vlmevalkit():
    rows = golden("harness_choices")
    for response, options, index in rows:
        said = harnesses.kit_choice(response, options)
        assert (-1 if said is None else said) == index, (response, options)
    assert 0.2 < sum(row[2] >= 0 for row in rows) / len(rows) < 0.95


def test_gqa_of_lmms_eval():
    for said, truth, right in golden("harness_gqa"):
        assert harnesses.lmms_gqa_match(said, truth) == bool(right), (said, truth)


def test_refcoco_of_both_harnesses():
    for text, box, (width, height), lmms, kit in golden("harness_boxes"):
        shares = box[0] / width, box[1] / height, box[2] / width, box[3] / height
        assert harnesses.lmms_refcoco_iou(text, shares) == pytest.approx(lmms, abs=1e-9), text
        assert harnesses.kit_refcoco_iou(text, tuple(box), width, height) == pytest.approx(kit, abs=1e-9), text


def test_screenspot_of_lmms_eval():
    rows = golden("harness_clicks")
    for text, truth, right in rows:
        assert harnesses.lmms_screenspot_hit(text, tuple(truth)) == bool(right), text
    assert 0.1 < sum(row[2] for row in rows) / len(rows) < 0.9


def test_a_perfect_box_in_pixels_is_taken_for_thousandths():
    box = (300.0, 200.0, 420.0, 360.0)
    assert harnesses.kit_refcoco_iou("[300, 200, 420, 360]", box, 640, 480) < 0.2


@pytest.mark.parametrize("name", METRICS)
def test_every_probe_shows_a_departure(name: str):
    metric = METRICS[name]
    found = scores(metric, metric.probes)
    assert list(found)[:2] == ["official", "clean"]
    for index in range(len(metric.probes)):
        assert len({values[index] for values in found.values()}) > 1, metric.probes[index]
    assert all(0 <= value <= 1 for values in found.values() for value in values)


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("vqa", [], "no row"),
        ("vqa", [{"prediction": "x", "answers": "x"}], "row 0: the field answers should be a list"),
        ("vqa", [{"prediction": "x", "answers": []}], "row 0: the field answers"),
        ("pope", [{"prediction": None, "answer": "yes"}], "row 0: the field prediction should be a str"),
        ("textvqa", [{"prediction": "x", "answers": ["x"]}], "10 answers, not 1"),
        ("vqa", [{"prediction": "x", "answers": [1, 2]}], "cannot be scored"),
        ("mmmu", [{"prediction": "x", "answer": "A", "options": []}], "row 0: the field options"),
    ],
)
def test_rows_of_the_wrong_kind_are_refused_by_number(name: str, rows: list[dict[str, object]], message: str):
    with pytest.raises(DataError, match=message):
        scores(METRICS[name], rows)
