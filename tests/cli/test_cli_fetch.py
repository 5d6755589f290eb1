"""`fetch`: where a model is once it was brought here, and one sentence when it cannot be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest


def test_fetch_says_where_the_model_is(
    showtell: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(name: str, **options: Any) -> str:
        asked.append((name, options["revision"]))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    (tmp_path / "config.json").write_bytes(b"{}")
    (tmp_path / "model.safetensors").write_bytes(b"0" * 1_000_000)
    found = json.loads(showtell("fetch", "org/name", "--revision", "v1", "--json").out)
    assert found == {
        "name": "org/name",
        "path": str(tmp_path),
        "files": ["config.json", "model.safetensors"],
        "megabytes": pytest.approx(1.0, abs=1e-3),
    }
    assert "1.0 MB in 2 files" in showtell("fetch", "org/name@main").out
    assert asked == [("org/name", "v1"), ("org/name", "main")]


def test_what_cannot_be_fetched_is_one_sentence(showtell: Callable[..., Any]) -> None:
    for name, said in (("org/nowhere", "is not in the cache"), ("nowhere", "organisation/name")):
        ran = showtell("fetch", name)
        assert ran.code == 2 and said in " ".join(ran.err.split())


def test_the_two_models_of_the_registry_open_by_their_names(
    showtell: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ran = showtell("card", "efficientnet-lite0")
    assert ran.code == 2 and "showtell fetch efficientnet-lite0" in " ".join(ran.err.split())
