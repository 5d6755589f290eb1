"""Teacher-written data from a real server that misbehaves: every row accounted for, within budget, resumed exactly."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from showtell.cli.main import main
from showtell.core.errors import ConfigError, DataError
from showtell.data.sources import JsonLines
from showtell.instruct.endpoint import Endpoint, EndpointConfig, wait_of
from showtell.instruct.near import NearDuplicates
from showtell.instruct.teaching import Report, Teaching, TeachingConfig
from showtell.worlds.scene import Scene, SceneConfig

TROUBLES = ("429", "500", "hang", "cut", "html", "good")


class Server:
    """Answers from the facts in the request; `plan(number of the request)` says how it misbehaves."""

    def __init__(self) -> None:
        self.plan = lambda number, body: "good"
        self.seen: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.flying = self.most_flying = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.answer(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        with self.lock:
            self.seen.append(body)
            self.keys.add(request.headers.get("Authorization"))
            number = len(self.seen) - 1
            self.flying += 1
            self.most_flying = max(self.flying, self.most_flying)
        try:
            self.misbehave(request, self.plan(number, body), body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self.lock:
                self.flying -= 1

    def misbehave(self, request: BaseHTTPRequestHandler, how: str, body: dict[str, Any]) -> None:
        content = teacher(body) if how in ("good", "cut", "hang") else how
        reply = {"choices": [{"message": {"role": "assistant", "content": content}}]}
        reply |= {"usage": {"prompt_tokens": 100, "completion_tokens": 50}}
        data = b"<html>busy</html>" if how == "html" else json.dumps(reply).encode()
        if how == "hang":
            time.sleep(0.6)
        request.send_response(int(how) if how.isdigit() else 200)
        if how == "429":
            request.send_header("Retry-After", "0")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[: len(data) // 2] if how == "cut" else data)


def teacher(body: dict[str, Any]) -> str:
    """Truthful about the first thing of the list, in words of its own."""
    facts = body["messages"][1]["content"]
    things = re.findall(r"^- (.*?) at \(", facts, re.M)
    shown = re.sub(r" \d+$", "", things[0]) if things else "nothing"
    answer = f"In this picture number {body['seed']} one finds the {shown}; seed {body['seed'] * 7919} said so to me."
    return json.dumps({"turns": [{"question": "What is there?", "answer": answer}]})


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, daemon=True)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()


WORLD = Scene(SceneConfig(image_size=48))


def run(server: Server, folder: Path, rows: int = 12, tries: int = 8, **changes: Any) -> tuple[Report, Endpoint]:
    asked = Endpoint(
        EndpointConfig(url=server.url, model="m", timeout_s=0.4, tries=tries, max_tokens=100), sleep=lambda _: None
    )
    try:
        config = TeachingConfig(rows=rows, **{"concurrency": 4, "kinds": ("description",), **changes})
        return Teaching(config, WORLD, asked, folder).run(), asked
    finally:
        asked.close()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.suffix in (".png", ".jsonl")}


def test_a_misbehaving_server_costs_tries_and_no_rows(server: Server, tmp_path: Path) -> None:
    times: Counter[int] = Counter()

    def plan(number: int, body: dict[str, Any]) -> str:
        times[body["seed"]] += 1
        return TROUBLES[(body["seed"] // 3 + times[body["seed"]]) % len(TROUBLES)]

    server.plan = plan
    report, asked = run(server, tmp_path)
    assert report.rows == 12 and not report.refused and report.asked == 12
    assert asked.requests == len(server.seen) > 12 and 1 < server.most_flying <= 8
    assert {"429", "500", "timeout", "not the protocol's JSON"} < set(asked.troubles)
    assert any("connection" in why for why in asked.troubles)
    rows = JsonLines(tmp_path / "train.jsonl")
    record = rows[3]
    assert len(rows) == 12 and len(record.images) == 1 and record.turns[0].parts[0] == 0
    assert record.facts["kind"] == "description" and record.facts["world"] == {"seed": 0, "index": 3}
    sent = server.seen[0]
    assert sent["model"] == "m" and sent["response_format"]["json_schema"]["schema"]["required"] == ["turns"]


def test_wrong_shapes_are_asked_again_and_then_refused_by_reason(server: Server, tmp_path: Path) -> None:
    wrong = ("sure, here is your data!", '{"turns": []}', '{"turns": [{"question": "?"}]}', "[1]", '{"turns": [')

    def plan(number: int, body: dict[str, Any]) -> str:
        position, attempt = divmod(body["seed"], 3)
        return wrong[position % 5] if position % 2 or attempt == 0 else "good"

    server.plan = plan
    report, _ = run(server, tmp_path)
    assert report.rows == 6 and report.refused == {"wrong shape": 6}
    assert report.asked == 6 * 2 + 6 * 3
    refused = [json.loads(line) for line in (tmp_path / "refused.jsonl").read_text().splitlines()]
    assert [row["row"] for row in refused] == [1, 3, 5, 7, 9, 11] and "3 times" in refused[0]["why"]


def test_a_run_that_was_cut_off_ends_with_the_same_files(server: Server, tmp_path: Path) -> None:
    server.plan = lambda number, body: "500" if number % 3 == 0 else "good"
    run(server, tmp_path / "whole")
    run(server, tmp_path / "parts", rows=5)
    cache = tmp_path / "parts" / "cache.jsonl"
    lines = cache.read_text().splitlines()
    cache.write_text("\n".join(lines[:3]) + '\n{"key": "cut of')  # a crash in the middle of a line
    (tmp_path / "parts" / "train.jsonl").unlink()
    server.seen.clear()
    report, _ = run(server, tmp_path / "parts")
    assert (report.from_cache, report.asked) == (3, 9)
    whole, parts = files(tmp_path / "whole"), files(tmp_path / "parts")
    whole.pop("cache.jsonl"), parts.pop("cache.jsonl")
    assert whole == parts
    server.seen.clear()
    again, _ = run(server, tmp_path / "whole")
    assert not server.seen and again.from_cache == 12 and again.rows == 12


def test_the_budget_is_never_passed(server: Server, tmp_path: Path) -> None:
    for budget in (0.0001, 0.002, 0.01):
        server.seen.clear()
        folder = tmp_path / str(budget)
        report, _ = run(server, folder, budget=budget, price_in=1.0, price_out=10.0)
        assert report.cost <= budget and report.cost == pytest.approx(len(server.seen) * 600e-6)
        assert report.rows + report.not_asked + sum(report.refused.values()) == 12
        assert (report.rows == 0) == (budget == 0.0001)
    with pytest.raises(ConfigError, match="prices"):
        TeachingConfig(rows=1, budget=1.0)


def test_what_the_facts_deny_and_what_repeats_is_set_aside(server: Server, tmp_path: Path) -> None:
    texts = {0: "There are nine hexagons and nine hearts, I am sure.", 1: "An empty phrase that says nothing at all."}

    def plan(number: int, body: dict[str, Any]) -> str:
        text = texts.get(body["seed"] // 3, texts[1] if body["seed"] // 3 < 4 else "Ah.")
        return json.dumps({"turns": [{"question": "<image> What?", "answer": text}]})

    server.plan = plan
    report, _ = run(server, tmp_path / "a", rows=6)
    assert report.refused == {"denied by the facts": 1, "near-duplicate": 2, "length": 2} and report.rows == 1
    assert report.claims["count"]["denied"] == 2
    report, _ = run(server, tmp_path / "b", rows=1, keep_denied=True)
    row = json.loads((tmp_path / "b" / "train.jsonl").read_text())
    assert report.rows == 1 and len(row["denied"]) >= 2
    assert row["messages"][0]["content"].count("<image>") == 1


def test_asking_again_does_not_help_and_a_dead_server_is_a_reason(server: Server, tmp_path: Path) -> None:
    server.plan = lambda number, body: "401"
    with pytest.raises(ConfigError, match="wants another key"):
        run(server, tmp_path / "a")
    server.plan = lambda number, body: "500"
    report, _ = run(server, tmp_path / "b", rows=2, tries=2)
    assert report.rows == 0 and report.refused == {"no answer": 2}
    asked = Endpoint(EndpointConfig(url="http://127.0.0.1:9", model="m", tries=2), sleep=lambda _: None)
    with pytest.raises(DataError, match="no answer in 2 tries, lastly: connection"):
        asked.ask(asked.body([{"role": "user", "content": "hi"}], {}, 0))


def test_waits_follow_the_server_and_grow() -> None:
    assert wait_of("7") == 7 and wait_of(None) == wait_of("soon") == wait_of("-3") == 0
    assert wait_of("Fri, 01 Jan 2100 00:00:00 GMT") > 1e9
    waits: list[float] = []
    asked = Endpoint(EndpointConfig(url="http://127.0.0.1:9", model="m", tries=5), sleep=waits.append)
    with pytest.raises(DataError):
        asked.ask(asked.body([], {}, 0))
    assert len(waits) == 4 and all(0.5 * 2**i <= wait <= 1.5 * 2**i for i, wait in enumerate(waits))


def test_near_duplicates_are_by_words_not_by_letters() -> None:
    near = NearDuplicates(0.8)
    text = "The red star is left of the blue circle and the dog sleeps below both of them in the grass"
    assert near.add(0, text) is None and near.add(1, text.upper() + "!!") == 0
    assert near.add(2, text.replace("grass", "sand")) == 0
    assert near.add(3, "A cup stands on the table by the window, and a cat looks at it all day long") is None
    assert near.add(4, "Yes") is None and near.add(5, "yes.") == 4


def test_the_command(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    words = ["generate", str(tmp_path / "data"), "--endpoint", server.url, "--model", "m", "--rows", "3", "--json"]
    monkeypatch.setenv("TEACHER", "secret")
    assert main([*words, "--key-variable", "TEACHER", "--kinds", "description"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 3 and found["requests"] == 3 and found["tokens_out"] == 150
    assert server.keys == {"Bearer secret"}
    assert "secret" not in "".join(path.read_text() for path in (tmp_path / "data").glob("*.json*"))
    for change, said in ((["--key-variable", "NOBODY"], "is empty"), (["--budget", "1"], "prices")):
        assert main([*words, *change]) == 2
        assert said in json.loads(capsys.readouterr().out)["error"]
    words[3] = "ftp://nowhere"
    assert main(words) == 2 and "http://" in json.loads(capsys.readouterr().out)["error"]
    assert Counter(path.suffix for path in (tmp_path / "data").iterdir())[".jsonl"] == 3


def test_a_model_on_this_machine_can_be_the_teacher(tmp_path: Path) -> None:
    from showtell.instruct.local_teacher import LocalTeacher
    from showtell.instruct.published_chat import Speaking
    from showtell.text.chat_formats import chatml
    from showtell.text.decoder import Decoder, DecoderConfig
    from showtell.text.tokenizer import train_tokenizer

    words = train_tokenizer(["a star. " * 9], 300, chatml().control)
    decoder = Decoder(DecoderConfig(vocab_size=300, dim=8, depth=1, heads=2, mlp_dim=8)).eval()
    local = LocalTeacher(Speaking(decoder, words, chatml(), None), max_tokens=9)
    config = TeachingConfig(rows=3, least_words=0, likeness=1.1, concurrency=2)
    report = Teaching(config, WORLD, local, tmp_path).run()
    assert report.asked == local.requests == 3 and report.rows + sum(report.refused.values()) == 3
    assert Teaching(config, WORLD, local, tmp_path).run().from_cache == 3 and local.requests == 3
