"""Rows of conversations in the formats people have, read into typed turns.

    ours      {"images": ["a.jpg"], "messages": [{"role": "user", "content": "<image> What is this?"}, …]}
    LLaVA     {"image": "a.jpg", "conversations": [{"from": "human", "value": "<image>\\nWhat is this?"}, …]}
    ShareGPT  {"images": ["a.jpg"], "system": "…", "conversations": [{"from": "human", "value": …}, …]}
    Vicuna    {"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}       no pictures
    OpenAI    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": …}}, …]}, …]}
    Cauldron  {"images": […], "texts": [{"user": "What is this?", "assistant": "A dog."}, …]}

`<image>` in a row is a mark of the *format*; here it becomes the number of a picture, and from then on text is only
text. A row whose marks and pictures differ in number is refused by name, and nothing is repaired. How turns become
tokens is `instruct/template.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from showtell.core.errors import DataError
from showtell.data.record import Role, Turn

MARK = "<image>"
ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}


def read_turns(row: Any, where: str) -> tuple[tuple[Turn, ...], list[Any]]:
    """The turns of a row and what names its pictures (paths, URLs or bytes), in the order of their numbers.

    Raises DataError naming the row when it is none of the formats above or contradicts itself.
    """
    pictures = _pictures(row) if isinstance(row, Mapping) else []
    inside: list[Any] = []  # what names each marked picture in the message itself, or None
    turns = [_turn(said, inside, where) for said in _said(row, where)]
    marks = sum(isinstance(part, int) for turn in turns for part in turn.parts)
    named = [picture for picture in inside if picture is not None]
    if named and pictures:
        raise DataError(
            f"{where}: {len(named)} pictures inside of the messages and {len(pictures)} beside them; keep one list"
        )
    pictures = pictures or named
    if not marks and pictures and isinstance(row, Mapping) and "texts" in row:  # this format writes no marks
        turns[0] = Turn(turns[0].role, (*range(len(pictures)), *turns[0].parts))
        marks = len(pictures)
    if marks != len(pictures):
        raise DataError(
            f"{where}: {marks} {MARK} marks but {len(pictures)} pictures; add the missing path or delete the mark"
        )
    _check_order(turns, where)
    return tuple(turns), pictures


def _check_order(turns: list[Turn], where: str) -> None:
    """A conversation begins with a question; what the system says stands before it."""
    first = next((turn for turn in turns if turn.role != "system"), None)
    if first is None:
        raise DataError(f"{where}: only the system speaks; add a question and an answer or delete the row")
    if first.role == "assistant":
        raise DataError(f"{where}: it begins with an answer; add the question it answers or delete the answer")


def _pictures(row: Mapping[str, Any]) -> list[Any]:
    """Names of pictures beside the messages."""
    named = row.get("images") or row.get("image") or []
    return list(named) if isinstance(named, list | tuple) else [named]


def _said(row: Any, where: str) -> list[tuple[Any, Any]]:
    """(who, what) of each turn, whatever the format calls them."""
    if isinstance(row, Mapping) and isinstance(row.get("texts"), list):
        pairs = [pair for pair in row["texts"] if isinstance(pair, Mapping)]
        return [(who, pair.get(who)) for pair in pairs for who in ("user", "assistant")]
    turns = row.get("messages") or row.get("conversations") if isinstance(row, Mapping) else None
    if not isinstance(turns, list) or not turns:
        raise DataError(f"{where}: no list of turns; add messages or conversations")
    system = [("system", row["system"])] if row.get("system") else []
    spoken = [turn if isinstance(turn, Mapping) else {"role": turn} for turn in turns]
    return system + [(turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))) for turn in spoken]


def _turn(said: tuple[Any, Any], inside: list[Any], where: str) -> Turn:
    who, what = said
    if who not in ROLES or not isinstance(what, str | list):
        raise DataError(f"{where}: a turn needs a role ({', '.join(ROLES)}) and its text, got {str(said)[:60]}")
    parts: list[str | int] = []
    for part in _pieces(what, where):
        if isinstance(part, str):
            parts.append(part)
        else:
            parts.append(len(inside))
            inside.append(part.get("picture"))
    return Turn(ROLES[who], tuple(parts))


def _pieces(what: str | list, where: str) -> Iterator[str | dict[str, Any]]:
    """Text without its marks, and one mapping for each picture; its value is None when it is named elsewhere."""
    for item in [what] if isinstance(what, str) else what:
        part = {"type": "text", "text": item} if isinstance(item, str) else item
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text":
            text = part.get("text")
            if not isinstance(text, str):
                raise DataError(f"{where}: a part of type text has no text; add it or delete the part")
            for number, piece in enumerate(text.split(MARK)):
                if number:
                    yield {}
                if piece.strip():
                    yield piece.strip()
        elif kind in ("image", "image_url"):
            url = part.get("image_url")
            named = url.get("url") if isinstance(url, Mapping) else url
            yield {"picture": named or part.get("image") or part.get("path") or part.get("url")}
        else:
            raise DataError(f"{where}: a part of type {kind!r} is not known; the parts are text, image and image_url")
