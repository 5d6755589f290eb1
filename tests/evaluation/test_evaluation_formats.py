"""Published sets as they are unpacked: every reader, a perfect and a useless model, and what is wrong with files."""

import base64
import json
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from showtell.contrastive.embedder import PairEmbedder
from showtell.core.errors import ConfigError, DataError
from showtell.core.geometry import Box, Frame
from showtell.evaluation.cards import FILES, MADE, task
from showtell.evaluation.ranking import OfPair
from showtell.evaluation.running import run
from showtell.evaluation.scoring import METRICS, Said, score
from showtell.evaluation.task import Item, Task
from showtell.images.decode import Picture

SIZE = (60, 40)


def draw(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((SIZE[1], SIZE[0], 3), 40 + 30 * number, np.uint8)).save(path)


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def rows(path: Path, content: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in content))


def vqav2(at: Path) -> list[str]:
    draw(at, "val2014/COCO_val2014_000000000042.jpg")
    asked = [{"question_id": n, "image_id": 42, "question": "is it red?"} for n in (420, 421)]
    notes = [
        {"question_id": n, "answers": [{"answer": "yes", "answer_id": i} for i in range(10)], "answer_type": "yes/no"}
        for n in (421, 420)
    ]
    write(at / "v2_OpenEnded_mscoco_val2014_questions.json", {"questions": asked})
    write(at / "v2_mscoco_val2014_annotations.json", {"annotations": notes})
    return ["yes", "yes"]


def gqa(at: Path) -> list[str]:
    draw(at, "images/n1.jpg")
    row = {"imageId": "n1", "question": "what is it?", "answer": "dog", "types": {"structural": "query"}}
    write(at / "testdev_balanced_questions.json", {"9": row})
    return ["dog"]


def textvqa(at: Path) -> list[str]:
    draw(at, "train_images/ab.jpg")
    row = {"question_id": 5, "image_id": "ab", "question": "what does it say?", "answers": ["stop"] * 10}
    write(at / "TextVQA_0.5.1_val.json", {"data": [row]})
    return ["stop"]


def docvqa(at: Path) -> list[str]:
    draw(at, "documents/p.png")
    row = {"questionId": 1, "question": "who?", "image": "documents/p.png", "answers": ["Ann", "ann b"]}
    write(at / "val_v1.0.json", {"data": [row | {"question_types": ["form"]}]})
    return ["ann"]


def chartqa(at: Path) -> list[str]:
    draw(at, "png/1.png", "png/2.png")
    write(at / "test_human.json", [{"imgname": "1.png", "query": "how much?", "label": "100"}])
    write(at / "test_augmented.json", [{"imgname": "2.png", "query": "which?", "label": "Blue"}])
    return ["103", "Blue"]


def pope(at: Path) -> list[str]:
    draw(at, "a.jpg")
    for split in ("random", "adversarial"):
        asked = {"question_id": 1, "image": "a.jpg", "text": "Is there a dog in the image?", "label": "no"}
        rows(at / f"coco_pope_{split}.json", [asked])
    return ["no", "no"]


def scienceqa(at: Path) -> list[str]:
    draw(at, "images/test/7/image.png", "images/test/8/image.png")
    common = {"question": "which?", "choices": ["iron", "wood"], "hint": "look", "split": "test"}
    problems = {
        "7": common | {"answer": 1, "image": "image.png"},
        "8": common | {"answer": 0, "image": "image.png"},
        "9": common | {"answer": 0, "image": None},
        "10": common | {"answer": 0, "image": None, "split": "train"},
    }
    write(at / "problems.json", problems)
    return ["B", "A", "A"]


def mmmu(at: Path) -> list[str]:
    draw(at, "art_1.png")
    common = {"image_1": "art_1.png", "question_type": "multiple-choice", "subfield": "Drawing"}
    rows(
        at / "validation.jsonl",
        [
            common | {"id": "art_1", "question": "<image 1> which?", "options": "['red', 'green']", "answer": "B"},
            common | {"id": "art_2", "question": "how many?", "options": "[]", "answer": "12", "question_type": "open"},
        ],
    )
    return ["B", "12"]


def mmbench(at: Path) -> list[str]:
    buffer = BytesIO()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(buffer, "PNG")
    picture = base64.b64encode(buffer.getvalue()).decode()
    head = "index\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\timage\n"
    body = f"1\twhat?\t\tdog\tcat\t\t\tA\tobject\t{picture}\n2\twhat?\tlook\tdog\tcat\tcow\t\tC\tobject\t1\n"
    (at / "mmbench_dev.tsv").write_text(head + body)
    return ["A", "C"]


def refcoco(at: Path) -> list[str]:
    draw(at, "train2014/x.jpg")
    row = {"image": "data/somewhere/x.jpg", "bbox": [10, 5, 40, 30], "width": 60, "height": 40}
    rows(at / "refcoco_val.jsonl", [row | {"sent": "the dog"}, row | {"sent": "left one"}])
    return ["", ""]


def screenspot(at: Path) -> list[str]:
    draw(at, "imgs/s.png")
    row = {"img_filename": "s.png", "bbox": [10, 5, 30, 25], "instruction": "close", "data_type": "icon"}
    write(at / "screenspot_web.json", [row | {"data_source": "web"}])
    return ["(0.4,0.4)"]


def captions(at: Path) -> list[str]:
    draw(at, "val2014/1.jpg", "val2014/2.jpg")
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in (1, 2)]
    said = {1: ("a dog on a lawn", "the dog is there"), 2: ("two red cars", "cars on a street")}
    notes = [
        {"id": 10 * n + i, "image_id": n, "caption": text} for n, some in said.items() for i, text in enumerate(some)
    ]
    write(at / "captions_val2014.json", {"images": images, "annotations": notes})
    return ["a dog on a lawn", "two red cars"]


def classes(at: Path) -> list[str]:
    draw(at, "dog/1.png", "hot_dog/2.png")
    return ["dog", "hot dog"]


MAKERS: dict[str, Callable[[Path], list[str]]] = {
    made.__name__: made
    for made in (
        *(vqav2, gqa, textvqa, docvqa, chartqa, pope, scienceqa, mmmu, mmbench),
        *(refcoco, screenspot, captions, classes),
    )
}


def perfect(item: Item, text: str) -> Said:
    box = item.reference.get("box")
    return Said(text, boxes=(box,), points=(box.center,)) if isinstance(box, Box) else Said(text)


@pytest.mark.parametrize("name", MAKERS)
def test_a_published_set_is_read_and_scored(name: str, tmp_path: Path) -> None:
    answers = MAKERS[name](tmp_path)
    read = task(f"{name}={tmp_path}")
    assert len(read.items) == len(answers) and read.card.name == name
    for item in read.items:
        assert item.question and item.skill
        if item.picture is not None:
            assert read.open(item.picture).frame.width in (SIZE[0], 30)
    right = score(read.card.metric, [perfect(i, a) for i, a in zip(read.items, answers, strict=True)], read.items)
    wrong = score(read.card.metric, [Said("zebra crossing") for _ in answers], read.items)
    assert min(right["official"]) > 0.4 and min(right["clean"]) > 0.5
    assert max(wrong["clean"]) < 0.2
    assert read.fingerprint == task(f"{name}={tmp_path}").fingerprint
    assert read.fingerprint != task(f"{name}={tmp_path}").first(1).fingerprint or len(answers) == 1


def test_every_card_has_a_metric_and_a_reader() -> None:
    assert set(MAKERS) | {"jsonl", "retrieval"} == set(FILES)
    assert all(card.metric in METRICS for card, _ in FILES.values()) and all(c.metric in METRICS for c in MADE.values())


def test_the_prompt_of_a_card_can_be_replaced(tmp_path: Path) -> None:
    gqa(tmp_path)
    assert task(f"gqa={tmp_path}").items[0].question.endswith("single word or phrase.")  # type: ignore[union-attr]
    assert task(f"gqa={tmp_path}", prompt="Q: {question}").items[0].question == "Q: what is it?"
    assert task(f"gqa={tmp_path}", prompt="Q: {question}").fingerprint != task(f"gqa={tmp_path}").fingerprint
    with pytest.raises(ConfigError, match=r"\{question\}"):
        task(f"gqa={tmp_path}", prompt="what?")


def test_mdetr_files_and_screenspot_pro_have_other_boxes(tmp_path: Path) -> None:
    draw(tmp_path, "1.jpg")
    image = {"id": 3, "file_name": "1.jpg", "caption": "the dog", "width": 60, "height": 40}
    note = {"id": 30, "image_id": 3, "bbox": [10, 5, 30, 25]}
    write(tmp_path / "finetune_refcoco_val.json", {"images": [image], "annotations": [note]})
    assert task(f"refcoco={tmp_path}").items[0].reference["box"] == Box(10, 5, 40, 30, Frame(60, 40))
    row = {"img_filename": "1.jpg", "bbox": [10, 5, 40, 30], "instruction": "x", "img_size": [60, 40], "id": "a"}
    write(tmp_path / "screenspot_pro.json", [row])
    assert task(f"screenspot={tmp_path}").items[0].reference["box"] == Box(10, 5, 40, 30, Frame(60, 40))


@pytest.mark.parametrize(
    ("fields", "metric", "text"),
    [
        ({"answer": "dog"}, "exact", "a dog"),
        ({"answers": ["dog"] * 10}, "vqa", "dog"),
        ({"options": ["dog", "cat"], "answer": "b"}, "choice", "B"),
        ({"captions": ["a dog"]}, "captions", "a dog"),
    ],
)
def test_any_rows_are_a_task(fields: dict[str, Any], metric: str, text: str, tmp_path: Path) -> None:
    draw(tmp_path, "a.png")
    rows(tmp_path / "mine.jsonl", [{"id": "q1", "image": "a.png", "question": "what?", "skill": "naming"} | fields])
    read = task(str(tmp_path / "mine.jsonl"))
    assert read.card.name == "mine" and read.card.metric == metric and read.items[0].skill == "naming"
    assert score(metric, [Said(text)], read.items)["clean"] == [1.0]


def test_rows_may_carry_pictures_and_boxes(tmp_path: Path) -> None:
    buffer = BytesIO()
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(buffer, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    rows(tmp_path / "m.jsonl", [{"image": url, "question": "where?", "box": [1, 2, 30, 20], "size": [60, 40]}])
    read = task(str(tmp_path / "m.jsonl"))
    assert read.card.metric == "box" and read.items[0].picture is not None
    assert read.open(read.items[0].picture).frame == Frame(60, 40)


# what is wrong with files ---------------------------------------------------------------------------------------------


def test_missing_pictures_are_counted_and_named(tmp_path: Path) -> None:
    chartqa(tmp_path)
    (tmp_path / "png" / "2.png").unlink()
    with pytest.raises(DataError, match=r"1 of 1 pictures are not below .*first: 2.png"):
        task(f"chartqa={tmp_path}")


def test_duplicate_ids_and_empty_tasks(tmp_path: Path) -> None:
    draw(tmp_path, "a.png")
    row = {"id": 3, "image": "a.png", "question": "what?", "answer": "dog"}
    rows(tmp_path / "twice.jsonl", [row, row])
    with pytest.raises(DataError, match="the id 3 occurs twice"):
        task(str(tmp_path / "twice.jsonl"))
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match="no items"):
        task(str(tmp_path / "empty.jsonl"))
    write(tmp_path / "testdev_questions.json", {})
    with pytest.raises(DataError, match="no items"):
        task(f"gqa={tmp_path}")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "what?"}, "says nothing of what is right"),
        ({"question": 3, "answer": "x"}, "the field question should be a str"),
        ({"question": "q", "options": ["a"], "answer": "C"}, "letter of one of 1 options"),
        ({"question": "q", "box": [30, 2, 1, 20], "size": [60, 40]}, "is no box"),
        ({"question": "q", "box": [float("nan"), 2, 1, 20], "size": [60, 40]}, "is no box"),
        ({"question": "q", "box": [100, 2, 120, 20], "size": [60, 40]}, "outside its picture"),
        ({"question": "q", "answers": "dog"}, "should be a list"),
    ],
)
def test_rows_that_cannot_be_used(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    rows(tmp_path / "bad.jsonl", [row])
    with pytest.raises(DataError, match=message):
        task(str(tmp_path / "bad.jsonl"))


def test_files_that_are_not_there_or_not_json(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file named"):
        task(f"gqa={tmp_path}")
    with pytest.raises(DataError, match="there is no folder"):
        task(f"gqa={tmp_path / 'nowhere'}")
    (tmp_path / "x_questions.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        task(f"gqa={tmp_path}")
    vqav2(tmp_path / "v") if (tmp_path / "v").mkdir() is None else None
    write(tmp_path / "v" / "v2_mscoco_val2014_annotations.json", {"annotations": []})
    with pytest.raises(DataError, match="question 420 has no annotation"):
        task(f"vqav2={tmp_path / 'v'}")


@pytest.mark.parametrize("wanted", ["gqa", "nothing", "worlds:nowhere", "spatial:left", "worlds=here"])
def test_unknown_tasks_are_one_sentence(wanted: str) -> None:
    with pytest.raises(ConfigError):
        task(wanted, pictures=1)


@pytest.mark.parametrize("metric", ["box", "click", "captions", "exact", "vqa", "choice", "pope"])
def test_a_metric_refuses_a_reference_of_the_wrong_kind(metric: str) -> None:
    item = Item(id="7", picture=None, question="what?", reference={"nothing": 1})
    with pytest.raises(DataError, match=r"7|row 0"):
        score(metric, [Said("dog")], [item])


def test_the_task_itself_needs_items() -> None:
    with pytest.raises(DataError, match="no items"):
        Task(FILES["gqa"][0], [], lambda key: None)  # type: ignore[arg-type,return-value]


def look(pictures: Sequence[Picture]) -> torch.Tensor:
    return torch.stack([torch.from_numpy(p.pixels.astype(np.float32)).mean(dim=(0, 1)) + 1 for p in pictures])


def read(texts: Sequence[str]) -> torch.Tensor:
    return torch.tensor([[float(name in text) + 1e-3 for name in ("red", "green", "blue")] for text in texts])


def coloured(at: Path, name: str, channel: int) -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :, channel] = 250
    path = at / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_a_dual_encoder_ranks_classes_and_captions(tmp_path: Path) -> None:
    pair = OfPair(PairEmbedder("colours", "0", 3, look, read))  # of mean colours and the words for them
    for channel, name in enumerate(("red", "green", "blue")):
        coloured(tmp_path / "a", f"{name}/1.png", channel)
        coloured(tmp_path / "b", f"{channel}.png", channel)
    found = run(pair, task(f"classes={tmp_path / 'a'}"))
    assert [record.scores["official"] for record in found.records] == [1, 1, 1]
    assert all((record.reply.said.confidence or 0) > 0.9 for record in found.records)
    images = [{"id": n, "file_name": f"{n}.png"} for n in range(3)]
    texts = enumerate(("a red one", "so red", "green", "blue", "green?"))
    notes = [{"id": i, "image_id": (0, 0, 1, 2, 2)[i], "caption": text} for i, text in texts]
    write(tmp_path / "b" / "captions_val.json", {"images": images, "annotations": notes})
    found = run(pair, task(f"retrieval={tmp_path / 'b'}"), chunk=2)
    scores = {record.item.id: (record.scores["official"], record.scores["r@5"]) for record in found.records}
    assert scores.pop("text-4") == (0, 1) and len(scores) == 7 and set(scores.values()) == {(1, 1)}
    with pytest.raises(ConfigError, match="is a dual encoder"):
        run(pair, task("spatial", pictures=1))
