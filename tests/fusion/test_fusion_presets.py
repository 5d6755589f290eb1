"""The published sizes, built without memory: parameters in millions, and what a picture costs."""

import pytest
import torch
from torch import nn

from showtell.core.geometry import Frame
from showtell.fusion import idefics3, llava, llava_next, llava_onevision, paligemma, qwen2_vl
from showtell.fusion.anyres import AnyResVLM, plan_anyres, plan_single
from showtell.fusion.idefics3 import Idefics3
from showtell.fusion.prefix_vlm import PrefixVLM
from showtell.fusion.qwen2_vl import QwenVL
from showtell.images.native import BlockConfig, BlockProcessor
from showtell.images.steps import LongestEdge
from showtell.images.tiles import TileConfig, TileProcessor


def millions(module: nn.Module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


@pytest.mark.parametrize(
    ("kind", "config", "size"),
    [
        (Idefics3, idefics3.SMOLVLM_256M, 256.5),
        (Idefics3, idefics3.SMOLVLM_500M, 507.5),
        (PrefixVLM, llava.LLAVA_1_5_7B, 7063.4),
        (AnyResVLM, llava_next.LLAVA_1_6_MISTRAL_7B, 7566.7),
        (AnyResVLM, llava_onevision.ONEVISION_QWEN2_0_5B, 893.6),
        (PrefixVLM, paligemma.PALIGEMMA_3B_224, 2923.5),
        (QwenVL, qwen2_vl.QWEN2_VL_2B, 2209.0),
        (QwenVL, qwen2_vl.QWEN2_5_VL_3B, 3754.6),
    ],
)
def test_published_sizes(kind: type[nn.Module], config: object, size: float) -> None:
    with torch.device("meta"):
        model = kind(config)
    assert millions(model) == pytest.approx(size, abs=0.1)


def test_what_a_picture_of_1024_by_768_costs() -> None:
    frame = Frame(1024, 768)
    tiles = TileProcessor(TileConfig(steps=(LongestEdge(longest=2048),), tile=512)).plan(frame)
    smol = idefics3.layout(tiles, idefics3.tokens_per_tile(idefics3.SMOLVLM_256M))
    assert smol.tokens == (4 * 3 + 1) * 64
    next_plan = plan_anyres(frame, llava_next.LLAVA_1_6_MISTRAL_7B)
    assert next_plan.tiles == (2, 2) and next_plan.tokens == 576 + 36 * (48 + 1)
    one = llava_onevision.ONEVISION_QWEN2_0_5B
    plan = plan_anyres(frame, one)
    assert plan.tiles == (2, 3) and plan.tokens == 729 + 54 * (73 + 1)
    assert plan_single(one).tokens == 730
    extent = BlockProcessor(BlockConfig()).extent(frame)
    assert qwen2_vl.layout(extent, qwen2_vl.QWEN2_VL_2B.vision).tokens == (1036 // 28) * (756 // 28)
