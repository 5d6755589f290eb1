"""One server and one browser for all tests of the page, and a page that fails on anything a reader should never meet.

Every test gets a fresh context. At its end the test fails if the page asked for anything that is not on this machine,
wrote an error to the console, threw, or got a 4xx or 5xx answer it had not announced with `watch.expects(status)`.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "studio"))

from browser_watch import Watch
from studio_fakes import FakeAssistant

from showtell.studio.app import create_app
from showtell.studio.limits import StudioLimits

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def draw_sample(path: Path, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "#c8a27a")
    pen = ImageDraw.Draw(image)
    pen.ellipse((size[0] * 0.16, size[1] * 0.12, size[0] * 0.79, size[1] * 0.83), fill="#f2f0ea")
    pen.rectangle((size[0] * 0.52, size[1] * 0.52, size[0] * 0.98, size[1] * 0.87), fill="#666a70")
    image.save(path)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    draw_sample(folder / "table.jpg", (303, 201))
    draw_sample(folder / "tall.png", (121, 187))
    rows = [
        {
            "file": "table.jpg",
            "title": "A cup on a table",
            "license": "drawn by the test",
            "questions": ["what is in the picture?", "where are the things?"],
            "phrases": ["the spoon"],
        },
        {"file": "tall.png", "title": "A tall picture"},
    ]
    (folder / "samples.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def assistant() -> FakeAssistant:
    return FakeAssistant()


@pytest.fixture(scope="session")
def address(assistant: FakeAssistant, samples: Path) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = create_app(assistant, samples=samples, limits=StudioLimits(upload_bytes=60_000, kept_pictures=2))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended before it started to listen"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=20_000)  # how long a busy machine may take; a page that is right never waits for it
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def watch(address: str) -> Iterator[Watch]:
    watch = Watch(address)
    yield watch
    assert watch.found == []


@pytest.fixture
def page(browser: Browser, address: str, watch: Watch) -> Iterator[Page]:
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    yield watch.follow(context.new_page())
    context.close()
