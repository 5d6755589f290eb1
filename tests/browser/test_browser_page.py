"""The page in a real browser: what it draws equals what the API says, by mouse and by keyboard, on every screen.

Nothing waits on time: the page names what it has drawn in `data-ready` of its main element.
"""

import base64
import io
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser_watch import Watch
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from studio_fakes import FakeAssistant

READY = "#app[data-ready]:not([data-ready=''])"
THINGS = "where are the things?"
CONTENTS = "what is in the picture?"


def ask(address: str, picture: str, question: str, **more: Any) -> dict[str, Any]:
    """What the API answers to the page's own question."""
    reply = httpx.post(f"{address}/api/ask", json={"picture": picture, "question": question, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()


def wait(page: Page, *parts: str) -> None:
    name = " | ".join(parts)
    expect(page.locator("#app")).to_have_attribute("data-ready", name)


def open_page(page: Page, query: str = "") -> None:
    page.goto(f"/{query}")
    page.wait_for_selector(READY)


def submit(page: Page, question: str) -> None:
    page.get_by_role("textbox").fill(question)
    page.keyboard.press("Enter")


def drawn_boxes(page: Page) -> list[list[float]]:
    rects = page.locator(".marks rect.box").evaluate_all(
        "all => all.map(r => ['x', 'y', 'width', 'height'].map(name => Number(r.getAttribute(name))))"
    )
    return [[round(x, 2), round(y, 2), round(x + w, 2), round(y + h, 2)] for x, y, w, h in rects]


def lit_patches(page: Page) -> list[int]:
    return page.locator(".veil [data-lit]").evaluate_all("all => all.map(r => Number(r.dataset.patch))")


def should_be_lit(answer: dict[str, Any], word: int) -> list[int]:
    patches, weights = answer["patches"], answer["words"][word]["weights"]
    seen = [i for i, cell in enumerate(patches["cells"]) if cell and weights[i] >= patches["threshold"]]
    assert 0 < len(seen) < len(weights), "the stand-in must light some patches and not all"
    return seen


def answer_words(page: Page) -> str:
    return " ".join(page.locator(".answer").inner_text().split())


def picture_bytes(colour: str, size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_link_opens_the_picture_and_its_answer(page: Page, address: str) -> None:
    open_page(page, f"?picture=table&question={THINGS}")
    wait(page, "table", "ask", THINGS)
    expected = ask(address, "table", THINGS)
    assert drawn_boxes(page) == [entry["box"] for entry in expected["boxes"]]
    assert page.locator("svg").get_attribute("viewBox") == "0 0 303 201"
    assert page.locator(".tab").all_inner_texts() == ["cup", "spoon"]
    assert answer_words(page) == "a cup and a spoon"
    expect(page.locator(".certainty")).to_have_text(f"confidence {round(100 * expected['confidence'])} %")
    expect(page.locator(".provenance")).to_contain_text("computed by studio_fakes.FakeAssistant.ask — ")
    expect(page.locator("figcaption")).to_contain_text("A cup on a table. drawn by the test")


def test_a_box_lies_on_the_picture_where_its_numbers_say(page: Page, address: str) -> None:
    open_page(page, f"?picture=table&question={THINGS}")
    frame = page.locator("#frame img").bounding_box()
    drawn = page.locator("rect.box").first.bounding_box()
    assert frame and drawn
    x1, y1, x2, y2 = ask(address, "table", THINGS)["boxes"][0]["box"]
    scale = frame["width"] / 303
    assert frame["height"] == pytest.approx(201 * scale, abs=1)
    # Chromium counts the stroke, 2.5 px wide, as part of a shape's box
    assert drawn["x"] - frame["x"] == pytest.approx(x1 * scale, abs=2)
    assert drawn["y"] - frame["y"] == pytest.approx(y1 * scale, abs=2)
    assert drawn["width"] == pytest.approx((x2 - x1) * scale, abs=4)
    assert drawn["height"] == pytest.approx((y2 - y1) * scale, abs=4)


def test_mouse_a_suggestion_is_asked_and_kept_in_the_url(page: Page) -> None:
    open_page(page)
    wait(page, "table", "ask")
    page.get_by_role("button", name=CONTENTS).click()
    wait(page, "table", "ask", CONTENTS)
    assert answer_words(page) == "a white cup of coffee and a spoon."
    page.reload()
    wait(page, "table", "ask", CONTENTS)
    page.locator("[data-picture=tall]").click()
    wait(page, "tall", "ask")
    assert page.locator(".answer").count() == 0
    page.go_back()
    wait(page, "table", "ask", CONTENTS)
    expect(page.locator("[data-picture=table]")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("picture", ["table", "tall"])
def test_mouse_a_word_under_the_pointer_lights_its_patches(page: Page, address: str, picture: str) -> None:
    open_page(page, f"?picture={picture}&question={THINGS}")
    answer = ask(address, picture, THINGS)
    for word in (1, 5, 6):
        page.locator(f"[data-word='{word}']").hover()
        assert lit_patches(page) == should_be_lit(answer, word)
    cells = page.locator(".patch").evaluate_all("all => all.map(r => Number(r.getAttribute('x')))")
    assert cells == [cell[0] for cell in answer["patches"]["cells"] if cell]
    page.locator("h1").hover()
    assert page.locator(".patch").count() == 0


def test_a_place_in_the_answer_points_at_its_box(page: Page) -> None:
    open_page(page, f"?picture=table&question={THINGS}")
    page.locator(".word.place").nth(1).hover()
    faded = page.locator("rect.box").evaluate_all("all => all.map(r => r.classList.contains('faded'))")
    assert faded == [True, False]


def test_keyboard_alone_asks_and_walks_along_the_words(page: Page, address: str) -> None:
    open_page(page)
    wait(page, "table", "ask")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "question":
            break
    page.keyboard.type(THINGS)
    page.keyboard.press("Enter")
    wait(page, "table", "ask", THINGS)
    answer = ask(address, "table", THINGS)
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("'word' in document.activeElement.dataset"):
            break
    assert lit_patches(page) == should_be_lit(answer, 0)
    page.keyboard.press("ArrowRight")
    assert lit_patches(page) == should_be_lit(answer, 1)
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "focus must be seen"
    page.keyboard.press("Escape")
    assert page.locator(".patch").count() == 0


def test_the_table_twin_holds_the_numbers_of_the_word(page: Page, address: str) -> None:
    open_page(page, f"?picture=table&question={THINGS}")
    page.get_by_text("Where each word looked, in numbers").click()
    page.locator("[data-word='5']").focus()
    weights = ask(address, "table", THINGS)["words"][5]["weights"]
    assert page.locator(".numbers caption").inner_text().startswith("Share of the attention of “spoon”")
    shown = page.locator(".numbers tbody td").all_inner_texts()
    assert [float(cell) for cell in shown] == pytest.approx([100 * weight for weight in weights], abs=0.051)
    label = page.locator("[data-word='5']").get_attribute("aria-label")
    assert label == "spoon, 100 % likely, looked towards the lower right"


def test_earlier_answers_stay_and_can_be_shown_again(page: Page, address: str) -> None:
    open_page(page, f"?picture=table&question={THINGS}")
    submit(page, "  is there   a cat? ")
    wait(page, "table", "ask", "is there a cat?")
    expect(page.locator(".provenance")).to_contain_text("picture already looked at")
    assert drawn_boxes(page) == []
    page.locator(".past", has_text=THINGS).click()
    wait(page, "table", "ask", THINGS)
    assert drawn_boxes(page) == [entry["box"] for entry in ask(address, "table", THINGS)["boxes"]]
    expect(page.locator(".past")).to_contain_text("is there a cat?")


def test_finding_draws_the_boxes_of_a_phrase(page: Page, address: str) -> None:
    open_page(page)
    page.get_by_role("radio", name="Find").check()
    page.get_by_role("button", name="the spoon").click()
    wait(page, "table", "find", "the spoon")
    expected = ask(address, "table", "the spoon", mode="find")
    assert drawn_boxes(page) == [entry["box"] for entry in expected["boxes"]]
    assert "mode=find" in page.url
    assert page.locator(".word.place").inner_text() == "spoon"
    submit(page, "a unicorn")
    wait(page, "table", "find", "a unicorn")
    assert drawn_boxes(page) == [] and answer_words(page) == "nothing like that"


def test_mouse_a_dragged_box_is_named(page: Page) -> None:
    open_page(page, "?picture=table&mode=name")
    area = page.locator("#frame img").bounding_box()
    assert area
    with page.expect_request("**/api/ask") as sent:
        page.mouse.move(area["x"] + area["width"] * 0.2, area["y"] + area["height"] * 0.25)
        page.mouse.down()
        page.mouse.move(area["x"] + area["width"] * 0.6, area["y"] + area["height"] * 0.75, steps=3)
        page.mouse.up()
    box = sent.value.post_data_json["box"]
    assert box == pytest.approx([0.2 * 303, 0.25 * 201, 0.6 * 303, 0.75 * 201], abs=1)
    wait(page, "table", "name")
    assert answer_words(page) == "a cup."
    asked = page.locator(".region .asked")
    assert [float(asked.get_attribute("x") or ""), float(asked.get_attribute("y") or "")] == box[:2]


def test_keyboard_a_box_is_moved_resized_and_named(page: Page) -> None:
    open_page(page, "?picture=table&mode=name")
    page.locator("#frame").focus()
    page.keyboard.press("ArrowRight")  # the first key puts the box in the middle
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    with page.expect_request("**/api/ask") as sent:
        page.keyboard.press("Enter")
    step_x, step_y = 303 / 40, 201 / 40
    expected = [101 + step_x, 67, 202 + step_x, 134 + step_y]
    assert sent.value.post_data_json["box"] == pytest.approx(expected)
    wait(page, "table", "name")


def test_a_picture_of_ones_own_is_added_and_survives_being_forgotten(page: Page, address: str, watch: Watch) -> None:
    open_page(page)
    own = {"name": "mine.png", "mimeType": "image/png", "buffer": picture_bytes("#336699")}
    page.locator("#file").set_input_files(own)
    expect(page.locator("#title")).to_have_text("Your picture")
    expect(page.locator("#size")).to_have_text("64 × 48 px")
    for colour in ("red", "green"):  # the server of the tests keeps two pictures
        httpx.post(f"{address}/api/pictures", content=picture_bytes(colour)).raise_for_status()
    watch.expects(404)  # the server has forgotten the picture, the page sends it again
    submit(page, CONTENTS)
    expect(page.locator(".answer")).to_contain_text("white")


def test_a_picture_can_be_dropped_and_pasted(page: Page) -> None:
    open_page(page)
    script = """([data, kind]) => {
        const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
        const carried = new DataTransfer();
        carried.items.add(new File([bytes], "dropped.png", {type: "image/png"}));
        const event = kind === "drop"
            ? new DragEvent("drop", {dataTransfer: carried, bubbles: true, cancelable: true})
            : new ClipboardEvent("paste", {clipboardData: carried, bubbles: true});
        document.body.dispatchEvent(event);
    }"""
    page.evaluate(script, [base64.b64encode(picture_bytes("#aa5522", (40, 30))).decode(), "drop"])
    expect(page.locator("#size")).to_have_text("40 × 30 px")
    page.evaluate(script, [base64.b64encode(picture_bytes("#22aa55", (30, 50))).decode(), "paste"])
    expect(page.locator("#size")).to_have_text("30 × 50 px")


def test_a_refusal_is_one_sentence_and_nothing_is_lost(page: Page, watch: Watch, tmp_path: Path) -> None:
    watch.expects(422)
    open_page(page, f"?picture=table&question={THINGS}")
    submit(page, "fail")
    error = page.get_by_role("alert")
    expect(error).to_have_text("the question cannot be answered: it is the word fail.")
    assert len(drawn_boxes(page)) == 2 and answer_words(page) == "a cup and a spoon"
    assert page.get_by_role("textbox").input_value() == "fail"
    large = {"name": "large.png", "mimeType": "image/png", "buffer": b"0" * 60_001}
    page.locator("#file").set_input_files(large)
    expect(error).to_contain_text("“large.png” has 0.1 MB and at most 0.06 MB are read")
    page.locator("#file").set_input_files({"name": "b.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(error).to_contain_text("picture")
    page.get_by_role("textbox").fill("")
    page.keyboard.press("Enter")
    expect(error).to_have_text("The question is empty; write a few words.")
    assert len(drawn_boxes(page)) == 2
    submit(page, "is there a cat?")
    wait(page, "table", "ask", "is there a cat?")
    expect(error).to_be_hidden()


def test_a_server_that_is_gone_is_said_so(page: Page, watch: Watch) -> None:
    watch.expects(0)
    open_page(page)
    page.route("**/api/ask", lambda route: route.abort())
    submit(page, THINGS)
    expect(page.get_by_role("alert")).to_contain_text("The studio's server does not answer")


def test_the_latest_question_wins(page: Page, assistant: FakeAssistant) -> None:
    open_page(page)
    assistant.hold.clear()
    assistant.asked.clear()
    try:
        with page.expect_request("**/api/ask"):
            submit(page, "wait")
        with page.expect_request("**/api/ask"):
            submit(page, "never run")
        with page.expect_request("**/api/ask"):
            submit(page, THINGS)
        expect(page.locator("#app")).to_have_attribute("data-waiting", "")
    finally:
        assistant.hold.set()
    wait(page, "table", "ask", THINGS)
    assert assistant.asked == ["wait", THINGS], "a question that was overtaken must not reach the model"
    assert page.locator(".past").count() == 0


def test_dark_is_followed_and_can_be_switched(browser: Browser, address: str, watch: Watch) -> None:
    context = browser.new_context(base_url=address, color_scheme="dark")
    page = watch.follow(context.new_page())
    open_page(page)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(ground) == "rgb(18, 20, 22)"
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(ground) == "rgb(253, 253, 251)"
    page.reload()
    assert page.evaluate(ground) == "rgb(253, 253, 251)", "the choice is remembered"
    context.close()


def test_a_phone_shows_everything_without_scrolling_sideways(browser: Browser, address: str, watch: Watch) -> None:
    context = browser.new_context(base_url=address, viewport={"width": 390, "height": 844}, has_touch=True)
    page = watch.follow(context.new_page())
    open_page(page, f"?picture=table&question={THINGS}")
    page.get_by_text("Where each word looked, in numbers").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("[data-word='5']").tap()
    assert lit_patches(page)
    small = page.locator("#theme, #go, .thumb, .own").evaluate_all(
        "all => all.filter(e => e.getBoundingClientRect().height < 44 || e.getBoundingClientRect().width < 32).length"
    )
    assert small == 0, "what is touched must be large enough for a finger"
    context.close()


def test_without_javascript_there_is_a_poster(browser: Browser, address: str, watch: Watch) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = watch.follow(context.new_page())
    page.goto("/")
    expect(page.locator(".poster")).to_contain_text("It needs JavaScript, which is off.")
    expect(page.locator(".poster img")).to_be_visible()
    expect(page.locator("#app")).to_be_hidden()
    context.close()


def test_reduced_motion_moves_nothing(page: Page) -> None:
    open_page(page, f"?picture=table&question={THINGS}")
    page.locator("[data-word='5']").hover()
    assert page.locator(".patch").first.evaluate("e => getComputedStyle(e).transitionDuration") == "0s"


def test_the_page_is_light(page: Page) -> None:
    sizes: list[int] = []
    page.on("response", lambda reply: sizes.append(len(reply.body())) if "/api/" not in reply.url else None)
    open_page(page)
    assert 50_000 < sum(sizes) < 250_000
