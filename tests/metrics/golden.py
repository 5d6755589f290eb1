"""Golden vectors: inputs, and what the reference implementations said about them, in `tests/golden/*.json.gz`.

The files are made by hand with `tests/golden/make_*.py`, in an environment of their own; the tests only read them.
"""

import gzip
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "golden"


def golden(name: str) -> Any:
    """The content of tests/golden/NAME.json.gz."""
    with gzip.open(FOLDER / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)
