"""Early, late and cross-attended fusion: who sees what, when, and what a new part changes before it is trained."""

import pytest
import torch
from torch import Tensor

from showtell.core.masks import causal_mask, prefix_mask
from showtell.fusion.connectors import ConnectorConfig, make_connector
from showtell.fusion.early import EarlyVLM, EarlyVLMConfig
from showtell.fusion.gated_xattn import GatedCrossConfig
from showtell.fusion.late import LateVLM, LateVLMConfig
from showtell.fusion.pooled import PooledTokens
from showtell.fusion.xattn_vlm import CrossVLM, CrossVLMConfig
from showtell.text.decoder import DecoderConfig
from showtell.text.generate import generate
from showtell.text.sampling import SamplingConfig
from showtell.vision.vit import ViTConfig

DECODER = DecoderConfig(vocab_size=11, dim=16, depth=2, heads=4, mlp_dim=20)
VISION = ViTConfig(image_size=(12, 20), patch_size=4, dim=12, depth=1, heads=3, mlp_dim=8)
EARLY = EarlyVLMConfig(image_size=(12, 20), patch_size=4, decoder=DECODER, image_token_id=1)
LATE = LateVLMConfig(vision=VISION, decoder=DECODER, hidden=9)


def words(batch: int, count: int) -> Tensor:
    return torch.randint(2, 11, (batch, count), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_early_fusion_is_one_stream() -> None:
    """Patch and word change each other from the first block on; before it a patch is itself alone."""
    torch.manual_seed(0)
    model = EarlyVLM(EARLY).eval()
    pixels, other = torch.randn(1, 3, 12, 20), torch.randn(1, 3, 12, 20)
    other[..., 4:] = pixels[..., 4:]  # the first column of patches differs: 0, 5 and 10 of 15
    before, changed = model.image_tokens(pixels), model.image_tokens(other)
    moved = (before != changed).any(dim=-1)[0]
    assert before.shape == (1, 15, 16) and moved.nonzero()[:, 0].tolist() == [0, 5, 10]
    ids = torch.cat([torch.ones(1, 15, dtype=torch.long), words(1, 4)], dim=1)
    positions = torch.arange(19)[None]
    seen = [model(p, ids, positions, prefix_mask(15, 19)) for p in (pixels, other)]
    assert ((seen[0] - seen[1]).abs().amax(dim=-1) > 1e-6).all(), "every patch and every word knows of the change"
    causal = [model(p, ids, positions, causal_mask(19, 19)) for p in (pixels, other)]
    assert torch.equal(causal[0][:, 0] == causal[1][:, 0], torch.zeros(1, 16, dtype=torch.bool))
    same_picture = pixels.clone()
    same_picture[..., 16:] += 1  # the last column: 4, 9, 14; a causal mask keeps patches 0 to 3 as they were
    last = model(same_picture, ids, positions, causal_mask(19, 19))
    assert torch.equal(last[:, :4], causal[0][:, :4]) and not torch.equal(last[:, 4], causal[0][:, 4])


def test_early_fusion_has_no_tower() -> None:
    names = {name.partition(".")[0] for name, _ in EarlyVLM(EARLY).named_parameters()}
    assert names == {"decoder", "patches", "places", "norm"}
    assert EARLY.grid == (3, 5)


@torch.no_grad()
def test_late_fusion_starts_as_the_language_model_and_joins_after_it() -> None:
    torch.manual_seed(0)
    model = LateVLM(LATE).eval()
    ids, mask, positions = words(2, 5), causal_mask(5, 5), torch.arange(5)[None].expand(2, -1)
    embeddings = model.decoder.embed(ids)
    blind = model.decoder(embeddings, positions, mask)
    vectors = model.image_vector(torch.randn(2, 3, 12, 20))
    assert vectors.shape == (2, 12)
    assert torch.equal(model.seeing(vectors)(embeddings, positions, mask), blind), "to the bit"
    torch.nn.init.normal_(model.join.down.weight)
    first = model.seeing(vectors)(embeddings, positions, mask)
    swapped = model.seeing(vectors.flip(0))(embeddings, positions, mask)
    assert ((first - swapped).abs().amax(dim=-1) > 1e-4).all()
    alone = model.seeing(vectors[:1])(embeddings[:1], positions[:1], mask)
    assert (alone - first[:1]).abs().max() <= 1e-5, "a row does not see its neighbour's picture"


@torch.no_grad()
def test_late_fusion_writes_with_the_cache_what_it_writes_without() -> None:
    torch.manual_seed(1)
    model = LateVLM(LATE).eval()
    torch.nn.init.normal_(model.join.down.weight)
    seeing, ids = model.seeing(model.image_vector(torch.randn(1, 3, 12, 20))), words(1, 3)
    written = generate(
        seeing, seeing.embed(ids), torch.ones_like(ids).bool(), SamplingConfig(max_tokens=4, temperature=0), stop_id=0
    )[0].ids
    for token in written:
        count = ids.shape[1]
        hidden = seeing(seeing.embed(ids), torch.arange(count)[None], causal_mask(count, count))
        assert int(seeing.logits(hidden[:, -1]).argmax()) == token
        ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
    assert written


@torch.no_grad()
def test_a_flamingo_is_its_language_model_until_its_gates_open() -> None:
    """Identity at initialisation, to the bit, for the whole model and whatever it looks at."""
    torch.manual_seed(0)
    cross = GatedCrossConfig(dim=16, heads=4, mlp_dim=20, context_dim=12)
    model = CrossVLM(CrossVLMConfig(vision=VISION, resampler=None, cross=cross, every=1, decoder=DECODER)).eval()
    ids, mask, positions = words(2, 5), causal_mask(5, 5), torch.arange(5)[None].expand(2, -1)
    tokens = model.image_tokens(torch.randn(2, 3, 12, 20))[:, None]
    looking = model.looking(tokens, torch.ones(2, 5, 1, dtype=torch.bool))
    embeddings = model.decoder.embed(ids)
    blind = model.decoder(embeddings, positions, mask)
    assert torch.equal(looking(embeddings, positions, mask), blind)
    for name, gate in model.named_parameters():
        if name.endswith("gate1"):
            gate.fill_(0.1)
    assert not torch.equal(looking(embeddings, positions, mask), blind)


def test_pooling_averages_neighbours() -> None:
    grid = torch.arange(16.0).view(1, 16, 1)
    assert PooledTokens(2)(grid)[0, :, 0].tolist() == [2.5, 4.5, 10.5, 12.5]
    for tokens in (12, 9):
        with pytest.raises(ValueError, match=f"{tokens} tokens are no square"):
            PooledTokens(2)(torch.zeros(1, tokens, 3))
    bridge = make_connector(ConnectorConfig(kind="linear", pool=2, shuffle=2), 5, 7)
    assert bridge(torch.zeros(2, 64, 5)).shape == (2, 4, 7)


def test_each_fusion_learns_to_name_a_colour() -> None:
    """The smallest question about a picture: red (2) or blue (3)? Asked with token 4."""
    torch.manual_seed(0)
    early, late = EarlyVLM(EARLY), LateVLM(LATE)
    for model in (early, late):
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for step in range(50):
            generator = torch.Generator().manual_seed(step)
            blue = torch.randint(2, (16,), generator=generator)
            pixels = 0.3 * torch.randn(16, 3, 12, 20, generator=generator)
            pixels[:, 0] += (1 - blue)[:, None, None]
            pixels[:, 2] += blue[:, None, None]
            if isinstance(model, EarlyVLM):
                ids = torch.tensor([[1] * 15 + [4]]).expand(16, -1)
                hidden = model(pixels, ids, torch.arange(16)[None].expand(16, -1), prefix_mask(15, 16))
            else:
                asked = model.decoder.embed(torch.full((16, 1), 4))
                hidden = model.seeing(model.image_vector(pixels))(asked, torch.zeros(1, 1).long(), None)
            logits = model.decoder.logits(hidden[:, -1])
            loss = torch.nn.functional.cross_entropy(logits, blue + 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert (logits.argmax(dim=-1) == blue + 2).float().mean() > 0.9, type(model).__name__
