"""Painting, tables that are pointed at, pages that a screen reader can follow, and the export without its server."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_watch import Watch
from playwright.sync_api import Browser, Page, expect
from test_browser_series import expected, figure, pocket_tools, reader, seen, series, shows

from showtell.studio.demos.catalogue import BY_NAME
from showtell.studio.series.export import SHIPPED, STATIC, record, standing
from showtell.studio.series.page import WRITTEN, figure_page

__all__ = ("reader", "seen", "series")  # fixtures


def test_things_are_put_on_the_board_by_mouse_and_by_keyboard(reader: Page) -> None:
    where = figure(reader, "gates")
    shows(where, expected("gates"))
    where.locator(".wall").first.locator("button").nth(3).click()  # a red cross in hand
    shows(where, expected("gates", brush=3))
    frame = where.locator("[data-gesture=paint]")
    frame.focus()
    for key in ("ArrowRight", "Enter"):
        reader.keyboard.press(key)
    cells = list(BY_NAME["gates"].default().board)
    cells[1] = 4
    shows(where, expected("gates", brush=3, board=tuple(cells)))
    box = frame.bounding_box()
    assert box
    reader.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.1)  # the same thing again: gone
    shows(where, expected("gates", brush=3))


def test_a_cell_of_a_table_is_chosen(reader: Page) -> None:
    where = figure(reader, "follow")
    body = expected("follow")
    shows(where, body)
    heat = body["widgets"][-1]
    drawn = where.locator(".heat rect[data-value]").evaluate_all("all => all.map(r => Number(r.dataset.value))")
    assert drawn == heat["values"]
    where.locator(".heat").focus()
    reader.keyboard.press("ArrowUp")
    shows(where, expected("follow", cell=heat["selected"] - len(heat["cols"])))


@pytest.mark.parametrize("number", sorted(WRITTEN))
def test_a_chapter_breaks_no_rule_of_access(reader: Page, number: int) -> None:
    reader.goto(f"/part/{number}", timeout=120_000)  # the first visit computes every poster
    reader.locator("figure.demo").first.scroll_into_view_if_needed()
    expect(reader.locator("figure.demo").first).to_have_attribute("data-ready", expected_first(number))
    found = Axe().run(reader)
    assert found.violations_count == 0, found.generate_report()


def expected_first(number: int) -> str:
    demo = min((demo for demo in BY_NAME.values() if demo.number[0] == str(number)), key=lambda demo: demo.number)
    return str(expected(demo.name)["digest"])


@pytest.fixture
def exported(tmp_path: Path) -> Iterator[str]:
    """One figure as `showtell export` writes it, behind the plainest web server there is."""
    demo = BY_NAME["stripes"]
    for name in SHIPPED:
        (tmp_path / "static").mkdir(exist_ok=True)
        (tmp_path / "static" / name).symlink_to(STATIC / name)
    html, _ = record(demo, pocket_tools(), tmp_path / "figures" / "stripes", 14)
    (tmp_path / "figure.html").write_text(standing(figure_page(demo, html, "pocket"), "pocket"), encoding="utf-8")
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Says nothing about requests."""

    def log_message(self, format: str, *arguments: object) -> None:
        return


def test_an_exported_figure_answers_what_was_recorded_and_says_so_of_the_rest(browser: Browser, exported: str) -> None:
    watch = Watch(exported)
    watch.expects(404)
    context = browser.new_context(base_url=exported, reduced_motion="reduce")
    page = watch.follow(context.new_page())
    page.goto("/figure.html")
    where = page.locator("figure#stripes")
    shows(where, expected("stripes"))
    expect(where.locator(".provenance")).to_contain_text("(recorded)")
    expect(page.locator(".recording")).to_contain_text("A recording")
    where.get_by_role("switch").check()
    shows(where, expected("stripes", antialias=True))
    where.get_by_role("radio", name="24 px").check()  # both together were not recorded
    expect(where.get_by_role("alert")).to_contain_text("was not recorded")
    where.get_by_role("button", name="Reset").click()
    shows(where, expected("stripes"))
    context.close()
    assert watch.found == []
