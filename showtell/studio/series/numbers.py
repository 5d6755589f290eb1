"""The numbers in the prose, computed by the library while a chapter is built, on the model that is loaded."""

from collections.abc import Callable

import torch

from showtell.images.colour import to_linear, to_stored
from showtell.studio.demos.sequence import decoder, key_value_bytes
from showtell.studio.series.numbers_contrastive import contrastive_numbers
from showtell.studio.series.numbers_fusion import fusion_numbers
from showtell.studio.series.tools import Tools, Unavailable
from showtell.vision.costs import block_cost, embedding_cost

Number = Callable[[], str]


def numbers(tools: Tools) -> dict[str, Number]:
    """Name -> how to compute it."""

    def pocket(attribute: str) -> Number:
        return lambda: str(getattr(tools.tower.config, attribute))

    def billions(patch: int, side: int = 224) -> Number:
        tokens = (side // patch) ** 2 + 1
        embed = embedding_cost(tokens - 1, 3 * patch**2, 768)
        return lambda: f"{(12 * block_cost(tokens, 768, 3072).total + embed) / 1e9:.1f}"

    def share(patch: int, side: int = 224) -> Number:
        cost = block_cost((side // patch) ** 2 + 1, 768, 3072)
        return lambda: f"{100 * cost.attention / cost.total:.0f}"

    named: dict[str, Number] = {
        "model": lambda: tools.model_name,
        "tower.grid": lambda: " × ".join(map(str, tools.tower.config.grid)),
        "tower.tokens": lambda: str(tower_tokens(tools)),
        "tower.side": lambda: str(tools.tower.config.image_size[0]),
        "tower.patch": pocket("patch_size"),
        "tower.dim": pocket("dim"),
        "tower.depth": pocket("depth"),
        "tower.heads": pocket("heads"),
        "tower.parameters": lambda: f"{sum(p.numel() for p in tools.tower.parameters()) / 1e6:.1f}",
        "srgb.half": lambda: f"{float(to_stored(torch.tensor(0.5))):.3f}",
        "srgb.mid": lambda: f"{float(to_linear(torch.tensor(0.5))):.3f}",
        "chess.loss": lambda: f"{100 * (1 - 2 * float(to_linear(torch.tensor(0.5)))):.0f}",
        "decoder.bytes": lambda: f"{2 * decoder(tools).depth * decoder(tools).dim * 4:,}",
        "picture.kilobytes": lambda: f"{key_value_bytes(tower_tokens(tools), tools) / 1e3:,.0f}",
        "vitb.gflop.16": billions(16),
        "vitb.gflop.32": billions(32),
        "vitb.gflop.8": billions(8),
        "vitb.gflop.16.448": billions(16, 448),
        "vitb.share.16": share(16),
        "vitb.share.8": share(8),
        "vitb.share.16.896": share(16, 896),
    }
    named |= contrastive_numbers(tools)
    named |= fusion_numbers()
    return {name: _or_dash(number) for name, number in named.items()}


def tower_tokens(tools: Tools) -> int:
    """How many patches the loaded tower makes of a picture."""
    rows, cols = tools.tower.config.grid
    return rows * cols


def _or_dash(number: Number) -> Number:
    """A dash where the loaded model has no such number."""

    def compute() -> str:
        try:
            return number()
        except Unavailable:
            return "—"

    return compute
