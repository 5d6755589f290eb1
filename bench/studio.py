"""How quickly does the studio paint a chapter, how much does it send, and how soon does a figure follow the hand?

    python bench/studio.py [--json] [--model pocket] [--rounds 15]

    first paint   the browser's own first-contentful-paint of /part/2, in a fresh context (median of 5 visits)
    page weight   everything a visit to /part/2 loads before any figure's data
    interaction   from the request of a state that nobody has asked for to its JSON, over HTTP, worst figure's p95
    readers       eight readers moving eight figures at once: p95 of the same
    on screen     from a key press on a slider to the numbers being drawn, in the browser: p95

One process serves, with one torch thread; this one asks. The limits are those of the studio's design, so the ratios are
allowed / measured. A peer in the same run (the same figure in Gradio and in marimo) is left to be added.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
from _report import Ratio, make_parser, report
from playwright.sync_api import Page, sync_playwright

PAINT_MS, WEIGHT_KB, CALL_MS, HEAVY_MS, READERS_MS, SCREEN_MS = 600.0, 600.0, 150.0, 250.0, 600.0, 250.0
HEAVY = "attribution"  # runs the tower on another picture for each state
CROWD = ("survives", "shuffle", "atlas", "resolution")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A field of each figure that a reader drags or steps through, and values of it.
MOVED = {
    "light": [f"blend={n}" for n in range(0, 101, 5)],
    "stripes": [f"cycles={n}" for n in range(20, 94, 3)],
    "kernel": [f"dx={n}" for n in range(-12, 13)],
    "neuron": [f"depth={n}" for n in range(1, 11)],
    "phase": [f"phase={n}" for n in range(0, 101, 5)],
    "survives": [f"patch={p}&dim={d}" for p in (4, 8, 12, 16) for d in (8, 16, 48, 96, 192)],
    "shuffle": [f"order={'.'.join(map(str, [*range(n, 16), *range(n)]))}" for n in range(1, 16)],
    "atlas": [f"patch={n}" for n in range(0, 64, 3)],
    "attribution": [f"removed={n}.{n + 1}.{n + 8}" for n in range(0, 50, 2)],
    "resolution": [f"patch={n}" for n in range(0, 36, 2)],
    "labels": [f"labels={n}&wrong={w}" for w in (0, 20, 40, 60) for n in (1, 2, 4, 8, 16, 32)],
    "dialect": [f"patch={n}" for n in range(36)],
    "gates": [f"gate1={n / 20:g}" for n in range(21)],
    "latents": [f"latent={n}&mute={m}" for n in range(16) for m in (0, 1)],
    "meeting": [f"board={n}.0.0.0.6.0.0.0.11" for n in range(1, 17)],
    "follow": [f"cell={n}" for n in range(0, 112, 5)],
    "sequence": [f"question=where+is+cat+{n}" for n in range(20)],
}


@contextmanager
def serving(model: str) -> Iterator[str]:
    """The studio in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("showtell"), "studio", "--port", str(port), "--model", model]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{address}/api/health")
                break
            except httpx.ConnectError:
                if server.poll() is not None:
                    raise ChildProcessError("the studio ended before it answered") from None
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


def call_ms(client: httpx.Client, name: str, query: str) -> float:
    start = time.perf_counter()
    client.get(f"/api/figures/{name}?{query}").raise_for_status()
    return (time.perf_counter() - start) * 1e3


def visit(page: Page, address: str) -> tuple[float, float]:
    """(first contentful paint in ms, kB received before data) of one visit to a chapter."""
    sizes: list[int] = []
    page.on("response", lambda reply: sizes.append(len(reply.body())) if "/api/" not in reply.url else None)
    page.goto(f"{address}/part/2")
    page.wait_for_load_state("networkidle")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return float(paint), sum(sizes) / 1e3


def screen_ms(page: Page, address: str, presses: int) -> list[float]:
    """From a key press on a slider to the numbers being drawn."""
    page.goto(f"{address}/figure/stripes")
    page.wait_for_selector("figure[data-ready]")
    page.get_by_label("Cycles across the wave").focus()
    times = []
    for _ in range(presses):
        before = page.get_attribute("figure", "data-ready")
        start = time.perf_counter()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(
            "before => { const now = document.querySelector('figure').dataset.ready; return now && now !== before; }",
            arg=before,
        )
        times.append((time.perf_counter() - start) * 1e3)
    return times


def options() -> argparse.ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--model", default="pocket", help="a model that showtell loads")
    parser.add_argument("--rounds", type=int, default=15, help="states of each figure")
    return parser


def main() -> None:
    chosen = options().parse_args()
    if chosen.rounds < 3:
        raise argparse.ArgumentTypeError("at least 3 rounds make a percentile")
    browser_path = next(path for path in map(shutil.which, BROWSERS) if path)
    with serving(chosen.model) as address, httpx.Client(base_url=address, timeout=60) as client:
        client.get("/part/2")  # the chapter is built and its posters are computed once a process
        calls = {name: [call_ms(client, name, q) for q in queries[: chosen.rounds]] for name, queries in MOVED.items()}
        first = call_ms(client, HEAVY, "photo=rocket")
        crowd = [(name, f"{query}&photo=rocket") for name in CROWD for query in MOVED[name]]
        with ThreadPoolExecutor(8) as readers:
            crowded = list(readers.map(lambda one: call_ms(client, *one), crowd[: 8 * chosen.rounds]))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
            visits = [visit(browser.new_page(), address) for _ in range(5)]
            drawn = screen_ms(browser.new_page(), address, chosen.rounds)
            browser.close()
    worst = max((name for name in calls if name != HEAVY), key=lambda name: p95(calls[name]))
    ratios = [
        Ratio.limit("first paint of a chapter, ms", statistics.median(paint for paint, _ in visits), PAINT_MS),
        Ratio.limit("page before its data, kB", visits[0][1], WEIGHT_KB),
        Ratio.limit(f"interaction, p95 of the slowest figure ({worst}), ms", p95(calls[worst]), CALL_MS),
        Ratio.limit(f"interaction, p95 of the heavy figure ({HEAVY}), ms", p95(calls[HEAVY]), HEAVY_MS),
        Ratio.limit("eight readers at once, p95, ms", p95(crowded), READERS_MS),
        Ratio.limit("from key press to drawn numbers, p95, ms", p95(drawn), SCREEN_MS),
    ]
    beside: list[tuple[str, float, float | None]] = [
        (f"{name}, median ms", statistics.median(times), None) for name, times in calls.items()
    ]
    beside.append((f"{HEAVY}, a picture seen for the first time, ms", first, None))
    report("The studio", ratios, as_json=chosen.json, columns=("measured", "allowed"), beside=beside)


if __name__ == "__main__":
    main()
