"""An OpenAI-compatible endpoint, asked politely: own server, Ollama, vLLM, or hosted.

    POST {url}/chat/completions    200 and a whole answer          -> Reply(text, tokens in, tokens out)
                                   429, 5xx, timeout, cut body     -> again, after what Retry-After says or 2^n seconds
                                   400, 401, 403, 404              -> ConfigError at once: asking again will not help
                                   still nothing after `tries`     -> DataError

Nothing is sent anywhere but to the address that the user named. What is asked is `teacher.py`; how many at once, within
which budget, `teaching.py`.
"""

import email.utils
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from showtell.core.errors import ConfigError, DataError

HOPELESS = {400: "does not take the request", 401: "wants another key", 403: "refuses the key", 404: "is not there"}
LONGEST_WAIT = 60.0  # seconds


@dataclass(frozen=True, kw_only=True)
class EndpointConfig:
    """Where and how to ask.

    url: up to and without /chat/completions.
    model: its name there.
    key: sent as a bearer token; None = none.
    temperature, max_tokens: of an answer.
    timeout_s: from sending to the last byte.
    tries: how often one question is sent at most.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    temperature: float = 0.7
    max_tokens: int = 800
    timeout_s: float = 60.0
    tries: int = 5

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"endpoint {self.url!r}: an address begins with http:// or https://")
        if self.tries < 1 or self.max_tokens < 1 or self.timeout_s <= 0:
            raise ConfigError("tries and max_tokens are at least 1, and a timeout is longer than nothing")


@dataclass(frozen=True)
class Reply:
    """What came back. counted: whether the endpoint said how many tokens it was (else they are estimated)."""

    text: str
    tokens_in: int
    tokens_out: int
    counted: bool = True


class Endpoint:
    """Safe to be asked from many threads."""

    def __init__(self, config: EndpointConfig, sleep: Callable[[float], None] = time.sleep):
        try:
            import httpx
        except ModuleNotFoundError as error:
            raise ConfigError("asking an endpoint needs httpx; pip install 'showtell[teacher]'") from error
        self.config, self.sleep = config, sleep
        headers = {} if config.key is None else {"Authorization": f"Bearer {config.key}"}
        self.client = httpx.Client(timeout=config.timeout_s, headers=headers, limits=httpx.Limits(max_connections=None))
        self.troubles: Counter[str] = Counter()
        self.requests = 0
        self._lock = threading.Lock()

    def close(self) -> None:
        self.client.close()

    def body(self, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """The request, as JSON."""
        return {
            "model": self.config.model,
            "messages": list(messages),
            "temperature": self.config.temperature,
            "max_tokens": self.config.max_tokens,
            "seed": seed,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "rows", "schema": schema, "strict": True},
            },
        }

    def ask(self, body: Mapping[str, Any]) -> Reply:
        """The answer to one request.

        Raises ConfigError where asking again would not help, DataError when all tries came to nothing.
        """
        why, wait = "", 0.0
        for attempt in range(self.config.tries):
            if attempt:
                self.sleep(min(LONGEST_WAIT, max(wait, 2.0 ** (attempt - 1) * (0.5 + random.random()))))
            reply, why, wait = self._once(body)
            if reply is not None:
                return reply
            with self._lock:
                self.troubles[why] += 1
        raise DataError(f"{self.config.url} gave no answer in {self.config.tries} tries, lastly: {why}")

    def _once(self, body: Mapping[str, Any]) -> tuple[Reply | None, str, float]:
        """(reply or None, what went wrong, seconds it asked us to wait)."""
        import httpx

        with self._lock:
            self.requests += 1
        try:
            response = self.client.post(f"{self.config.url.rstrip('/')}/chat/completions", json=body)
        except httpx.TimeoutException:
            return None, "timeout", 0.0
        except httpx.HTTPError as error:
            return None, f"connection ({type(error).__name__})", 0.0
        if response.status_code in HOPELESS:
            said = " ".join(response.text.split())[:200]
            raise ConfigError(f"{self.config.url} {HOPELESS[response.status_code]} ({response.status_code}: {said})")
        if response.status_code != 200:
            return None, str(response.status_code), wait_of(response.headers.get("retry-after"))
        try:
            return reply_of(response.json(), body), "", 0.0
        except (ValueError, KeyError, IndexError, TypeError):
            return None, "not the protocol's JSON", 0.0


def reply_of(data: Any, body: Mapping[str, Any]) -> Reply:
    """Of a response's JSON; raises one of several errors when it is not the protocol's."""
    text = data["choices"][0]["message"]["content"]
    if not isinstance(text, str):
        raise TypeError("no text")
    usage = data.get("usage") or {}
    counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if isinstance(counts[0], int) and isinstance(counts[1], int):
        return Reply(text, counts[0], counts[1])
    return Reply(text, estimate(body), len(text) // 4 + 1, counted=False)


def estimate(body: Mapping[str, Any]) -> int:
    """Tokens of a request, generously: four characters each."""
    return sum(len(str(message["content"])) for message in body["messages"]) // 4 + 16


def wait_of(header: str | None) -> float:
    """Seconds that a Retry-After header asks for: a number, or a date; 0 where it says nothing."""
    if not header:
        return 0.0
    try:
        return max(0.0, float(header))
    except ValueError:
        at = email.utils.parsedate_tz(header)
        return max(0.0, email.utils.mktime_tz(at) - time.time()) if at else 0.0
