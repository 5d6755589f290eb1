"""The state of the page: which picture, which question, in which mode. Typed, bounded, and the same in URL and API.

    ask      a question in words                        -> words, boxes, points
    find     a phrase                                   -> boxes
    name     a box the reader drew on the picture       -> words

A state either passes `read` whole or is refused with one sentence; nothing downstream checks it again.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from showtell.studio.limits import RequestError, StudioLimits

Mode = Literal["ask", "find", "name"]

PICTURE_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
KNOWN_FIELDS = frozenset({"picture", "question", "mode", "box"})


@dataclass(frozen=True, kw_only=True)
class AskState:
    """One question about one picture."""

    picture: str
    """Key of a picture: the name of a sample, or the content hash of an added one."""
    question: str
    """The question (`ask`) or the phrase (`find`); empty for `name`."""
    mode: Mode = "ask"
    """What is wanted: an answer, the place of a phrase, or the name of a region."""
    box: tuple[float, float, float, float] | None = None
    """The region of `name`: xyxy in pixels of the original picture."""


def read(payload: object, limits: StudioLimits) -> AskState:
    """Validate a decoded JSON body.

    Raises:
        RequestError: a field is missing, unknown, of the wrong type, or out of bounds.
    """
    if not isinstance(payload, dict):
        raise RequestError("The request must be a JSON object with the fields picture, question and mode.")
    unknown = sorted(set(payload) - KNOWN_FIELDS)
    if unknown:
        raise RequestError(f"The request has the unknown field '{unknown[0]}'; use picture, question, mode and box.")
    picture = payload.get("picture")
    if not isinstance(picture, str) or not PICTURE_KEY.fullmatch(picture):
        raise RequestError("The request names no picture; choose a sample or add a picture first.")
    mode = payload.get("mode", "ask")
    if mode not in get_args(Mode):
        raise RequestError(f"There is no mode {str(mode)[:40]!r}; use ask, find or name.")
    mode = cast(Mode, mode)
    return AskState(
        picture=picture,
        question=_question(payload.get("question", ""), mode, limits),
        mode=mode,
        box=_region(payload.get("box")) if mode == "name" else None,
    )


def _question(value: object, mode: Mode, limits: StudioLimits) -> str:
    if not isinstance(value, str):
        raise RequestError("The question must be text.")
    question = " ".join(value.split())
    if not question and mode != "name":
        wanted = "question" if mode == "ask" else "phrase"
        raise RequestError(f"The {wanted} is empty; write a few words.")
    if len(question) > limits.question_characters:
        raise RequestError(
            f"The question has {len(question):,} characters, at most {limits.question_characters} are read; shorten it."
        )
    return question


def _region(value: object) -> tuple[float, float, float, float]:
    numbers = value if isinstance(value, list) else []
    finite = [float(n) for n in numbers if isinstance(n, int | float) and math.isfinite(n)]
    if len(numbers) != 4 or len(finite) != 4:
        raise RequestError("A region is four numbers: left, top, right and bottom, in pixels of the picture.")
    left, top, right, bottom = finite
    if right <= left or bottom <= top:
        raise RequestError("The region is empty; drag a box that has a width and a height.")
    return left, top, right, bottom
