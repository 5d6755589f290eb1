"""A bad item is listed once and replaced the same way everywhere; too many stop the run; defects of code are raised."""

import pytest

from showtell.core.errors import DataError, ImageError
from showtell.data.loader import Batches
from showtell.data.order import Permutation
from showtell.data.quarantine import QuarantineConfig, Quarantined, note, quarantined

BAD = {3, 8}


def item(index: int, position: int) -> tuple[int, int]:
    if index in BAD:
        raise (DataError if index == 3 else ImageError)(f"row {index}: broken")
    return index, position


def make(tmp_path, share=0.5, least=10, do=item):
    config = QuarantineConfig(share=share, least=least)
    return Quarantined(Permutation(5, 12), do, tmp_path / "quarantine.jsonl", config)


def test_replacements_are_a_function_of_the_position(tmp_path):
    one, two = make(tmp_path / "a"), make(tmp_path / "b")
    forwards = [one(position) for position in range(36)]
    backwards = [two(position) for position in reversed(range(36))][::-1]
    assert forwards == backwards and not {index for index, _ in forwards} & BAD
    plain = Permutation(5, 12)
    assert all(index == plain(p) for p, (index, _) in enumerate(forwards) if plain(p) not in BAD)
    listed = quarantined(tmp_path / "a" / "quarantine.jsonl")
    assert [(entry["index"], entry["why"]) for entry in listed] == [(3, "row 3: broken"), (8, "row 8: broken")]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_replace_alike_and_share_one_list(tmp_path, workers):
    with Batches(make(tmp_path), list, batch_size=6, workers=workers).start() as stream:
        taken = [next(stream) for _ in range(4)]
    assert [one for batch in taken for one in batch] == [make(tmp_path / "x")(p) for p in range(24)]
    assert [entry["index"] for entry in quarantined(tmp_path / "quarantine.jsonl")] == [3, 8]


def test_too_many_bad_items_stop_the_run(tmp_path):
    def every_third(index: int, position: int) -> int:
        if index % 3 == 0:
            raise DataError(f"row {index}")
        return index

    makes = make(tmp_path, share=0.1, least=2, do=every_third)
    with pytest.raises(
        DataError, match=r"3 of \d+ items cannot be used, more than 10\.0% and more than 2; read .*jsonl"
    ):
        [makes(position) for position in range(12)]


def test_when_everything_is_bad_it_ends_too(tmp_path):
    def never(index: int, position: int) -> int:
        raise DataError("no")

    with pytest.raises(DataError, match="cannot be used"):
        make(tmp_path, share=1.0, least=100, do=never)(0)


def test_a_defect_of_the_code_is_no_bad_data(tmp_path):
    with pytest.raises(ZeroDivisionError):
        make(tmp_path, do=lambda index, position: 1 / 0)(0)
    assert not (tmp_path / "quarantine.jsonl").exists()


def test_a_line_cut_by_a_crash_is_left_out(tmp_path):
    note(tmp_path / "q.jsonl", {"index": 1, "why": "a"})
    with open(tmp_path / "q.jsonl", "a") as file:
        file.write('{"index": 2, "wh')
    assert quarantined(tmp_path / "q.jsonl") == [{"index": 1, "why": "a"}]
    assert quarantined(tmp_path / "none.jsonl") == []
