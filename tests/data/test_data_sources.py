"""Every kind of source gives the same records, and names what it cannot use."""

import base64
import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from showtell.core.errors import DataError
from showtell.data.record import Record, Source, Turn, make_record
from showtell.data.shards import TarShards, load_index
from showtell.data.sources import Coco, CsvFile, JsonLines, PictureFolder
from showtell.data.tables import Parquet


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((5, 7, 3), number, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    return tmp_path


def lines(folder, *rows) -> JsonLines:
    path = folder / "train.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return JsonLines(path)


TURNS = (Turn("user", (0, "who?")), Turn("assistant", ("me",)))
URL = "data:image/png;base64," + base64.b64encode(picture(1)).decode()
FORMATS = {
    "ours": {"images": ["1.png"], "messages": [
        {"role": "user", "content": "<image> who?"}, {"role": "assistant", "content": "me"}]},
    "LLaVA": {"image": "1.png", "conversations": [
        {"from": "human", "value": "<image>\nwho?"}, {"from": "gpt", "value": "me"}]},
    "ShareGPT": {"images": ["1.png"], "conversations": [
        {"from": "user", "value": "<image>who?"}, {"from": "chatgpt", "value": "me"}]},
    "OpenAI": {"messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": URL}},
                                     {"type": "text", "text": "who?"}]},
        {"role": "assistant", "content": "me"}]},
    "hub": {"images": ["1.png"], "messages": [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "who?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "me"}]}]},
    "Cauldron": {"images": ["1.png"], "texts": [{"user": "who?", "assistant": "me"}]},
}  # fmt: skip


def test_every_format_of_conversations_is_the_same_record(folder):
    source = lines(folder, *FORMATS.values())
    assert isinstance(source, Source) and len(source) == len(FORMATS)
    records = [source[i] for i in range(len(source))]
    for record in records:
        assert record.turns == TURNS and record.images == (picture(1),)
    assert len({record.id for record in records}) == 1, "the id is of the content, not of the format"


def test_a_system_prompt_and_several_pictures(folder):
    row = {"system": "be brief", "images": ["0.png", "2.png"], "conversations": [
        {"from": "human", "value": "is <image> like <image>?"}, {"from": "gpt", "value": "no"}],
           "topic": "x"}  # fmt: skip
    record = lines(folder, row)[0]
    assert record.turns[0] == Turn("system", ("be brief",))
    assert record.turns[1] == Turn("user", ("is", 0, "like", 1, "?"))
    assert record.images == (picture(0), picture(2)) and record.facts == {"topic": "x"}


def test_blank_lines_do_not_count(folder):
    source = lines(folder, "", FORMATS["ours"], "  ", "", FORMATS["LLaVA"], "")
    assert len(source) == 2 and source[0].turns == source[1].turns == TURNS


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('{"half', "row 1 of train.jsonl: not JSON"),
        ("[1, 2]", "no list of turns"),
        ({"images": ["1.png"]}, "no list of turns"),
        ({"images": ["1.png"], "messages": []}, "no list of turns"),
        ({"messages": [{"role": "user", "content": "<image> a"}]}, "1 <image> marks but 0 pictures"),
        ({"image": "1.png", "messages": [{"role": "user", "content": "a"}]}, "0 <image> marks but 1 pictures"),
        ({"messages": ["hello"]}, "a turn needs a role"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "a part of type 'video' is not known"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "has no text"),
        ({"image": "9.png", "messages": [{"role": "user", "content": "<image>"}]}, "9.png cannot be read"),
        ({"image": "empty.png", "messages": [{"role": "user", "content": "<image>"}]}, "is empty"),
        ({"image": "https://a/b.png", "messages": [{"role": "user", "content": "<image>"}]}, "names no picture file"),
        ({"image": "data:image/png;base64,@@", "messages": [{"role": "user", "content": "<image>"}]}, "not base64"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(folder, row, says):
    (folder / "empty.png").write_bytes(b"")
    source = lines(folder, FORMATS["ours"], row)
    assert source[0].turns == TURNS
    with pytest.raises(DataError, match=says) as caught:
        source[1]
    assert "row 1 of train.jsonl" in str(caught.value)


def test_the_id_is_of_the_content():
    one = make_record("here", [picture(1)], TURNS, {"a": 1, "b": [2]})
    assert one.id == make_record("there", [picture(1)], TURNS, {"b": [2], "a": 1}).id and len(one.id) == 32
    others = [
        make_record("here", [picture(2)], TURNS, {"a": 1, "b": [2]}),
        make_record("here", [picture(1)], TURNS[:1], {"a": 1, "b": [2]}),
        make_record("here", [picture(1)], TURNS, {"a": 1}),
    ]
    assert len({record.id for record in [one, *others]}) == 4


def test_a_folder_with_labels_and_captions(tmp_path):
    for name in ("cat/a.png", "dog/b.png", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture(len(name)))
    (tmp_path / "cat" / "a.txt").write_text("a cat \n")
    source = PictureFolder(tmp_path)
    assert [dict(source[i].facts) for i in range(3)] == [{}, {"label": "cat", "caption": "a cat"}, {"label": "dog"}]
    with pytest.raises(DataError, match="no picture"):
        PictureFolder(tmp_path / "cat" / "nothing")


def test_a_csv_file(folder):
    (folder / "t.csv").write_text('image\ttext\n0.png\t"a ""big""\ndog"\n2.png\tb\n1.png\n')
    source = CsvFile(folder / "t.csv", delimiter="\t")
    assert [source[i].facts["text"] for i in (0, 1)] == ['a "big"\ndog', "b"] and source[1].images == (picture(2),)
    with pytest.raises(DataError, match="row 2 of t.csv: it has not as many cells"):
        source[2]
    with pytest.raises(DataError, match="no column 'path'; the columns are image, text"):
        CsvFile(folder / "t.csv", "path", delimiter="\t")


def test_coco(folder):
    boxes = [
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 1], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [0, 0, 7, 5], "iscrowd": 1},
        {"id": 3, "image_id": 9, "category_id": 4, "bbox": [0, 0, 0, 5]},
    ]
    images = [{"id": i, "file_name": f"{n}.png", "width": 7, "height": 5} for i, n in ((9, 0), (7, 2))]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 3, "name": "dog"}, {"id": 4, "name": "x"}]}
    (folder / "a.json").write_text(json.dumps(content))
    source = Coco(folder / "a.json", folder)
    assert source[0].facts == {"width": 7, "height": 5, "boxes": [[1, 2, 4, 3]], "labels": ["dog"]}
    assert source[0].images == (picture(2),)
    with pytest.raises(DataError, match="annotation 3 has no category or no area"):
        source[1]
    with pytest.raises(DataError, match="not an annotation file of COCO"):
        Coco(folder / "0.png", folder)


def test_parquet_in_the_layout_of_the_hub(folder):
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    rows = [{"images": [{"bytes": picture(i), "path": None}], "texts": [{"user": "who?", "assistant": f"{i}"}], "n": i}
            for i in range(5)]  # fmt: skip
    for name, part in (("a", rows[:3]), ("b", rows[3:])):
        parquet.write_table(arrow.Table.from_pylist(part), folder / f"{name}.parquet", row_group_size=2)
    source = Parquet(folder, held=1)
    assert len(source) == 5 and source.groups == [2, 1, 2]
    for i in (4, 0, 3, 2, 1):
        record = source[i]
        assert record.turns[1].parts == (f"{i}",) and record.images == (picture(i),) and record.facts == {"n": i}
    assert source[1].turns[0].parts == (0, "who?")
    content = (folder / "a.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(content[:-40])
    with pytest.raises(DataError, match="not a whole Parquet file"):
        Parquet(folder)


def shard(path, samples, **options) -> str:
    with tarfile.open(path, "w", **options) as tar:
        for name, content in samples:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return str(path)


def captioned(number: int) -> list[tuple[str, bytes]]:
    return [(f"x/{number:03d}.png", picture(number)), (f"x/{number:03d}.json", json.dumps({"n": number}).encode()),
            (f"x/{number:03d}.txt", f"caption {number}".encode())]  # fmt: skip


def test_shards_are_random_access_and_indexed_once(tmp_path, monkeypatch):
    parts = [range(0, 4), range(4, 7)]
    paths = [shard(tmp_path / f"{k}.tar", [m for n in part for m in captioned(n)]) for k, part in enumerate(parts)]
    source = TarShards(paths)
    assert len(source) == 7 and source.groups == [4, 3] and source.damaged == []
    monkeypatch.setattr("showtell.data.shards.build_index", None)  # the second time it is on disk
    for again in (source, TarShards(paths)):
        for n in (6, 0, 3, 4):
            record = again[n]
            assert record.facts == {"n": n, "caption": f"caption {n}"} and record.images == (picture(n),)
    assert source[5].where == "x/005 of 1.tar"


def test_conversations_and_labels_in_shards(tmp_path):
    turns = {"conversations": FORMATS["LLaVA"]["conversations"], "source": "s"}
    path = shard(tmp_path / "a.tar", [("k.PNG", picture(1)), ("k.json", json.dumps(turns).encode()), ("k.cls", b"4")])
    record = TarShards([path])[0]
    assert record.turns == TURNS and record.facts == {"source": "s", "label": 4}


def test_a_remote_shard_is_read_by_range(tmp_path):
    path = shard(tmp_path / "a.tar", [m for n in range(3) for m in captioned(n)])
    source = TarShards([f"file://{path}"])
    assert source[2] == TarShards([path])[2] or source[2].id == TarShards([path])[2].id


def test_a_truncated_shard_gives_what_is_whole_and_says_so(tmp_path):
    path = shard(tmp_path / "a.tar", [m for n in range(5) for m in captioned(n)])
    content = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(content[: content.index(b"x/003.json") + 200])
    source = TarShards([path])
    assert len(source) == 3 and source[2].facts["n"] == 2
    assert source.damaged[0][0] == path and "it ends" in source.damaged[0][1]


def test_an_index_of_another_tar_is_made_again(tmp_path):
    path = shard(tmp_path / "a.tar", captioned(1))
    assert len(load_index(path).samples) == 1
    shard(tmp_path / "a.tar", [m for n in range(40) for m in captioned(n)])
    assert len(load_index(path).samples) == 40
    (tmp_path / "a.tar.index.json").write_text("{")
    assert len(TarShards([path])) == 40


def test_what_is_no_tar_is_refused(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(DataError, match="not an uncompressed tar"):
        TarShards([tmp_path / "a.tar"])
    with pytest.raises(DataError, match="cannot be read"):
        TarShards([tmp_path / "none.tar"])


def test_a_shard_cut_after_it_was_indexed(tmp_path):
    path = shard(tmp_path / "a.tar", [m for n in range(3) for m in captioned(n)])
    whole = (tmp_path / "a.tar").read_bytes()
    source, known = TarShards([path]), TarShards([path])
    assert known[2].facts["n"] == 2  # its index is in memory
    (tmp_path / "a.tar").write_bytes(whole[: whole.index(b"x/001.json")])
    with pytest.raises(DataError, match="x/002 of a.tar: .* ends before it"):
        known[2]
    with pytest.raises(DataError, match="a.tar has [01] samples and had 3 when it was opened"):
        source[2]


def test_of_many_shards_few_are_held(tmp_path, monkeypatch):
    paths = [shard(tmp_path / f"{k}.tar", captioned(k)) for k in range(9)]
    source = TarShards(paths, held=2)
    monkeypatch.setattr("showtell.data.shards.build_index", None)
    opened = []
    monkeypatch.setattr(
        "showtell.data.shards.load_index", lambda path, real=load_index: opened.append(path) or real(path)
    )
    again = TarShards(paths, held=2)
    assert not opened, "one file says how many samples all of them have"
    for shards in (source, again):
        assert [shards[n].facts["n"] for n in (8, 0, 3, 8, 3)] == [8, 0, 3, 8, 3]
        assert len(shards._handles) == len(shards._indexes) == 2
    (tmp_path / "shards.index.json").write_text('{"0.tar": 7')
    assert len(TarShards(paths)) == 9


def test_records_compare_by_content():
    assert isinstance(make_record("a"), Record)
