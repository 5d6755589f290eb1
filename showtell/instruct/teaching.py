"""A run of teacher-written data: many rows at once, within a budget, resumed exactly, checked, counted.

    position -> picture and facts -> request -> cache, else endpoint -> turns -> claims -> filters -> train.jsonl
                                                                            refused, by reason -> refused.jsonl

Row n depends on its number, the settings and the teacher's cached answers only; rows are judged in their order, however
the answers arrive. So a run that was cut off ends, when it is started again, with the very files it would have had.
An answer of the wrong shape is asked for again under another seed; each answer is kept in the cache, failures are not.
A request is sent only if the budget covers its dearest outcome.
"""

import hashlib
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from PIL import Image

from showtell.core.checkpoint import write_atomically
from showtell.core.errors import ConfigError, DataError
from showtell.data.quarantine import note
from showtell.instruct.endpoint import Reply, estimate
from showtell.instruct.near import NearDuplicates
from showtell.instruct.teacher import INSTRUCTIONS, SCHEMA, Kind, Written, WrongShape, judged, messages_for, read_answer
from showtell.worlds.facts import Facts


class World(Protocol):
    def sample(self, seed: int, index: int) -> tuple[np.ndarray, Facts]: ...


class Asked(Protocol):
    """`Endpoint`, or anything that answers like it."""

    def body(self, messages: Any, schema: Any, seed: int) -> dict[str, Any]: ...

    def ask(self, body: Mapping[str, Any]) -> Reply: ...


@dataclass(frozen=True, kw_only=True)
class TeachingConfig:
    """What is wanted.

    rows: pictures, each with one row.
    kinds: in turn.
    seed: of the world.
    concurrency: requests in flight at most.
    price_in, price_out: of a million tokens.
    budget: the most that may be spent, in the currency of the prices; None = no limit.
    shapes: how often an answer of the wrong shape is asked for again.
    least_words, most_words: of all answers of a row together.
    likeness: share of words in common, in groups of three, from which a row repeats an earlier one.
    keep_denied: keep rows with claims that the facts deny, marked, instead of setting them aside.
    """

    rows: int
    kinds: tuple[Kind, ...] = ("conversation", "description", "reasoning")
    seed: int = 0
    concurrency: int = 8
    price_in: float = 0.0
    price_out: float = 0.0
    budget: float | None = None
    shapes: int = 3
    least_words: int = 3
    most_words: int = 400
    likeness: float = 0.8
    keep_denied: bool = False

    def __post_init__(self) -> None:
        if self.rows < 1 or self.concurrency < 1 or self.shapes < 1:
            raise ConfigError("rows, concurrency and shapes are at least 1")
        if unknown := [kind for kind in self.kinds if kind not in INSTRUCTIONS] or not self.kinds:
            raise ConfigError(f"kinds {unknown}: choose from {', '.join(INSTRUCTIONS)}")
        if self.budget is not None and not (self.price_in or self.price_out):
            raise ConfigError("a budget needs the prices of a million tokens")


@dataclass
class Report:
    """What came of it; `claims` counts (kind, verdict)."""

    rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    from_cache: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    claims: dict[str, Counter[str]] = field(default_factory=dict)
    words: list[int] = field(default_factory=list)
    not_asked: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        words = sorted(self.words) or [0]
        return {
            **{name: getattr(self, name) for name in ("rows", "not_asked", "asked", "from_cache", "tokens_in")},
            "tokens_out": self.tokens_out,
            "cost": round(self.cost, 6),
            "refused": dict(sorted(self.refused.items())),
            "claims": {kind: dict(verdicts) for kind, verdicts in sorted(self.claims.items())},
            "words": {"least": words[0], "median": words[len(words) // 2], "most": words[-1]},
            "seconds": round(self.seconds, 1),
        }


class Purse:
    """What was spent and what is promised to requests in flight."""

    def __init__(self, config: TeachingConfig):
        self.config, self.spent, self.promised, self._lock = config, 0.0, 0.0, Lock()

    def price(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.config.price_in + tokens_out * self.config.price_out) / 1e6

    def promise(self, body: Mapping[str, Any]) -> float | None:
        """Set the dearest outcome of a request aside; None when the budget does not cover it."""
        dearest = self.price(estimate(body), int(body["max_tokens"]))
        with self._lock:
            if self.config.budget is not None and self.spent + self.promised + dearest > self.config.budget:
                return None
            self.promised += dearest
        return dearest

    def settle(self, promised: float, cost: float) -> None:
        with self._lock:
            self.promised -= promised
            self.spent += cost


class OutOfBudget(Exception):
    """A request that the budget does not cover."""


class Teaching:
    """One run in one folder: pictures/, train.jsonl, refused.jsonl, cache.jsonl, report.json."""

    def __init__(self, config: TeachingConfig, world: World, teacher: Asked, folder: Path):
        self.config, self.world, self.teacher, self.folder = config, world, teacher, folder
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        self.cache, self.report, self.purse = read_cache(folder / "cache.jsonl"), Report(), Purse(config)
        self.near = NearDuplicates(config.likeness)
        self._lock = Lock()

    def run(self, on_row: Callable[[int], None] = lambda position: None) -> Report:
        """Ask for every row that is not cached, judge all of them, write the files.

        Raises ConfigError when the endpoint refuses for good; what was answered until then is in the cache.
        """
        began, rows, refused = time.perf_counter(), list[str](), list[str]()
        for position, outcome in enumerate(self._in_order()):
            kept, why = (None, outcome) if isinstance(outcome, str) else self._judge(position, *outcome)
            if why == "":
                continue
            if kept is not None:
                rows.append(json.dumps(kept, ensure_ascii=False))
            else:
                self.report.refused[str(why).split(":")[0]] += 1
                refused.append(json.dumps({"row": position, "why": why}, ensure_ascii=False))
            on_row(position)
        self.report.rows, self.report.cost = len(rows), self.purse.spent
        self.report.seconds = time.perf_counter() - began
        for name, lines in (("train.jsonl", rows), ("refused.jsonl", refused)):
            write_atomically(self.folder / name, "".join(line + "\n" for line in lines).encode())
        report = json.dumps(self.report.to_json(), indent=1)
        write_atomically(self.folder / "report.json", report.encode())
        return self.report

    def _in_order(self) -> Iterator[tuple[np.ndarray, Facts, Written] | str]:
        """What `_make` gave, or why it gave nothing, by position; "" where the budget ended."""
        waiting: deque[Future[tuple[np.ndarray, Facts, Written]]] = deque()
        with ThreadPoolExecutor(self.config.concurrency) as pool:
            try:
                for position in range(self.config.rows):
                    waiting.append(pool.submit(self._make, position))
                    if len(waiting) > 2 * self.config.concurrency:
                        yield self._result(waiting.popleft())
                while waiting:
                    yield self._result(waiting.popleft())
            finally:
                for future in waiting:
                    future.cancel()

    def _result(self, future: "Future[tuple[np.ndarray, Facts, Written]]") -> tuple[np.ndarray, Facts, Written] | str:
        try:
            return future.result()
        except OutOfBudget:
            self.report.not_asked += 1
            return ""
        except DataError as error:
            return str(error)

    def kind(self, position: int) -> Kind:
        return self.config.kinds[position % len(self.config.kinds)]

    def _make(self, position: int) -> tuple[np.ndarray, Facts, Written]:
        """The picture of a row and what the teacher wrote about it; runs in a thread."""
        pixels, facts = self.world.sample(self.config.seed, position)
        kind, why = self.kind(position), ""
        for attempt in range(self.config.shapes):
            body = self.teacher.body(messages_for(facts, kind), SCHEMA, position * self.config.shapes + attempt)
            try:
                return pixels, facts, judged(read_answer(self._reply(body), kind), facts)
            except WrongShape as error:
                why = str(error)
        raise DataError(f"wrong shape: {why}, {self.config.shapes} times")

    def _reply(self, body: Mapping[str, Any]) -> str:
        """The teacher's text, from the cache if it was asked this before."""
        key = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        if key in self.cache:
            with self._lock:
                self.report.from_cache += 1
            return self.cache[key]
        promised = self.purse.promise(body)
        if promised is None:
            raise OutOfBudget
        cost = 0.0
        try:
            reply = self.teacher.ask(body)
            cost = self.purse.price(reply.tokens_in, reply.tokens_out)
        except DataError as error:
            raise DataError(f"no answer: {error}") from error
        finally:
            self.purse.settle(promised, cost)
        with self._lock:
            self.report.asked += 1
            self.report.tokens_in += reply.tokens_in
            self.report.tokens_out += reply.tokens_out
            self.cache[key] = reply.text
            note(self.folder / "cache.jsonl", {"key": key, "text": reply.text})
        return reply.text

    def _judge(
        self, position: int, pixels: np.ndarray, facts: Facts, written: Written
    ) -> tuple[dict[str, Any] | None, str | None]:
        """The row, or None and the reason why there is none."""
        for claim in written.claims:
            verdict = {True: "true", False: "denied", None: "cannot be told"}[claim.holds]
            self.report.claims.setdefault(claim.kind, Counter())[verdict] += 1
        answers = " ".join(answer for _, answer in written.turns)
        words = len(answers.split())
        if not self.config.least_words <= words <= self.config.most_words:
            return None, f"length: {words} words"
        if written.denied and not self.config.keep_denied:
            return None, "denied by the facts: " + "; ".join(f"{c.kind} {c.said!r}" for c in written.denied)
        if (earlier := self.near.add(position, answers)) is not None:
            return None, f"near-duplicate: of row {earlier}"
        self.report.words.append(words)
        name = f"pictures/{position:06}.png"
        if not (self.folder / name).is_file():
            Image.fromarray(pixels).save(self.folder / name)
        return row_of(name, self.kind(position), written, self.config.seed, position), None


def row_of(picture: str, kind: Kind, written: Written, seed: int, position: int) -> dict[str, Any]:
    """A row as `data/conversations.py` reads it."""
    messages: list[dict[str, str]] = []
    for number, (question, answer) in enumerate(written.turns):
        messages.append({"role": "user", "content": ("" if number else "<image>\n") + without_marks(question)})
        messages.append({"role": "assistant", "content": without_marks(answer)})
    denied = [f"{claim.kind}: {claim.said}" for claim in written.denied]
    world = {"seed": seed, "index": position}
    return {"images": [picture], "messages": messages, "kind": kind, "world": world, "denied": denied}


def without_marks(text: str) -> str:
    """What a teacher calls `<image>` is no picture's place."""
    return text.replace("<image>", "picture")


def read_cache(path: Path) -> dict[str, str]:
    """Answers by request; a line that a crash cut is left out."""
    found: dict[str, str] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
                found[entry["key"]] = entry["text"]
            except (ValueError, KeyError, TypeError):
                continue
    return found
