"""A decoder ready to write: the same numbers by columns, what 16 and 8 bits may cost at most, one tied matrix."""

import torch
from torch import nn

from showtell.core.int8 import MOST_ROWS_PACKED, ByteProductLinear, Int8Linear, to_int8
from showtell.core.masks import causal_mask
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.generate import generate
from showtell.text.sampling import SamplingConfig
from showtell.text.writing import WIDE, by_columns, to_half_decoder, to_int8_decoder

SIZES = dict(vocab_size=43, dim=48, depth=2, heads=6, kv_heads=2, mlp_dim=56, rope_base=100.0)


def redrawn(**changes: object) -> Decoder:
    model = Decoder(DecoderConfig(**SIZES | changes)).eval()  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def test_no_weight_is_off_by_more_than_half_a_step() -> None:
    weight = torch.randn(7, 33, generator=torch.Generator().manual_seed(0))
    weight[3] = 0.0
    rounded, scale = to_int8(weight)
    assert (rounded.float() * scale[:, None] - weight).abs().le(scale[:, None] / 2 + 1e-7).all()
    assert rounded.abs().amax(dim=1).tolist() == [127, 127, 127, 0, 127, 127, 127]


def test_few_rows_and_many_give_the_same_numbers() -> None:
    """Few rows are multiplied as they are stored, with activations of 8 bits of mantissa; many are unpacked."""
    for width in (48, 56, 64, 99):
        check_rows(width)


def check_rows(width: int) -> None:
    generator = torch.Generator().manual_seed(1)
    layer = Int8Linear(torch.randn(31, width, generator=generator), torch.randn(31, generator=generator))
    x = torch.randn(2, MOST_ROWS_PACKED, width, generator=generator)
    many = layer(x)
    few = torch.stack([layer(row) for row in x])
    assert many.shape == few.shape == (2, MOST_ROWS_PACKED, 31)
    assert (many - few).abs().max() <= 0.01 * many.abs().max()
    unpacked = nn.functional.linear(x, layer.weight.float() * layer.scale[:, None], layer.bias)
    assert (many - unpacked).abs().max() <= 1e-5 * unpacked.abs().max()
    assert layer(x[0, 0]).shape == (31,)


def test_byte_products_are_near_and_many_rows_are_exact() -> None:
    generator = torch.Generator().manual_seed(1)
    weight, bias = torch.randn(31, 48, generator=generator), torch.randn(31, generator=generator)
    bytes, floats = ByteProductLinear(weight, bias), Int8Linear(weight, bias)
    x = torch.randn(2, MOST_ROWS_PACKED, 48, generator=generator)
    assert torch.equal(bytes(x), floats(x))
    near, exact = bytes(x[0]), floats(x)[0]
    assert near.shape == exact.shape and (near - exact).norm() <= 0.02 * exact.norm()


@torch.no_grad()
def test_by_columns_changes_no_number_and_no_name() -> None:
    exact, model = redrawn(vocab_size=90), by_columns(redrawn(vocab_size=90))
    assert WIDE * 48 < 90 and model.embedding.weight.stride() == (1, 90)
    assert WIDE * 48 > 56 and model.blocks[0].mlp.up.weight.stride() == (48, 1)
    for (name, a), (other, b) in zip(exact.state_dict().items(), model.state_dict().items(), strict=True):
        assert name == other and torch.equal(a, b)
    ids = torch.arange(11)[None]
    expected, got = (m.logits(m(m.embed(ids), ids, causal_mask(11, 11))) for m in (exact, model))
    assert (got - expected).abs().max() <= 1e-5


@torch.no_grad()
def test_half_weights_lose_next_to_nothing() -> None:
    for changes in ({}, {"tied": False, "attention_bias": True}):
        exact, model = redrawn(**changes), to_half_decoder(redrawn(**changes))
        assert not [child for child in model.modules() if isinstance(child, nn.Linear)]
        ids = torch.arange(11)[None]
        expected, got = (m.logits(m(m.embed(ids), ids, causal_mask(11, 11))) for m in (exact, model))
        assert (got - expected).norm() <= 1e-3 * expected.norm()
        valid = torch.ones(1, 11, dtype=torch.bool)
        (row,) = generate(model, model.embed(ids), valid, SamplingConfig(max_tokens=9), stop_id=43)
        (same,) = generate(exact, exact.embed(ids), valid, SamplingConfig(max_tokens=9), stop_id=43)
        assert row.ids == same.ids


@torch.no_grad()
def test_a_decoder_keeps_its_mind_and_one_tied_matrix() -> None:
    for changes in ({}, {"tied": False, "attention_bias": True}):
        exact, model = redrawn(**changes), to_int8_decoder(redrawn(**changes))
        assert not [child for child in model.modules() if isinstance(child, nn.Linear)]
        assert model.head is not None
        tied = model.head.weight.data_ptr() == model.embedding.weight.data_ptr()
        assert tied == ("tied" not in changes)
        ids = torch.arange(11)[None]
        expected, got = (m.logits(m(m.embed(ids), ids, causal_mask(11, 11))) for m in (exact, model))
        assert (got - expected).norm() <= 0.03 * expected.norm()
        valid = torch.ones(1, 11, dtype=torch.bool)
        (row,) = generate(model, model.embed(ids), valid, SamplingConfig(max_tokens=9), stop_id=43)
        assert len(row.ids) == 9
