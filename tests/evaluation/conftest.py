"""The tiny model of the instruct tests, for what needs a whole model and no trained one."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "instruct"))

from tiny_model import tiny_bundle

from showtell.instruct.assistant import Assistant


@pytest.fixture(scope="session")
def tiny() -> Assistant:
    return Assistant(tiny_bundle(), "tiny")
