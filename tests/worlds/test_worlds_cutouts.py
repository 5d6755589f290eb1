"""The shipped pack keeps its promises, and a bad pack is named in one sentence."""

import io
import json
import pickle
import time
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from showtell.core.errors import DataError
from showtell.worlds.cutouts import CutoutPack, load_pack


@pytest.fixture(scope="module")
def pack() -> CutoutPack:
    return load_pack()


def write_small_pack(folder: Path, archive: str = "cutouts.zip") -> Path:
    picture = Image.new("RGBA", (5, 7), (200, 10, 30, 255))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=True)
    row = {"category": "dog", "instance": "dog-00", "style": "photo", "source": "stamps", "license": "CC0-1.0",
           "split": "train", "archive": archive}  # fmt: skip
    for name in {archive, "cutouts.zip"}:
        with zipfile.ZipFile(folder / name, "w") as file:
            if name == archive:
                file.writestr("dog-00.webp", buffer.getvalue())
    (folder / "index.json").write_text(json.dumps({"version": 1, "instances": [row], "backgrounds": []}))
    return folder


def test_the_pack_is_as_large_as_promised(pack):
    assert len(pack.categories) >= 130
    per_category = pack.by_category()
    assert sum(len(members) >= 3 for members in per_category.values()) >= 130
    assert {cutout.style for cutout in pack.instances} == {"photo", "drawing", "pictogram", "line"}
    assert len(pack.by_category("heldout", style_twins=False)) >= 100
    assert set(pack.by_category("train")) == set(pack.categories)
    assert len(pack.backgrounds) >= 40 and {ground.split for ground in pack.backgrounds} == {"train", "heldout"}


def test_every_picture_decodes_tight_small_and_with_an_outline(pack):
    for cutout in pack.instances:
        pixels = pack.rgba(cutout)
        alpha = pixels[..., 3]
        assert pixels.dtype == np.uint8 and max(alpha.shape) <= 96, cutout
        assert (alpha[0] >= 12).any() and (alpha[-1] >= 12).any(), cutout
        assert (alpha[:, 0] >= 12).any() and (alpha[:, -1] >= 12).any(), cutout
        assert (alpha > 127).any(), cutout


def test_backgrounds_are_opaque_squares(pack):
    for ground in pack.backgrounds:
        pixels = pack.rgba(ground)
        assert pixels.shape == (192, 192, 4) and (pixels[..., 3] == 255).all(), ground


def test_no_group_is_on_both_sides_unless_the_twin_is_marked(pack):
    sides = defaultdict(set)
    for cutout in pack.instances:
        if not cutout.style_twin:
            sides[cutout.group].add(cutout.split)
    assert all(len(side) == 1 for side in sides.values())
    trained = {cutout.file for cutout in pack.instances if cutout.split == "train"}
    twins = [cutout for cutout in pack.instances if cutout.style_twin]
    assert twins and all(t.split == "heldout" and t.style == "line" and t.file in trained for t in twins)


def test_no_photograph_lends_crops_to_both_sides(pack):
    sides = defaultdict(set)
    for ground in pack.backgrounds:
        sides[ground.file].add(ground.split)
    assert all(len(side) == 1 for side in sides.values())


def test_no_picture_is_shipped_twice(pack):
    assert len({pack.rgba(cutout).tobytes() for cutout in pack.instances}) == len(pack.instances)


def test_every_instance_says_where_it_comes_from(pack):
    assert len({cutout.instance for cutout in pack.instances}) == len(pack.instances)
    for picture in (*pack.instances, *pack.backgrounds):
        assert picture.file and picture.author and picture.source, picture
        assert picture.license.startswith(("Public-Domain", "CC0", "CC-BY", "GPL-2.0-or-later")), picture
        assert (picture.archive == "cutouts-gpl.zip") == (picture.license == "GPL-2.0-or-later"), picture


def test_the_index_opens_quickly():
    folder = load_pack().folder
    best = min(timed_open(folder) for _ in range(3))
    assert best < 0.1  # 0.03 s of processor time where it was written


def timed_open(folder: Path) -> float:
    start = time.process_time()
    CutoutPack(folder)
    return time.process_time() - start


def test_load_is_cached_pixels_are_read_only_and_the_pack_pickles(pack):
    assert load_pack() is pack
    cutout = pack.instances[0]
    pixels = pack.rgba(cutout)
    assert pack.rgba(cutout) is pixels
    with pytest.raises(ValueError):
        pixels[0, 0, 0] = 1
    again = pickle.loads(pickle.dumps(pack))
    assert np.array_equal(again.rgba(again.instances[0]), pixels)


def test_a_small_pack_reads(tmp_path):
    small = CutoutPack(write_small_pack(tmp_path))
    assert small.categories == ("dog",) and small.split(small.instances[0]) == "train"
    assert small.rgba(small.instances[0]).shape == (7, 5, 4)


def test_the_separately_licensed_archive_may_be_left_out(tmp_path):
    folder = write_small_pack(tmp_path, archive="cutouts-gpl.zip")
    assert len(CutoutPack(folder).instances) == 1
    (folder / "cutouts-gpl.zip").unlink()
    assert CutoutPack(folder).instances == ()


def test_a_missing_pack_is_named(tmp_path):
    with pytest.raises(DataError, match=r"index\.json: the cut-out pack is missing"):
        load_pack(tmp_path / "nowhere")
    write_small_pack(tmp_path)
    (tmp_path / "cutouts.zip").unlink()
    with pytest.raises(DataError, match=r"cutouts\.zip: the cut-out pack is missing"):
        CutoutPack(tmp_path)


def test_a_damaged_pack_is_named(tmp_path):
    write_small_pack(tmp_path)
    whole = (tmp_path / "cutouts.zip").read_bytes()
    small = CutoutPack(tmp_path)
    (tmp_path / "cutouts.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged archive"):
        CutoutPack(tmp_path)
    middle = whole.index(b"WEBPVP8") + 12
    (tmp_path / "cutouts.zip").write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    with pytest.raises(DataError, match=r"dog-00\.webp: damaged picture"):
        CutoutPack(tmp_path).rgba(small.instances[0])
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(DataError, match="not a readable index"):
        CutoutPack(tmp_path)
    (tmp_path / "index.json").write_text('{"version": 2}')
    with pytest.raises(DataError, match="not an index of version 1"):
        CutoutPack(tmp_path)


def test_an_incomplete_entry_is_named(tmp_path):
    write_small_pack(tmp_path)
    (tmp_path / "index.json").write_text('{"version": 1, "instances": [{"category": "dog"}], "backgrounds": []}')
    with pytest.raises(DataError, match="an entry is incomplete"):
        CutoutPack(tmp_path)
