"""Costs equal what torch counts; attention maps are read as their definitions say."""

import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from showtell.core.attention import AttentionConfig
from showtell.core.block import Block, BlockConfig
from showtell.core.trace import trace
from showtell.vision.attention_maps import attention_distance, attention_entropy, patch_distances
from showtell.vision.attribution import attention_received, gradient_times_input, moved, occluded, occlusion
from showtell.vision.costs import block_cost, embedding_cost
from showtell.vision.patch_embed import PatchEmbed
from showtell.vision.vit import VisionTransformer, ViTConfig


@pytest.mark.parametrize("gated", [False, True])
def test_a_block_costs_what_torch_counts(gated: bool) -> None:
    block = Block(BlockConfig(attention=AttentionConfig(dim=24, heads=3), mlp_dim=40, gated=gated))
    # watched, so that attention takes its explicit form: the counter does not know the fused kernel of a processor
    with torch.no_grad(), trace(block, "attn.weights"), FlopCounterMode(display=False) as counter:
        block(torch.zeros(1, 10, 24))
    assert counter.get_total_flops() == block_cost(10, 24, 40, gated).total


def test_a_patch_embedding_costs_what_torch_counts() -> None:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        PatchEmbed(4, 10)(torch.zeros(1, 3, 8, 12))
    assert counter.get_total_flops() == embedding_cost(6, 48, 10)


def test_half_the_patch_is_sixteen_times_the_attention() -> None:
    fine, coarse = block_cost(4 * 49, 64, 256), block_cost(49, 64, 256)
    assert fine.attention == 16 * coarse.attention and fine.mlp == 4 * coarse.mlp
    even = block_cost(6 * 64, 64, 256)
    assert even.attention == even.projections + even.mlp


def test_distances_are_between_places() -> None:
    distances = patch_distances(2, 3)
    assert distances[0, 5] == pytest.approx(math.sqrt(5)) and distances[1, 4] == 1 and distances.diagonal().sum() == 0


def test_how_far_and_how_sharply_a_head_looks() -> None:
    itself, everywhere = torch.eye(6), torch.full((6, 6), 1 / 6)
    heads = torch.stack([itself, everywhere])
    assert attention_distance(heads, (2, 3)).tolist() == pytest.approx([0, float(patch_distances(2, 3).mean())])
    assert attention_entropy(heads).tolist() == pytest.approx([0, math.log2(6)], abs=1e-6)


def test_attribution_on_a_tower_that_looks_at_one_patch_more() -> None:
    """Patch 4 of 6 holds the only light: removing it is what moves the output, and every map says so or cannot know."""
    torch.manual_seed(0)
    tower = VisionTransformer(ViTConfig(image_size=(8, 12), patch_size=4, dim=24, depth=2, heads=2, mlp_dim=24))
    pixels = torch.zeros(3, 8, 12)
    pixels[:, 4:8, 4:8] = 3.0
    assert torch.equal(occluded(pixels, [4], 4), torch.zeros(3, 8, 12)) and pixels.max() == 3
    effect = occlusion(tower, pixels)
    assert effect.argmax() == 4 and float(effect[[0, 1, 2, 3, 5]].abs().max()) < 1e-6
    assert torch.allclose(moved(tower, pixels, [[4], [], [0, 4]])[[0, 2]], effect[4], atol=1e-6)
    gradient = gradient_times_input(tower, pixels)
    assert gradient.shape == (6,) and gradient.argmax() == 4 and float(gradient[0]) == 0
    assert float(attention_received(tower, pixels).sum()) == pytest.approx(1, abs=1e-5)
