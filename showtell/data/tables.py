"""Parquet files as a source: the layout of data sets on the Hugging Face hub.

    image: {bytes, path}   images: [{bytes, path}, …]   texts | messages | conversations | any column -> fact

Rows are stored in compressed row groups, so one row costs its whole group unless the group was the last one read. An
order that stays inside of a few groups (`data.order.Windowed` with `groups`) makes that cost nothing; a free
permutation over a table of large groups is slow. Needs pyarrow (`pip install 'showtell[train]'`).
"""

from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from pathlib import Path
from typing import Any

from showtell.core.errors import DataError
from showtell.data.conversations import read_turns
from showtell.data.record import Record, make_record
from showtell.data.sources import PICTURE_FIELDS, read_picture


class Parquet:
    """Every row of one file, or of all .parquet files of a folder in the order of their names.

    held: row groups kept in memory by each process.
    groups: rows of each row group, for `data.order.Windowed`.
    """

    def __init__(self, path: str | Path, held: int = 4):
        import pyarrow as arrow
        import pyarrow.parquet as parquet

        self.path, self.held = Path(path), held
        files = sorted(self.path.rglob("*.parquet")) if self.path.is_dir() else [self.path]
        if not files:
            raise DataError(f"{self.path}: no .parquet file below it; check the path")
        self.places: list[tuple[Path, int]] = []
        self.groups: list[int] = []
        for file in files:
            try:
                meta = parquet.read_metadata(file)
            except (OSError, arrow.ArrowInvalid) as error:
                raise DataError(f"{file} is not a whole Parquet file ({error}); fetch it again") from error
            for number in range(meta.num_row_groups):
                self.places.append((file, number))
                self.groups.append(meta.row_group(number).num_rows)
        self.ends = list(accumulate(self.groups))
        self._cache: OrderedDict[int, Any] = OrderedDict()

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, index: int) -> Record:
        group = bisect_right(self.ends, index)
        file, _ = self.places[group]
        where = f"row {index} of {self.path.name}"
        row = {name: column[0] for name, column in self._group(group, where).slice(
            index - self.ends[group] + self.groups[group], 1).to_pydict().items()}  # fmt: skip
        if any(row.get(name) for name in ("messages", "conversations", "texts")):
            turns, named = read_turns(row, where)
        else:
            turns, named = (), row.get("images") or [row[name] for name in ("image",) if row.get(name)]
        facts = {key: value for key, value in row.items() if key not in PICTURE_FIELDS}
        return make_record(where, [read_picture(name, file.parent, where) for name in named], turns, facts)

    def _group(self, group: int, where: str) -> Any:
        """A row group as a table, from memory if it was among the last ones."""
        import pyarrow as arrow
        import pyarrow.parquet as parquet

        if group not in self._cache:
            file, number = self.places[group]
            try:
                self._cache[group] = parquet.ParquetFile(file).read_row_group(number)
            except (OSError, arrow.ArrowException) as error:
                raise DataError(
                    f"{where}: row group {number} of {file} is damaged ({error}); fetch it again"
                ) from error
            while len(self._cache) > self.held:
                self._cache.popitem(last=False)
        self._cache.move_to_end(group)
        return self._cache[group]
