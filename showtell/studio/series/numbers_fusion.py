"""Numbers in the prose of chapter 4: what pictures cost in published models, and the sizes of the chapter's own."""

from collections.abc import Callable
from functools import partial

import torch

from showtell.core.geometry import Frame
from showtell.fusion import idefics3, llava, llava_next, llava_onevision, paligemma, qwen2_vl
from showtell.fusion.anyres import plan_anyres
from showtell.fusion.connectors import make_connector
from showtell.images.native import BlockConfig, BlockProcessor
from showtell.images.steps import LongestEdge
from showtell.images.tiles import TileConfig, TileProcessor
from showtell.studio import board_models
from showtell.text.decoder import DecoderConfig
from showtell.worlds import board

PHOTOGRAPH, PAGE = Frame(640, 480), Frame(1240, 1754)  # a page of A4 at 150 dots an inch
SMOL_TILES = TileProcessor(TileConfig(steps=(LongestEdge(longest=2048),), tile=512))
Number = Callable[[], str]


def fusion_numbers() -> dict[str, Number]:
    """Name -> how to compute it."""
    named: dict[str, Number] = {}
    for family, (cost, decoder) in BILLS.items():
        named |= {
            f"bill.{family}.photo": partial(tokens_of, cost, PHOTOGRAPH),
            f"bill.{family}.page": partial(tokens_of, cost, PAGE),
            f"bill.{family}.cache": partial(cache_of, cost, decoder),
        }
    return named | {
        "llava.connector.parameters": lambda: f"{llava_connector() / 1e6:.0f}",
        "board.words": lambda: str(len(board.WORDS)),
        "board.tower.thousands": lambda: thousands(board_models.tower()),
        "board.decoder.thousands": lambda: thousands(board_models.decoder()),
        "latent.numbers": lambda: str(board_models.DECODER.dim),
    }


def tokens_of(cost: Callable[[Frame], int], frame: Frame) -> str:
    return f"{cost(frame):,}"


def cache_of(cost: Callable[[Frame], int], decoder: DecoderConfig) -> str:
    """Megabytes of keys and values of the page."""
    return f"{cost(PAGE) * token_bytes(decoder) / 1e6:,.0f}"


def token_bytes(decoder: DecoderConfig) -> int:
    """Keys and values of one token in all layers, two bytes a number."""
    head = decoder.head_dim or decoder.dim // decoder.heads
    return 2 * decoder.depth * (decoder.kv_heads or decoder.heads) * head * 2


def square(config: llava.PrefixVLMConfig) -> Callable[[Frame], int]:
    """Tokens of one view of fixed size, whatever the picture."""
    return lambda frame: config.vision.grid[0] * config.vision.grid[1]


def smolvlm(frame: Frame) -> int:
    return idefics3.layout(SMOL_TILES.plan(frame), idefics3.tokens_per_tile(idefics3.SMOLVLM_256M)).tokens


def qwen(frame: Frame) -> int:
    return qwen2_vl.layout(BlockProcessor(BlockConfig()).extent(frame), qwen2_vl.QWEN2_VL_2B.vision).tokens


def llava_connector() -> int:
    """Parameters of LLaVA-1.5's two layers, built without memory."""
    config = llava.LLAVA_1_5_7B
    with torch.device("meta"):
        connector = make_connector(config.connector, config.vision.dim, config.decoder.dim)
    return sum(parameter.numel() for parameter in connector.parameters())


def thousands(module: torch.nn.Module) -> str:
    return f"{sum(parameter.numel() for parameter in module.parameters()) / 1e3:.0f}"


BILLS: dict[str, tuple[Callable[[Frame], int], DecoderConfig]] = {
    "llava": (square(llava.LLAVA_1_5_7B), llava.LLAVA_1_5_7B.decoder),
    "paligemma": (square(paligemma.PALIGEMMA_3B_224), paligemma.PALIGEMMA_3B_224.decoder),
    "next": (
        lambda frame: plan_anyres(frame, llava_next.LLAVA_1_6_MISTRAL_7B).tokens,
        llava_next.LLAVA_1_6_MISTRAL_7B.decoder,
    ),
    "onevision": (
        lambda frame: plan_anyres(frame, llava_onevision.ONEVISION_QWEN2_0_5B).tokens,
        llava_onevision.ONEVISION_QWEN2_0_5B.decoder,
    ),
    "smolvlm": (smolvlm, idefics3.SMOLVLM_256M.decoder),
    "qwen": (qwen, qwen2_vl.QWEN2_VL_2B.decoder),
}
