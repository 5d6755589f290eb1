"""Running demos for many readers: one at a time on one model, and each state once.

    state ──> kept? ──yes──> answer
                └─no──> the model's lock ──> still wanted? ──> view ──> JSON, kept

The lock is the one the playground's questions take: torch runs on one thread, and two readers wait for each other
rather than fight for cores. A request whose reader has moved on is not computed: the newest state wins.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import torch
from starlette.concurrency import run_in_threadpool

from showtell.studio.series.bounds import write_state
from showtell.studio.series.demo import Demo
from showtell.studio.series.tools import Tools

KEPT = 256


class Runner:
    """Demos over one set of tools."""

    def __init__(self, tools: Tools, lock: anyio.Lock) -> None:
        self.tools, self.lock = tools, lock
        self._kept: OrderedDict[tuple[str, Any], dict[str, Any]] = OrderedDict()

    async def figure(
        self, demo: Demo[Any], state: Any, wanted: Callable[[], Awaitable[bool]] | None = None
    ) -> dict[str, Any] | None:
        """The figure of a state as JSON, or None when nobody wants it any more."""
        key = (demo.name, state)
        if key not in self._kept:
            async with self.lock:
                if wanted is not None and not await wanted():
                    return None
                if key not in self._kept:
                    self._keep(key, await run_in_threadpool(self.compute, demo, state))
        self._kept.move_to_end(key)
        return self._kept[key]

    def compute(self, demo: Demo[Any], state: Any) -> dict[str, Any]:
        """The figure of a state as JSON, computed now; the caller holds the lock or is alone."""
        start = time.perf_counter()
        with torch.no_grad():
            scene = demo.view(state, self.tools).to_json()
        elapsed_ms = round((time.perf_counter() - start) * 1e3, 1)
        by = f"{type(demo).__module__}.{type(demo).__name__}.view"
        return {"state": write_state(state), "computed_by": by, "elapsed_ms": elapsed_ms} | scene

    def _keep(self, key: tuple[str, Any], figure: dict[str, Any]) -> None:
        self._kept[key] = figure
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
