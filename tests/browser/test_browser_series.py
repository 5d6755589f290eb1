"""The series in a real browser, on the pocket model: every figure draws what Python computed, by mouse and by keyboard.

A figure names what it has drawn in `data-ready`: the digest that Python gave to the numbers. Nothing waits on time.
"""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import uvicorn
from browser_watch import Watch
from playwright.sync_api import Browser, Locator, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "studio"))

from series_fixtures import pocket, pocket_tools

from showtell.studio.app import create_app
from showtell.studio.demos.catalogue import BY_NAME, DEMOS

PIXELS = """canvas => {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let text = '';
    for (let i = 0; i < data.length; i += 4) text += String.fromCharCode(data[i], data[i + 1], data[i + 2]);
    return btoa(text);
}"""


@pytest.fixture(scope="module")
def series() -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(pocket()), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended before it started to listen"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def seen(series: str) -> Iterator[Watch]:
    watch = Watch(series)
    yield watch
    assert watch.found == []


@pytest.fixture
def reader(browser: Browser, series: str, seen: Watch) -> Iterator[Page]:
    context = browser.new_context(base_url=series, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    yield seen.follow(context.new_page())
    context.close()


def expected(name: str, **fields: Any) -> dict[str, Any]:
    """What Python draws."""
    demo = BY_NAME[name]
    with torch.no_grad():
        return demo.view(demo.state_type(**fields), pocket_tools()).to_json()


def figure(page: Page, name: str, query: str = "") -> Locator:
    page.goto(f"/figure/{name}{query}")
    return page.locator(f"figure#{name}")


def shows(where: Locator, body: dict[str, Any]) -> None:
    expect(where).to_have_attribute("data-ready", body["digest"])


@pytest.mark.parametrize("name", BY_NAME)
def test_a_figure_draws_the_numbers_of_its_view(reader: Page, name: str) -> None:
    where, body = figure(reader, name), expected(name)
    shows(where, body)
    rasters = [widget["rgb"] for widget in body["widgets"] if widget["kind"] == "raster"]
    assert where.locator("[data-kind=raster] canvas").evaluate_all(f"all => all.map({PIXELS})") == rasters
    walls = [one for widget in body["widgets"] if widget["kind"] == "wall" for one in widget["maps"]]
    assert where.locator("[data-kind=wall] canvas").evaluate_all(f"all => all.map({PIXELS})") == walls
    bars = [value for widget in body["widgets"] if widget["kind"] == "bars" for value in widget["values"]]
    drawn = where.locator("[data-kind=bars] rect[data-value]").evaluate_all(
        "all => all.map(r => Number(r.dataset.value))"
    )
    assert drawn == bars
    curves = [line["ys"] for widget in body["widgets"] if widget["kind"] == "lines" for line in widget["lines"]]
    lines = where.locator("polyline").evaluate_all("all => all.map(l => l.dataset.values.split(' ').map(Number))")
    assert lines == curves
    tokens = [token["text"] for widget in body["widgets"] if widget["kind"] == "ribbon" for token in widget["tokens"]]
    texts = where.locator(".ribbon li").evaluate_all("all => all.map(l => l.firstChild.textContent)")
    assert texts == tokens
    places = [place for widget in body["widgets"] if widget["kind"] == "points" for place in widget["places"]]
    dots = where.locator(".points .dot").evaluate_all("all => all.map(d => d.dataset.place.split(' ').map(Number))")
    assert dots == places
    expect(where.locator(".says")).to_have_text(body["says"])
    expect(where.locator(".provenance")).to_contain_text(f"{type(BY_NAME[name]).__name__}.view")


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_without_javascript_the_posters_show_the_same(browser: Browser, series: str, seen: Watch, number: int) -> None:
    context = browser.new_context(base_url=series, java_script_enabled=False)
    page = seen.follow(context.new_page())
    page.goto(f"/part/{number}")
    for demo in (demo for demo in DEMOS if demo.number.startswith(str(number))):
        where, body = page.locator(f"figure#{demo.name}"), expected(demo.name)
        expect(where.locator(".says")).to_have_text(body["says"])
        assert where.locator(".widget").count() == len(body["widgets"])
        expect(where.get_by_role("button", name="Show")).to_be_visible()
        sizes = where.locator(".widget img").evaluate_all("all => all.map(i => [i.clientWidth, i.clientHeight])")
        assert all(width > 20 and height > 5 for width, height in sizes)
    context.close()


def test_without_javascript_a_form_sets_the_state(browser: Browser, series: str, seen: Watch) -> None:
    context = browser.new_context(base_url=series, java_script_enabled=False)
    page = seen.follow(context.new_page())
    where = figure(page, "survives")
    where.get_by_label("Numbers a token").select_option("768")
    where.get_by_role("button", name="Show").click()
    expect(page.locator(".says")).to_contain_text("Nothing is lost")
    context.close()


def test_mouse_a_choice_a_slider_and_a_switch(reader: Page) -> None:
    where = figure(reader, "survives")
    where.get_by_role("radio", name="fitted to photographs").check()
    shows(where, expected("survives", weights="best"))
    assert "survives.weights=best" in reader.url
    reader.reload()
    shows(where, expected("survives", weights="best"))
    expect(where.get_by_role("radio", name="fitted to photographs")).to_be_checked()
    where.get_by_role("button", name="Reset").click()
    shows(where, expected("survives"))
    assert "weights" not in reader.url
    where = figure(reader, "stripes")
    where.get_by_role("switch").check()
    shows(where, expected("stripes", antialias=True))


def test_keyboard_a_slider_and_a_table_of_numbers(reader: Page) -> None:
    where = figure(reader, "kernel")
    shows(where, expected("kernel"))
    where.get_by_label("Move right").focus()
    reader.keyboard.press("ArrowRight")
    shows(where, expected("kernel", dx=6))
    where.get_by_label("Kernel, row 1, column 1").fill("3.5")
    kernel = (3.5, *BY_NAME["kernel"].default().kernel[1:])
    shows(where, expected("kernel", dx=6, kernel=kernel))
    where.get_by_role("button", name="blur").click()
    expect(where.get_by_role("button", name="blur")).to_have_attribute("aria-pressed", "true")


def test_tiles_are_swapped_by_mouse_and_by_keyboard(reader: Page) -> None:
    where, order = figure(reader, "shuffle"), list(BY_NAME["shuffle"].default().order)
    shows(where, expected("shuffle"))
    frame = where.locator("[data-gesture=swap]")
    box = frame.bounding_box()
    assert box
    reader.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.1)
    reader.mouse.down()
    reader.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.9, steps=3)
    reader.mouse.up()
    order[0], order[15] = order[15], order[0]
    shows(where, expected("shuffle", order=tuple(order)))
    reader.mouse.move(5, 5)
    frame.focus()
    reader.keyboard.press("ArrowRight")
    outline = reader.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "focus must be seen"
    for key in ("Enter", "ArrowDown", "Enter"):
        reader.keyboard.press(key)
    order[1], order[5] = order[5], order[1]
    shows(where, expected("shuffle", order=tuple(order)))
    where.get_by_role("button", name="In order").click()
    expect(where.locator(".says")).to_contain_text("The tiles lie in their places")


def test_a_patch_and_a_map_are_chosen_by_mouse_and_by_keyboard(reader: Page) -> None:
    where = figure(reader, "atlas")
    shows(where, expected("atlas"))
    frame = where.locator("[data-gesture=choose]")
    frame.focus()
    reader.keyboard.press("ArrowDown")
    rows, cols = pocket_tools().tower.config.grid
    patch = BY_NAME["atlas"].default().patch + cols
    shows(where, expected("atlas", patch=patch))
    box = frame.bounding_box()
    assert box
    reader.mouse.click(box["x"] + box["width"] * (cols - 0.5) / cols, box["y"] + box["height"] * 0.5 / rows)
    shows(where, expected("atlas", patch=cols - 1))
    where.locator(".wall button").nth(2).click()
    shows(where, expected("atlas", patch=cols - 1, map=2))
    reader.keyboard.press("ArrowLeft")
    shows(where, expected("atlas", patch=cols - 1, map=1))
    expect(where.locator(".wall button").nth(1)).to_have_attribute("aria-pressed", "true")
    where.locator("[data-kind=raster] .twin summary").click()
    cells = where.locator("[data-kind=raster] .numbers td:not(:empty)")
    values = expected("atlas", patch=cols - 1, map=1)["widgets"][0]["values"]
    expect(cells).to_have_count(len(values))  # the table is filled when its `toggle` comes, after the click
    assert [float(cell) for cell in cells.all_inner_texts()] == pytest.approx(values, rel=0.06, abs=1e-9)


def test_patches_are_removed_and_put_back(reader: Page) -> None:
    where = figure(reader, "attribution", "?attribution.removed=-")
    shows(where, expected("attribution", removed=()))
    where.locator("[data-gesture=toggle]").focus()
    for key in ("ArrowRight", "Enter"):
        reader.keyboard.press(key)
    shows(where, expected("attribution", removed=(1,)))
    reader.keyboard.press("Enter")
    shows(where, expected("attribution", removed=()))


def test_points_are_turned_by_mouse_and_by_keyboard_and_a_run_is_stepped(reader: Page) -> None:
    where, angles = figure(reader, "gym"), list(BY_NAME["gym"].default().angles)
    shows(where, expected("gym"))
    first = where.get_by_role("slider", name="picture A, start")
    first.focus()
    reader.keyboard.press("ArrowLeft")
    angles[0] += 5
    shows(where, expected("gym", angles=tuple(angles)))
    expect(first).to_have_attribute("aria-valuenow", str(angles[0]))
    box, stage = first.bounding_box(), where.locator("svg.points").bounding_box()
    assert box and stage
    reader.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    reader.mouse.down()
    reader.mouse.move(stage["x"] + stage["width"] - 4, stage["y"] + stage["height"] / 2)
    reader.mouse.up()
    angles[0] = 0
    shows(where, expected("gym", angles=tuple(angles)))
    where.get_by_role("button", name="Step").click()
    shows(where, expected("gym", angles=tuple(angles), steps=2))
    where.get_by_label("Temperature").focus()
    reader.keyboard.press("Home")
    shows(where, expected("gym", angles=tuple(angles), steps=2, tau=0.02))
    assert "gym.tau=0.02" in reader.url


def test_a_point_is_chosen(reader: Page) -> None:
    where = figure(reader, "cones")
    shows(where, expected("cones"))
    where.locator("svg.points").focus()
    reader.keyboard.press("ArrowRight")
    shows(where, expected("cones", pair=BY_NAME["cones"].default().pair + 1))
    where.locator("svg.points .dot").nth(9).locator("circle").click(force=True)
    reader.wait_for_url("**cones.pair=**")


def test_words_change_places_by_mouse_and_by_keyboard(reader: Page) -> None:
    where, order = figure(reader, "bag"), list(BY_NAME["bag"].default().order)
    shows(where, expected("bag"))
    words = where.locator(".ribbon button")
    words.nth(1).drag_to(words.nth(5))
    order[1], order[5] = order[5], order[1]
    shows(where, expected("bag", order=tuple(order)))
    words.nth(2).focus()
    for key in ("Enter", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        reader.keyboard.press(key)
    order[2], order[6] = order[6], order[2]
    shows(where, expected("bag", order=tuple(order)))


def test_a_class_that_was_never_read_is_said_so(reader: Page, seen: Watch) -> None:
    seen.expects(422)
    where = figure(reader, "classifier")
    where.get_by_label("Class names").fill("red, zebra")
    expect(where.get_by_role("alert")).to_contain_text("never read the word 'zebra'")
    where.get_by_label("Class names").fill("red, blue star")
    shows(where, expected("classifier", names=("red", "blue star")))
    expect(where.locator(".refusal")).to_be_hidden()


def test_a_question_is_typed_and_its_tokens_are_drawn(reader: Page) -> None:
    where = figure(reader, "sequence")
    where.get_by_label("The question").fill("<image> two cats?")
    shows(where, expected("sequence", question="<image> two cats?"))
    assert where.locator(".ribbon li.image").count() == 1, "what is typed is never a picture"


def test_a_refused_state_leaves_the_page_alive(reader: Page) -> None:
    where = figure(reader, "light", "?light.factor=7&light.photo=cat")
    expect(where.get_by_role("alert")).to_contain_text("Shrink cannot be '7'")
    where.get_by_role("radio", name="1 : 16").check()
    shows(where, expected("light", factor=16))
    expect(where.locator(".refusal")).to_be_hidden()


def test_a_server_that_is_gone_is_said_so(reader: Page, seen: Watch) -> None:
    seen.expects(0)
    where = figure(reader, "light")
    shows(where, expected("light"))
    reader.route("**/api/figures/**", lambda route: route.abort())
    where.get_by_role("radio", name="1 : 16").check()
    expect(where.get_by_role("alert")).to_contain_text("does not answer")


def test_the_newest_state_wins(reader: Page) -> None:
    where = figure(reader, "stripes")
    shows(where, expected("stripes"))
    where.get_by_label("Cycles across the wave").focus()
    for _ in range(12):
        reader.keyboard.press("ArrowLeft")
    shows(where, expected("stripes", cycles=58))
    assert "stripes.cycles=58" in reader.url


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_chapter_fits_a_phone_in_the_dark(browser: Browser, series: str, seen: Watch, number: int) -> None:
    context = browser.new_context(
        base_url=series,
        viewport={"width": 390, "height": 844},
        has_touch=True,
        color_scheme="dark",
        reduced_motion="reduce",
    )
    page = seen.follow(context.new_page())
    page.goto(f"/part/{number}")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(18, 20, 22)"
    for demo in (demo for demo in DEMOS if demo.number.startswith(str(number))):
        where = page.locator(f"figure#{demo.name}")
        where.scroll_into_view_if_needed()
        expect(where).to_have_attribute("data-ready", expected(demo.name)["digest"])
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = page.locator(".controls :is(button, .options label, select, input[type=range])").evaluate_all(
        "all => all.filter(e => e.getBoundingClientRect().height < 43).map(e => e.outerHTML)"
    )
    assert small == [], "what is touched must be large enough for a finger"
    moving = page.evaluate(
        "[...document.querySelectorAll('.switch input')].map(e => getComputedStyle(e, '::after').transitionDuration)"
    )
    assert set(moving) <= {"0s"}
    context.close()


def test_a_chapter_is_light_and_its_links_lead_somewhere(reader: Page) -> None:
    sizes: list[int] = []
    reader.on("response", lambda reply: sizes.append(len(reply.body())) if "/api/" not in reply.url else None)
    reader.goto("/part/2")
    reader.wait_for_load_state("networkidle")
    assert sum(sizes) < 600_000, "a page is at most 600 kB before its data"
    for link in reader.locator(".contents a, main h2").evaluate_all("all => all.map(e => e.hash ?? `#${e.id}`)"):
        assert reader.locator(link).count() == 1
    sources = reader.locator("a[href^='/source/']").evaluate_all("all => [...new Set(all.map(e => e.href))]")
    reader.goto(sources[0])
    assert reader.locator(".ln:target").count() == 1
    reader.goto("/")
    reader.get_by_role("link", name="How it works").click()
    expect(reader.get_by_role("heading", level=1)).to_have_text("How a machine reads a picture")
    reader.get_by_role("link", name="Vision transformers").last.click()
    expect(reader.get_by_role("heading", level=1)).to_have_text("Vision transformers")
