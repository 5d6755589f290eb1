"""The hub without a network: a cache made by hand as huggingface_hub keeps it, and what is said when it lacks."""

from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from showtell.core.errors import CheckpointError
from showtell.core.hub import fetch, is_hub_name

COMMITS = {"main": "a" * 40, "v1": "b" * 40}
Cache = Callable[..., Path]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """cache("org/name", revision, {file: content}): as if fetched before. conftest.py sets HF_HUB_OFFLINE."""

    def fill(name: str, revision: str, files: dict[str, bytes]) -> Path:
        folder = tmp_path / f"models--{name.replace('/', '--')}"
        snapshot = folder / "snapshots" / COMMITS[revision]
        for file, content in files.items():
            (snapshot / file).parent.mkdir(parents=True, exist_ok=True)
            (snapshot / file).write_bytes(content)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / revision).write_text(COMMITS[revision])
        return snapshot

    monkeypatch.setattr(huggingface_hub, "snapshot_download", with_cache(huggingface_hub.snapshot_download, tmp_path))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", with_cache(huggingface_hub.hf_hub_download, tmp_path))
    return fill


def with_cache(download: Callable[..., str], folder: Path) -> Callable[..., str]:
    """The default cache folder is fixed when huggingface_hub is imported."""

    def downloaded(*names: str, **options: object) -> str:
        return download(*names, cache_dir=folder, **options)

    return downloaded


def test_what_was_fetched_once_opens_without_a_network(cache: Cache) -> None:
    newest = cache("org/tiny", "main", {"config.json": b"{}", "model.safetensors": b""})
    tagged = cache("org/tiny", "v1", {"config.json": b"{}", "model.safetensors": b""})
    assert fetch("org/tiny") == newest
    assert fetch("org/tiny@v1") == fetch("org/tiny", revision="v1") == fetch("org/tiny", "b" * 40) == tagged


def test_one_gguf_file_of_a_repository(cache: Cache) -> None:
    snapshot = cache("org/tiny-GGUF", "main", {"q4/tiny.gguf": b"GGUF"})
    assert fetch("org/tiny-GGUF/q4/tiny.gguf") == snapshot / "q4" / "tiny.gguf"


def test_what_is_neither_cached_nor_within_reach_says_so(cache: Cache) -> None:
    for name in ("org/unknown", "org/unknown@v2", "org/unknown/tiny.gguf"):
        with pytest.raises(CheckpointError, match="org/unknown.* is not in the cache .* cannot be reached"):
            fetch(name)


def test_a_repository_of_pickles_is_named_as_one(cache: Cache) -> None:
    cache("org/old", "main", {"config.json": b"{}"})
    with pytest.raises(CheckpointError, match="org/old: holds no safetensors.*pickles"):
        fetch("org/old")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.RepositoryNotFoundError, "no such repository, or it is private"),
        (errors.GatedRepoError, "ask for permission"),
        (errors.RevisionNotFoundError, "no such revision"),
        (errors.HfHubHTTPError, "could not be fetched"),
    ],
)
def test_every_refusal_of_the_hub_is_one_sentence(
    error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*names: str, **options: object) -> str:
        raise error.__new__(error)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(CheckpointError, match=f"org/name at v9.*{said}"):
        fetch("org/name", "v9")


def test_names() -> None:
    assert all(map(is_hub_name, ("org/name", "Org-1/na.me_2", "org/name@v1.0", "org/name/a/b.gguf@main")))
    assert not any(
        map(is_hub_name, ("pocket", "/org/name", "./name", "../name", "org/name/b.bin", "a/b/c", "org/na me"))
    )
    with pytest.raises(CheckpointError, match="organisation/name"):
        fetch("pocket")
