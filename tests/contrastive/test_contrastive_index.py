"""An index follows its folder: nothing is embedded twice, nothing is lost, and what cannot be read is named."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from showtell.contrastive import index as module
from showtell.contrastive.index import PictureIndex
from showtell.contrastive.neighbours import graph_for, nearest
from showtell.core.errors import DataError
from showtell.images.decode import Picture, decode

COLORS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "white": (250, 250, 250)}


class MeanColor:
    """An embedder anybody can check: the mean colour of a picture, and colour words."""

    dim = 3

    def __init__(self, key: str = "mean-color") -> None:
        self.name, self.key, self.seen = "mean colour", key, 0

    def pictures(self, pictures: Sequence[Picture]) -> Tensor:
        self.seen += len(pictures)
        return F.normalize(torch.tensor(np.stack([p.pixels.mean((0, 1)) for p in pictures])).float() - 100, dim=-1)

    def texts(self, texts: Sequence[str]) -> Tensor:
        return F.normalize(torch.tensor([COLORS[text] for text in texts]).float() - 100, dim=-1)


def paint(path: Path, color: str, shift: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20 + shift, 12), COLORS[color]).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, color in enumerate(COLORS):
        paint(tmp_path / "pictures" / f"{color}.png", color, i)
        paint(tmp_path / "pictures" / "deep" / f"{color}.jpg", color, i)
    (tmp_path / "pictures" / "notes.txt").write_text("not a picture")
    return tmp_path / "pictures"


def test_words_and_pictures_find_pictures(folder: Path) -> None:
    index = PictureIndex(folder, MeanColor())
    assert index.update() == module.Update(embedded=8, reused=0, removed=0, quarantined=0)
    hits = index.search_text("red", most=2)
    assert {hit.path for hit in hits} == {"red.png", "deep/red.jpg"} and hits[0].score > 0.99
    like = index.search_picture(decode(folder / "blue.png"), most=3)
    assert {hit.path for hit in like[:2]} == {"blue.png", "deep/blue.jpg"} and like[2].score < like[1].score
    assert len(index.search_text("green", most=99)) == 8


def test_only_what_changed_is_looked_at(folder: Path) -> None:
    PictureIndex(folder, MeanColor()).update()
    embedder = MeanColor()
    index = PictureIndex(folder, embedder)
    assert len(index) == 8 and index.update().embedded == 0 and embedder.seen == 0
    os.utime(folder / "red.png", ns=(1, 1))  # touched, not changed
    shutil.copy(folder / "blue.png", folder / "again.png")  # a copy
    (folder / "white.png").unlink()
    paint(folder / "green.png", "white", 9)  # another picture under the old name
    assert index.update() == module.Update(embedded=1, reused=2, removed=1, quarantined=0)
    assert embedder.seen == 1
    assert {hit.path for hit in index.search_text("blue", 3)} == {"blue.png", "deep/blue.jpg", "again.png"}
    assert {hit.path for hit in index.search_text("white", 2)} == {"green.png", "deep/white.jpg"}


def test_what_cannot_be_read_is_set_aside_by_name(folder: Path) -> None:
    (folder / "broken.jpg").write_bytes((folder / "deep" / "red.jpg").read_bytes()[:150])
    (folder / "empty.png").touch()
    index = PictureIndex(folder, MeanColor())
    assert index.update() == module.Update(embedded=8, reused=0, removed=0, quarantined=2)
    lines = [json.loads(line) for line in (index.place / "quarantine.jsonl").read_text().splitlines()]
    assert {line["path"] for line in lines} == {"broken.jpg", "empty.png"} and all(line["why"] for line in lines)
    paint(folder / "broken.jpg", "red", 7)
    assert index.update().embedded == 1 and index.update().quarantined == 1


def test_an_interrupted_update_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 3)

    def stop(done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        PictureIndex(folder, MeanColor()).update(stop)
    embedder = MeanColor()
    index = PictureIndex(folder, embedder)
    assert len(index) == 6, "two parts of three were written"
    index.update()
    assert embedder.seen == 2 and len(index) == 8 == len(index.vectors)
    assert {hit.path for hit in index.search_text("red", 2)} == {"red.png", "deep/red.jpg"}


def test_vectors_without_entries_do_no_harm(folder: Path) -> None:
    index = PictureIndex(folder, MeanColor())
    index.update()
    (index.place / "entries.jsonl").write_text("")  # a crash between the two files
    fresh = PictureIndex(folder, MeanColor())
    assert len(fresh) == 0
    fresh.update()
    assert {hit.path for hit in fresh.search_text("red", 2)} == {"red.png", "deep/red.jpg"}


def test_refusals(folder: Path, tmp_path: Path) -> None:
    index = PictureIndex(folder, MeanColor())
    assert index.search_text("red") == []
    index.update()
    made = r"was made by mean colour \(mean-color\) and the model at hand is mean colour \(other\)"
    with pytest.raises(DataError, match=made):
        PictureIndex(folder, MeanColor("other"))
    with pytest.raises(DataError, match="the description is empty"):
        index.search_text("  ")
    (index.place / "index.json").write_text("{")
    with pytest.raises(DataError, match="no readable index"):
        PictureIndex(folder, MeanColor())
    with pytest.raises(DataError, match="is not a folder"):
        PictureIndex(folder / "red.png", MeanColor())
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        PictureIndex(tmp_path / "none", MeanColor()).update()


def test_a_graph_finds_what_comparing_all_finds(tmp_path: Path) -> None:
    """The best of the walk are compared exactly, so scores agree to the bit and nearly all of the best are there."""
    vectors = F.normalize(torch.randn(1500, 24, generator=torch.Generator().manual_seed(0)), dim=1)
    assert graph_for(vectors, tmp_path / "g") is None
    first = graph_for(vectors[:1000], tmp_path / "g", above=500)
    assert first is not None and len(first) == 1000
    graph = graph_for(vectors, tmp_path / "g", above=500)  # read again, and only what is new is entered
    assert graph is not None and len(graph) == 1500
    shared = 0
    for query in vectors[::100]:
        exact, walked = nearest(vectors, query, 10), nearest(vectors, query, 10, graph)
        assert exact[0] == walked[0] and len(walked) == 10
        shared += len(set(exact.tolist()) & set(walked.tolist()))
    assert shared >= 0.9 * 10 * len(vectors[::100])


def test_rows_of_pictures_that_are_gone_are_passed_over(folder: Path) -> None:
    index = PictureIndex(folder, MeanColor())
    index.update()
    (folder / "red.png").unlink()
    (folder / "deep" / "red.jpg").unlink()
    index.update()
    assert {hit.path for hit in index.search_text("red", 1)} <= {"white.png", "deep/white.jpg"}
    assert len(index.search_text("red", 99)) == 6
