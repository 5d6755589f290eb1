"""The one place of showtell that prints: answers on stdout, everything about them on stderr.

    human    rich text on stdout                         error: one red sentence on stderr
    --json   one JSON value a line on stdout, no colour  error: {"error": "..."} on stdout, and the sentence on stderr

Colours follow the terminal; `NO_COLOR` and pipes are respected by rich. Not here: what is said, which each command
decides for itself.
"""

import json
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130

out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)


def emit(value: Any) -> None:
    """One JSON value on its own line of stdout, flushed: a program on the other end of a pipe reads it at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def refuse(sentence: str, as_json: bool = False) -> int:
    """Say what is wrong and what to do, and return the exit code for it."""
    sentence = " ".join(sentence.split())
    if as_json:
        emit({"error": sentence})
    err.print(Text(sentence, style="bold red"))
    return EXIT_REFUSED


def note(sentence: str) -> None:
    """A dim line on stderr that never mixes with an answer."""
    err.print(Text(sentence, style="dim"))
