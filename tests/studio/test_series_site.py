"""The routes of the series, without a browser: pages, figures as JSON, refusals in place, sources."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from series_fixtures import pocket, pocket_tools
from starlette.testclient import TestClient
from studio_fakes import FakeAssistant

from showtell.studio.app import create_app
from showtell.studio.demos.catalogue import BY_NAME, DEMOS


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(pocket()), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/series", "/part/1", "/part/2", "/part/4", "/figure/atlas", "/source/showtell.core.attention"]
)
def test_pages_are_whole_without_javascript(client: TestClient, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code == 200 and reply.text.rstrip().endswith("</html>")
    assert "<script>" not in reply.text and "onclick" not in reply.text and " style=" not in reply.text
    assert len(reply.content) < 450_000


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.name)
def test_a_figure_as_json_is_its_view(client: TestClient, demo: Any) -> None:
    body = client.get(f"/api/figures/{demo.name}").json()
    assert body["digest"] == demo.view(demo.default(), pocket_tools()).to_json()["digest"]
    assert body["computed_by"].endswith(f"{type(demo).__name__}.view") and body["elapsed_ms"] >= 0


def test_a_state_in_the_url_of_a_chapter_is_drawn(client: TestClient) -> None:
    page = client.get("/part/2?survives.dim=768&survives.weights=best").text
    sentence = 'aria-live="polite">Each patch is 3 × 12² = 432 numbers and becomes 768. Nothing is lost'
    assert sentence in page and sentence not in client.get("/part/2").text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("survives.dim=31", "Numbers a token cannot be &#x27;31&#x27;"),
        ("survives.photo=../../etc/passwd", "Picture cannot be &#x27;../../etc/passwd&#x27;"),
        ("shuffle.order=<script>alert(1)</script>", "Order of the tiles cannot be &#x27;&lt;script&gt;"),
        ("survives.evil=1", "This figure has no setting &#x27;evil&#x27;"),
        (f"shuffle.order={'1.' * 3000}", "The address is too long"),
    ],
)
def test_a_hostile_state_is_refused_in_the_place_of_its_figure(client: TestClient, query: str, sentence: str) -> None:
    reply = client.get(f"/part/2?{query}")
    assert reply.status_code == 200 and sentence in reply.text
    assert reply.text.count('role="alert">') == 1, "one figure refuses, the others stand"
    assert "What survives the patch embedding" in reply.text and "<script>" not in reply.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/figures/nothing", 404),
        ("/api/figures/light?factor=3", 422),
        ("/api/figures/light?factor=8&x=1", 422),
        ("/figure/nothing", 404),
        ("/part/9", 404),
        ("/part/5", 404),
        ("/source/showtell", 404),
        ("/source/os", 404),
        ("/source/showtell...etc.passwd", 404),
    ],
)
def test_what_is_not_there_is_said_so(client: TestClient, path: str, status: int) -> None:
    reply = client.get(path)
    assert reply.status_code == status
    text = reply.json()["error"] if path.startswith("/api") else reply.text
    assert "." in text and "Traceback" not in text


def test_eight_readers_are_served_and_a_state_is_computed_once(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = BY_NAME["kernel"]
    views: list[Any] = []
    view = type(demo).view
    monkeypatch.setattr(type(demo), "view", lambda self, state, tools: views.append(state) or view(self, state, tools))
    queries = [f"/api/figures/kernel?dx={dx}&dy=9" for dx in (1, 2, 3, 4) for _ in range(2)]
    with ThreadPoolExecutor(8) as readers:
        replies = list(readers.map(client.get, queries))
    assert [reply.status_code for reply in replies] == [200] * 8
    assert len(views) == 4


def test_another_model_gets_what_it_can_serve(tmp_path: Path) -> None:
    app = create_app(FakeAssistant(), samples=tmp_path)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        page = client.get("/part/2").text
        assert "looks into a vision transformer, and the model stand-in has none" in page
        assert "Read back from its tokens" in page
        assert client.get("/api/figures/atlas").status_code == 409
