"""The studio's server without a browser: what it answers, what it refuses, and what it keeps."""

import io
import json
import math
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient
from studio_fakes import COLS, ROWS, FakeAssistant, answer, bump, padded_view

from showtell.core.errors import ConfigError, DataError
from showtell.core.geometry import Box, Frame
from showtell.images.decode import decode
from showtell.instruct.answer import AnswerToken, LabelledBox
from showtell.studio.app import create_app
from showtell.studio.explain import explain, patch_cells
from showtell.studio.limits import RequestError, StudioLimits
from showtell.studio.pictures import PictureShelf, read_samples
from showtell.studio.serve import listen, run
from showtell.studio.state import read

LIMITS = StudioLimits(upload_bytes=20_000, upload_pixels=100 * 100, kept_pictures=2, shown_side=50, thumbnail_side=9)


def encoded(size: tuple[int, int] = (31, 17), colour: str = "navy", kind: str = "PNG", **more: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind, **more)
    return buffer.getvalue()


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    (tmp_path / "desk.png").write_bytes(encoded((60, 40)))
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    rows = [{"file": "desk.png", "title": "A desk", "questions": ["what is here?"]}, {"file": "broken.png"}]
    (tmp_path / "samples.json").write_text(json.dumps(rows), encoding="utf-8")
    return tmp_path


@pytest.fixture
def assistant() -> FakeAssistant:
    return FakeAssistant()


@pytest.fixture
def client(samples: Path, assistant: FakeAssistant) -> Iterator[TestClient]:
    app = create_app(assistant, samples=samples, limits=LIMITS)
    with TestClient(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, **state: Any) -> Any:
    return client.post("/api/ask", json=state)


def test_an_answer_carries_boxes_in_pixels_of_the_original(client: TestClient) -> None:
    reply = ask(client, picture="desk", question="where is the spoon?")
    body = reply.json()
    assert reply.status_code == 200
    assert body["boxes"] == [{"label": "spoon", "box": pytest.approx([0.52 * 60, 0.52 * 40, 0.98 * 60, 0.87 * 40])}]
    assert body["frame"] == [60, 40]
    assert [word["text"] for word in body["words"]] == ["the", "spoon", "is", "here:", ""]
    assert body["words"][-1]["place"] == ["box", 0]
    assert body["computed_by"] == "studio_fakes.FakeAssistant.ask" and body["elapsed_ms"] > 0
    assert 0 < body["confidence"] <= 1


def test_a_word_of_several_tokens_has_their_product_and_their_mean(client: TestClient) -> None:
    words = ask(client, picture="desk", question="what is in the picture?").json()["words"]
    coffee = words[4]
    assert coffee["text"] == "coffee"
    assert coffee["probability"] == pytest.approx(0.995**2, abs=1e-4)
    assert math.fsum(coffee["weights"]) == pytest.approx(1, abs=1e-3)
    assert words[-1]["text"] == "spoon.", "punctuation stays with its word"


def test_a_picture_is_encoded_once_for_all_its_questions(client: TestClient, assistant: FakeAssistant) -> None:
    first = ask(client, picture="desk", question="what is in the picture?").json()
    second = ask(client, picture="desk", question="the spoon", mode="find").json()
    assert (first["picture_reused"], second["picture_reused"], assistant.encoded) == (False, True, 1)
    assert second["computed_by"].endswith(".ground")


def test_patches_return_to_the_original_through_the_view() -> None:
    frame = Frame(60, 30)  # 96 x 48 in the view: the upper and lower three of twelve rows are padding
    cells = patch_cells(padded_view(frame), ROWS, COLS)
    assert cells[: 3 * COLS] == [None] * (3 * COLS) and cells[-3 * COLS :] == [None] * (3 * COLS)
    inside = [cell for cell in cells if cell]
    assert inside[0] == [0, 0, 5, 5] and inside[-1] == [55, 25, 60, 30]
    area = sum((cell[2] - cell[0]) * (cell[3] - cell[1]) for cell in inside)
    assert area == pytest.approx(60 * 30)


def test_a_malformed_run_of_locations_is_tied_to_no_box() -> None:
    frame = Frame(60, 40)
    tokens = tuple(
        AnswerToken(text, 0.9, bump(0.5, 0.5, 0.1)) for text in ("<bos>", "cup", "<loc_1>", "<loc_2>", "<loc_3>")
    )
    box = LabelledBox("cup", Box(1, 2, 3, 4, frame))
    words = explain(answer("cup", (box,), tokens, padded_view(frame)), frame)["words"]
    assert [(word["text"], word["place"]) for word in words] == [("cup", None)]


def test_a_place_that_was_dropped_does_not_shift_the_others() -> None:
    frame = Frame(60, 40)
    texts = "<box> <loc_9> <loc_2> <loc_3> <loc_4> <box> <loc_1> <loc_2> <loc_3> <loc_4> cup".split()
    tokens = tuple(AnswerToken(text, 0.9, bump(0.5, 0.5, 0.1)) for text in texts)
    whole = answer("cup", (LabelledBox("cup", Box(1, 2, 3, 4, frame)),), tokens, padded_view(frame))
    told = explain(replace(whole, dropped=("<loc_9> <loc_2> <loc_3> <loc_4>: the box ends before it begins",)), frame)
    assert [(word["text"], word["place"]) for word in told["words"]] == [("", ["box", 0]), ("cup", None)]
    assert told["dropped"] == ["<loc_9> <loc_2> <loc_3> <loc_4>: the box ends before it begins"]


def test_an_answer_without_traced_attention_has_no_weights() -> None:
    frame = Frame(60, 40)
    untraced = answer("yes", (), (AnswerToken("yes", 0.5),), padded_view(frame))
    assert explain(untraced, frame)["words"][0]["weights"] is None


@pytest.mark.parametrize(
    ("state", "part"),
    [
        ([], "JSON object"),
        ({"question": "what?"}, "names no picture"),
        ({"picture": "../../etc/passwd", "question": "what?"}, "names no picture"),
        ({"picture": "desk", "question": "   "}, "question is empty"),
        ({"picture": "desk", "question": "", "mode": "find"}, "phrase is empty"),
        ({"picture": "desk", "question": "word " * 10_000}, "at most 500"),
        ({"picture": "desk", "question": 3}, "must be text"),
        ({"picture": "desk", "question": "what?", "mode": "sing"}, "no mode 'sing'"),
        ({"picture": "desk", "question": "what?", "mode": ["ask"]}, "no mode"),
        ({"picture": "desk", "question": "what?", "draw": True}, "unknown field 'draw'"),
        ({"picture": "desk", "mode": "name"}, "four numbers"),
        ({"picture": "desk", "mode": "name", "box": [0, 0, "9", 9]}, "four numbers"),
        ({"picture": "desk", "mode": "name", "box": [0, 0, float("nan"), 9]}, "four numbers"),
        ({"picture": "desk", "mode": "name", "box": [9, 0, 9, 9]}, "region is empty"),
    ],
)
def test_a_state_out_of_bounds_is_refused_in_one_sentence(state: object, part: str) -> None:
    with pytest.raises(RequestError, match=part) as refusal:
        read(state, LIMITS)
    assert "\n" not in str(refusal.value) and str(refusal.value).endswith(".")


def test_a_region_is_named(client: TestClient) -> None:
    body = ask(client, picture="desk", mode="name", box=[5, 5, 30, 30]).json()
    assert body["answer"] == "a cup." and body["region"] == [5, 5, 30, 30]


def test_an_added_picture_is_keyed_by_its_content_and_kept_within_bounds(client: TestClient) -> None:
    first = client.post("/api/pictures", content=encoded(colour="red")).json()
    again = client.post("/api/pictures", content=encoded(colour="red")).json()
    assert first == again == {"key": first["key"], "title": "Your picture", "width": 31, "height": 17}
    assert len(first["key"]) == 64
    for colour in ("green", "blue"):
        client.post("/api/pictures", content=encoded(colour=colour))
    gone = ask(client, picture=first["key"], question="what?")
    assert gone.status_code == 404 and "no longer holds" in gone.json()["error"]


def test_the_shelf_is_bounded_in_bytes_too(samples: Path) -> None:
    shelf = PictureShelf(samples, StudioLimits(kept_bytes=31 * 17 * 3))
    keys = [shelf.add(encoded(colour=colour)).key for colour in ("red", "green")]
    assert shelf.get(keys[1]).key == keys[1]
    with pytest.raises(RequestError):
        shelf.get(keys[0])


@pytest.mark.parametrize(
    ("data", "status", "part"),
    [
        (b"", 400, "empty"),
        (b"x" * (LIMITS.upload_bytes + 1), 413, "larger than 0.02 MB"),
        (b"GIF89a but not really", 422, ""),
        (encoded((101, 100)), 422, "Your picture: its header announces 101 x 100 pixels"),
        (encoded((200, 60), kind="JPEG")[:-400], 422, ""),
    ],
)
def test_a_bad_upload_is_one_sentence(client: TestClient, data: bytes, status: int, part: str) -> None:
    reply = client.post("/api/pictures", content=data)
    assert reply.status_code == status
    assert set(reply.json()) == {"error"} and part in reply.json()["error"]
    assert "\n" not in reply.json()["error"]


def test_a_body_that_does_not_say_its_length_is_still_bounded(client: TestClient) -> None:
    reply = client.post("/api/pictures", content=(b"x" * 8000 for _ in range(4)))
    assert reply.status_code == 413


def test_the_page_draws_the_decoded_pixels_upright(client: TestClient) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    key = client.post("/api/pictures", content=encoded((80, 40), kind="JPEG", exif=exif)).json()["key"]
    assert client.get(f"/api/pictures/{key}").json()["width"] == 40
    shown = client.get(f"/api/pictures/{key}/shown.jpg")
    assert shown.headers["content-type"] == "image/jpeg"
    assert decode(shown.content).frame == Frame(25, 50), "upright, and shrunk to the longest side that is shown"
    assert max(Image.open(io.BytesIO(client.get(f"/api/pictures/{key}/thumb.jpg").content)).size) == 9


def test_a_sample_that_is_broken_is_said_so(client: TestClient) -> None:
    reply = ask(client, picture="broken", question="what?")
    assert reply.status_code == 422 and "broken.png" in reply.json()["error"]


def test_an_error_of_the_reader_is_told_and_a_defect_is_not_leaked(client: TestClient) -> None:
    told = ask(client, picture="desk", question="fail")
    assert (told.status_code, told.json()["error"][:30]) == (422, "the question cannot be answere")
    defect = ask(client, picture="desk", question="break")
    assert defect.status_code == 500 and "ValueError" in defect.json()["error"]
    assert "a defect" not in defect.text
    assert ask(client, picture="desk", question="is there a cat?").status_code == 200, "the server lives on"


def test_every_answer_forbids_other_origins(client: TestClient) -> None:
    for path in ("/", "/static/main.js", "/api/samples", "/api/pictures/none"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"


def test_other_hosts_and_origins_are_refused(client: TestClient) -> None:
    assert client.get("/api/health", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/api/health", headers={"origin": "http://evil.example"}).status_code == 403
    assert client.get("/api/health", headers={"origin": "http://127.0.0.1:8765"}).status_code == 200
    plain = client.post("/api/ask", content=b"{}", headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    broken = client.post("/api/ask", content=b"{", headers={"content-type": "application/json"})
    assert broken.status_code == 400 and "not valid JSON" in broken.json()["error"]


def test_samples_come_from_their_list_or_else_from_the_folder(samples: Path, client: TestClient) -> None:
    listed = client.get("/api/samples").json()["samples"]
    assert [(row["key"], row["title"], row["questions"]) for row in listed] == [
        ("desk", "A desk", ["what is here?"]),
        ("broken", "broken", []),
    ]
    (samples / "samples.json").write_text('[{"file": "../outside.png"}]', encoding="utf-8")
    with pytest.raises(DataError, match="not in the folder"):
        read_samples(samples)
    (samples / "samples.json").unlink()
    assert [sample.key for sample in read_samples(samples)] == ["broken", "desk"]
    assert read_samples(samples / "none") == ()


def test_the_page_refers_to_files_that_exist(client: TestClient) -> None:
    page = client.get("/").text
    named = [part.split('"')[0] for part in page.split('="/static/')[1:]]
    assert "main.js" in named and "<script>" not in page and " style=" not in page
    for name in named:
        assert client.get(f"/static/{name}").status_code == 200
    assert client.get("/poster.jpg").status_code == 200
    assert client.get("/favicon.ico").status_code == 200


def test_a_port_that_cannot_be_had_is_one_sentence_before_any_model_is_loaded() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ConfigError, match=r"cannot be opened \([^()]*\); choose"),
    ):
        run(port=taken.getsockname()[1], model="no such model")
    with pytest.raises(ConfigError, match="port 70000 does not exist"):
        run(port=70_000)
    with pytest.raises(ConfigError, match="cannot be opened"):
        listen("no.such.host.invalid", 8765)


def test_a_studio_for_the_network_answers_under_any_name(samples: Path) -> None:
    app = create_app(FakeAssistant(), samples=samples, hosts=None)
    with TestClient(app, base_url="http://192.168.1.9:8765") as client:
        assert client.get("/api/health").json()["model"] == "stand-in"
