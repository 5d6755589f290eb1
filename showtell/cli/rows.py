"""Rows of a file of conversations as typed conversations, with the frames of their pictures, for `showtell inspect`.

Which formats a row may have, and what makes it unusable, is `data/conversations.py`. Only picture headers are read.
Not here: what the model makes of a conversation (`instruct/template.py`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from showtell.core.errors import DataError, ImageError

if TYPE_CHECKING:
    from showtell.core.geometry import Frame
    from showtell.data.sources import JsonLines
    from showtell.instruct.conversation import Conversation

Row = tuple[int, "Conversation", list["Frame"]]


def read(path: Path, first: int, count: int, pictures: Path | None = None) -> list[Row]:
    """Rows `first` to `first + count` (from 0); raises DataError naming the row that cannot be used."""
    from showtell.data.sources import conversations

    source = conversations(path, pictures)
    if first >= len(source):
        raise DataError(f"{path} has no row {first}; rows are counted from 0")
    return [read_row(source, number) for number in range(first, min(first + count, len(source)))]


def read_row(source: "JsonLines", number: int) -> Row:
    """One row; raises DataError or ImageError naming it when it cannot be used."""

    conversation, frames, _ = read_parts(source, number)
    return number, conversation, frames


def read_parts(source: "JsonLines", number: int) -> "tuple[Conversation, list[Frame], list[Any]]":
    """The conversation of a row, the frames of its pictures, and what names them."""
    from showtell.data.conversations import read_turns
    from showtell.instruct.records import as_conversation

    where = f"row {number} of {source.path.name}"
    turns, pictures = read_turns(source.row(number), where)
    return as_conversation(turns), [_frame(name, source.pictures, where) for name in pictures], pictures


def _frame(name: Any, folder: Path, where: str) -> "Frame":
    from io import BytesIO

    from PIL import Image, UnidentifiedImageError

    from showtell.core.geometry import Frame
    from showtell.data.sources import read_picture

    try:
        with Image.open(BytesIO(read_picture(name, folder, where))) as picture:
            return Frame(*picture.size)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ImageError(
            f"{where}: the picture {str(name)[:80]} cannot be read; correct its path or the file"
        ) from error
