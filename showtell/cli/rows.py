"""Rows of a .jsonl file as typed conversations, with the frames of their pictures.

    LLaVA  {"image": "a.jpg", "conversations": [{"from": "human", "value": "<image>\\nWhat is this?"}, …]}
    chat   {"images": ["a.jpg"], "messages": [{"role": "user", "content": "<image> What is this?"}, …]}

`<image>` in a row is a mark of the *format*; here it becomes a typed part, and from then on text is only text. A row
whose marks and pictures differ in number is refused by name. Picture paths are relative to the file. Only picture
headers are read. Not here: what the model makes of a conversation (`instruct/template.py`).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from showtell.core.errors import DataError, ImageError

if TYPE_CHECKING:
    from showtell.core.geometry import Frame
    from showtell.instruct.conversation import Conversation

MARK = "<image>"
ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}

Row = tuple[int, "Conversation", list["Frame"]]


def read(path: Path, first: int, count: int) -> list[Row]:
    """Rows `first` to `first + count` (from 0); raises DataError naming the row that cannot be used."""
    if path.is_dir() or not path.exists():
        raise DataError(f"{path} is not a .jsonl file; give a file with one conversation a line")
    found = []
    try:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if first <= number < first + count:
                    found.append(_row(line, number, path))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8; give a .jsonl file, one conversation a line") from error
    if not found:
        raise DataError(f"{path} has no row {first}; rows are counted from 0")
    return found


def _row(line: str, number: int, path: Path) -> Row:
    where = f"row {number} of {path.name}"
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON ({error.msg} at column {error.colno}); one conversation a line") from error
    turns = row.get("messages") or row.get("conversations") if isinstance(row, dict) else None
    if not isinstance(turns, list):
        raise DataError(f"{where}: no list of turns; add messages or conversations")
    pictures = row.get("images") or ([row["image"]] if row.get("image") else [])
    conversation = _conversation(turns, where)
    if conversation.pictures != len(pictures):
        raise DataError(
            f"{where}: {conversation.pictures} {MARK} marks but {len(pictures)} pictures; "
            "add the missing path or delete the mark"
        )
    return number, conversation, [_frame(path.parent / name, where) for name in pictures]


def _conversation(turns: list[Any], where: str) -> "Conversation":
    from showtell.instruct.conversation import Conversation, Message, Part, Picture

    messages: list[Message] = []
    pictures = 0
    for turn in turns:
        said = turn.get("role", turn.get("from")) if isinstance(turn, dict) else None
        text = turn.get("content", turn.get("value")) if isinstance(turn, dict) else None
        if said not in ROLES or not isinstance(text, str):
            raise DataError(f"{where}: a turn needs a role ({', '.join(ROLES)}) and its text, got {str(turn)[:60]}")
        parts: list[Part] = []
        for i, piece in enumerate(text.split(MARK)):
            if i:
                parts.append(Picture(pictures))
                pictures += 1
            if piece.strip():
                parts.append(piece.strip())
        messages.append(Message(ROLES[said], tuple(parts)))  # type: ignore[arg-type]
    return Conversation(tuple(messages))


def _frame(path: Path, where: str) -> "Frame":
    from PIL import Image, UnidentifiedImageError

    from showtell.core.geometry import Frame

    try:
        with Image.open(path) as picture:
            return Frame(*picture.size)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ImageError(f"{where}: the picture {path} cannot be read; correct its path or the file") from error
