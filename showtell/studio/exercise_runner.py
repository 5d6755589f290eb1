"""Runs one function of a reader's file, alone in its process: `python -I exercise_runner.py FILE FUNCTION OUT < cases`.

The answers, or one sentence about what went wrong, are written to OUT as JSON. Nothing of showtell is imported here,
and what the file prints goes nowhere. Not here: the cases and the comparison (`exercises.py`).
"""

import json
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any


def main(file: str, function: str, out: str) -> None:
    cases = json.load(sys.stdin)
    Path(out).write_text(json.dumps(run(file, function, cases)), encoding="utf-8")


def run(file: str, function: str, cases: list[list[Any]]) -> dict[str, Any]:
    """{"answers": [...]} or {"sentence": "..."}."""
    name = Path(file).name
    try:
        written = runpy.run_path(file).get(function)
        if not callable(written):
            return {"sentence": f"{name} has no function {function}; write `def {function}(...)`."}
        return {"answers": [plain(written(*case)) for case in cases]}
    except Unplain as error:
        return {"sentence": f"{function} returns {error}; return numbers, or lists of them."}
    except Exception as error:  # the reader's own code may raise anything; it becomes the sentence
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
        where = f" in line {line}" if line else ""
        return {"sentence": f"{name} stops{where} with {type(error).__name__}: {str(error)[:160]}"}


class Unplain(TypeError):
    """A value that is neither a number nor a list of them."""


def plain(value: Any) -> Any:
    """Numbers and lists; tensors and arrays by their `tolist`, tuples as lists."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, int | float):
        return value
    raise Unplain(f"a {type(value).__name__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
