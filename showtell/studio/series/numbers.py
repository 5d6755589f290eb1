"""The numbers in the prose, computed by the library while a chapter is built, on the model that is loaded."""

from collections.abc import Callable

from showtell.studio.series.tools import Tools, Unavailable
from showtell.vision.costs import block_cost, embedding_cost

Number = Callable[[], str]


def numbers(tools: Tools) -> dict[str, Number]:
    """Name -> how to compute it."""
    vit_b = {"dim": 768, "mlp_dim": 3072}

    def pocket(attribute: str) -> Number:
        return lambda: str(getattr(tools.tower.config, attribute))

    def billions(patch: int, side: int = 224) -> Number:
        tokens = (side // patch) ** 2 + 1
        embed = embedding_cost(tokens - 1, 3 * patch**2, 768)
        return lambda: f"{(12 * block_cost(tokens, **vit_b).total + embed) / 1e9:.1f}"

    def share(patch: int, side: int = 224) -> Number:
        cost = block_cost((side // patch) ** 2 + 1, **vit_b)
        return lambda: f"{100 * cost.attention / cost.total:.0f}"

    named: dict[str, Number] = {
        "model": lambda: tools.model_name,
        "tower.grid": lambda: " × ".join(map(str, tools.tower.config.grid)),
        "tower.tokens": lambda: str(tools.tower.config.grid[0] * tools.tower.config.grid[1]),
        "tower.side": lambda: str(tools.tower.config.image_size[0]),
        "tower.patch": pocket("patch_size"),
        "tower.dim": pocket("dim"),
        "tower.depth": pocket("depth"),
        "tower.heads": pocket("heads"),
        "tower.parameters": lambda: f"{sum(p.numel() for p in tools.tower.parameters()) / 1e6:.1f}",
        "vitb.gflop.16": billions(16),
        "vitb.gflop.32": billions(32),
        "vitb.gflop.8": billions(8),
        "vitb.gflop.16.448": billions(16, 448),
        "vitb.share.16": share(16),
        "vitb.share.8": share(8),
        "vitb.share.16.896": share(16, 896),
    }
    return {name: _or_dash(number) for name, number in named.items()}


def _or_dash(number: Number) -> Number:
    """A dash where the loaded model has no such number."""

    def compute() -> str:
        try:
            return number()
        except Unavailable:
            return "—"

    return compute
