"""How many pictures a second become what a model reads, at equal pixels?

    python bench/processor.py [--json] [--pictures 12] [--rounds 7]

Ours is `process_all` (decoding of a Pillow image included), the peer the reference's Pillow processor of the same file,
both from pictures in memory, 8-bit RGB, of the extents people have. Before the clock starts the two results are held
equal bit for bit. The sides alternate within a round; the medians of the rounds are reported. The goal is twice the
pictures a second of the clock on the wall, with the threads that torch has by default: the peer has one.

Beside them: the seconds Pillow alone needs to resize those pictures, which both sides spend. Divided by the peer's
seconds it says how much faster one thread could be at best.
"""

import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _report import Ratio, make_parser, report
from PIL import Image

from showtell.images.batch import process_all
from showtell.images.families import AnyProcessor, processor_from_hf

GOAL = 2.0
EXTENTS = ((640, 480), (500, 375), (480, 640), (1600, 1200), (1024, 768), (333, 500))
TILED = {"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}
SQUARE = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
PEERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "CLIP, 224": ("clip", "CLIP", {}),
    "SigLIP, 224": ("siglip", "Siglip", {}),
    "SmolVLM, tiles of 512": ("idefics3", "Idefics3", TILED),
    "LLaVA-NeXT, tiles of 336": ("llava_next", "LlavaNext", SQUARE),
    "Qwen2-VL, native": ("qwen2_vl", "Qwen2VL", {}),
    "SigLIP 2 NaFlex, 256 patches": ("siglip2", "Siglip2", {}),
}


def pictures(count: int) -> list[Image.Image]:
    """Smooth shades with grain, like photographs."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        width, height = EXTENTS[number % len(EXTENTS)]
        coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((width, height))
        grain = rng.normal(0, 6, (height, width, 3))
        made.append(Image.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8)))
    return made


def peer_of(name: str) -> Any:
    module, kind, settings = PEERS[name]
    imported = __import__(f"transformers.models.{module}.image_processing_pil_{module}", fromlist=[kind])
    return getattr(imported, f"{kind}ImageProcessorPil")(**settings)


def hold_equal(ours: AnyProcessor, peer: Any, images: list[Image.Image]) -> None:
    """Raises AssertionError when a number differs."""
    for image, made in zip(images, process_all(ours, images), strict=True):
        theirs = peer(image, return_tensors="pt")["pixel_values"].float()
        numbers = made.patches if hasattr(made, "patches") else made.pixels
        assert torch.equal(numbers.reshape(-1), theirs.reshape(-1)), image.size


def interleaved(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each side; the first round does not count."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(1 + rounds):
        for name, work in sides.items():
            began = time.perf_counter()
            work()
            if number:
                spent[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def resizing_alone(images: list[Image.Image], peer: Any) -> Callable[[], object]:
    """The peer on these pictures with everything but Pillow's resizing taken out, by recording its calls once."""
    calls: list[tuple[Image.Image, tuple[Any, ...], dict[str, Any]]] = []
    resize = Image.Image.resize

    def recorded(image: Image.Image, *arguments: Any, **named: Any) -> Image.Image:
        calls.append((image, arguments, named))
        return resize(image, *arguments, **named)

    Image.Image.resize = recorded  # type: ignore[method-assign]
    try:
        for image in images:
            peer(image, return_tensors="pt")
    finally:
        Image.Image.resize = resize  # type: ignore[method-assign]
    return lambda: [resize(image, *arguments, **named) for image, arguments, named in calls]


def options() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=7)
    return parser


def main() -> None:
    given = options().parse_args()
    images = pictures(given.pictures)
    ratios, beside = [], []
    for name in PEERS:
        peer = peer_of(name)
        ours = processor_from_hf(peer.to_dict())
        hold_equal(ours, peer, images)
        seconds = interleaved(
            {
                "ours": lambda ours=ours: process_all(ours, images),  # type: ignore[misc]
                "peer": lambda peer=peer: [peer(image, return_tensors="pt") for image in images],  # type: ignore[misc]
                "one thread": lambda ours=ours: one_thread(ours, images),  # type: ignore[misc]
                "Pillow": resizing_alone(images, peer),
            },
            given.rounds,
        )
        rate = {side: len(images) / spent for side, spent in seconds.items()}
        ratios.append(Ratio.rate(f"{name}: pictures / s", rate["ours"], rate["peer"], GOAL))
        beside.append((f"{name}: with one thread", rate["one thread"], rate["peer"]))
        beside.append((f"{name}: Pillow's resizing alone", rate["Pillow"], rate["peer"]))
    report(
        f"image processors at equal pixels, {torch.get_num_threads()} threads",
        ratios,
        as_json=given.json,
        beside=beside,
        notes=[f"{given.pictures} pictures of {len(EXTENTS)} extents, medians of {given.rounds} rounds"],
    )


def one_thread(ours: AnyProcessor, images: list[Image.Image]) -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return process_all(ours, images)
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
