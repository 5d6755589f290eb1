"""Fused and explicit attention agree; what a mask forbids is not read; grouped heads equal repeated ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.attention import Attention, AttentionConfig
from showtell.core.masks import branch_mask, causal_mask, left_padded_mask, prefix_mask
from showtell.core.rope import rope, rotate
from showtell.core.trace import Tap, tap_names, trace


def redraw(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Default initialisation hides bugs: every parameter from N(0, 0.2)."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return module


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([(6, 6, 18), (6, 2, 30), (4, 1, 20)]), st.integers(1, 9), st.integers(0, 99), st.booleans())
def test_fused_equals_explicit(shape: tuple[int, int, int], tokens: int, seed: int, rotary: bool) -> None:
    heads, kv_heads, dim = shape
    attention = redraw(Attention(AttentionConfig(dim=dim, heads=heads, kv_heads=kv_heads, head_dim=4)), seed)
    x = torch.randn(2, tokens, dim, generator=torch.Generator().manual_seed(seed))
    rotation = rope(torch.arange(tokens)[None], 4, 100.0) if rotary else None
    for mask in (None, causal_mask(tokens, tokens)):
        fused = attention(x, mask, rotation)
        with trace(attention, "weights") as seen:
            explicit = attention(x, mask, rotation)
        assert (fused - explicit).abs().max() <= 1e-5
        assert torch.allclose(seen["weights"].sum(-1), torch.ones(2, heads, tokens), atol=1e-5)
        if mask is not None:
            assert seen["weights"].masked_select(~mask).abs().max().item() == 0 if tokens > 1 else True


def test_rotation_depends_on_differences_only() -> None:
    queries, keys = torch.randn(2, 1, 1, 5, 8, generator=torch.Generator().manual_seed(0))
    here, there = rope(torch.arange(5)[None], 8, 50.0), rope(torch.arange(5)[None] + 37, 8, 50.0)
    scores = [rotate(queries, r) @ rotate(keys, r).transpose(-1, -2) for r in (here, there)]
    assert torch.allclose(*scores, atol=1e-4)
    assert not torch.allclose(scores[0], queries @ keys.transpose(-1, -2), atol=1e-2)


def test_masks_are_the_drawn_ones() -> None:
    assert causal_mask(2, 4).int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert prefix_mask(2, 3).int().tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    documents, branches = torch.tensor([[0, 0, 0, 0, 0, -1]]), torch.tensor([[0, 0, 1, 1, 2, 0]])
    assert branch_mask(documents, branches)[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]
    valid = torch.tensor([[False, True, True]])
    assert left_padded_mask(valid, 2)[0, 0].int().tolist() == [[0, 1, 0], [0, 1, 1]]


def test_trace_edits_restores_and_refuses_unknown_names() -> None:
    attention = Attention(AttentionConfig(dim=8, heads=2))
    x = torch.randn(1, 3, 8)
    plain = attention(x)
    assert tap_names(attention) == ["weights"]
    with trace(attention, "weights", edit=lambda name, w: torch.zeros_like(w)):
        silenced = attention(x)
    assert torch.allclose(silenced, attention.o.bias.expand_as(silenced))
    assert not attention.weights.active and torch.equal(attention(x), plain)
    with pytest.raises(ValueError, match="no tap matches"), trace(attention, "wieghts"):
        pass
    assert torch.equal(Tap()(x), x)


def test_heads_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(ValueError, match="evenly"):
        Attention(AttentionConfig(dim=12, heads=3, kv_heads=2))
