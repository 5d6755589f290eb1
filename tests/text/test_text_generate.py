"""Cache equals full forward; a row of a padded batch is what it would be alone; placeholders are never written."""

import torch

from showtell.core.masks import causal_mask
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.generate import generate
from showtell.text.sampling import SamplingConfig, choose, forbid

CONFIG = DecoderConfig(vocab_size=23, dim=24, depth=3, heads=6, kv_heads=2, mlp_dim=28, rope_base=100.0)


def decoder(seed: int = 0) -> Decoder:
    model = Decoder(CONFIG).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model


def greedy_without_cache(model: Decoder, ids: list[int], steps: int, stop: int) -> list[int]:
    written: list[int] = []
    for _ in range(steps):
        x = torch.tensor([ids + written])
        hidden = model(model.embed(x), torch.arange(x.shape[1])[None], causal_mask(x.shape[1], x.shape[1]))
        token = int(model.logits(hidden[:, -1]).argmax())
        if token == stop:
            break
        written.append(token)
    return written


@torch.no_grad()
def test_cache_and_left_padding_change_nothing() -> None:
    model = decoder()
    prompts = [[3, 4, 5, 6, 7], [9], [1, 2, 3]]
    expected = [greedy_without_cache(model, ids, 12, stop=0) for ids in prompts]
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    valid = torch.tensor([[False] * (longest - len(p)) + [True] * len(p) for p in prompts])
    rows = generate(model, model.embed(ids), valid, SamplingConfig(max_tokens=12), stop_id=0)
    assert [row.ids for row in rows] == expected
    assert any(len(e) > 3 for e in expected)
    for p, row in zip(prompts, rows, strict=True):
        alone = generate(
            model, model.embed(torch.tensor([p])), torch.ones(1, len(p), dtype=torch.bool),
            SamplingConfig(max_tokens=12), stop_id=0,
        )[0]  # fmt: skip
        assert alone.ids == row.ids and torch.allclose(
            torch.tensor(alone.probabilities), torch.tensor(row.probabilities), atol=1e-5
        )


@torch.no_grad()
def test_a_prefix_cache_is_shared_and_never_disturbed() -> None:
    model = decoder(1)
    prefix, question = [3, 4, 5, 6], [7, 8]
    cache = model.new_cache()
    model(model.embed(torch.tensor([prefix])), torch.arange(4)[None], causal_mask(4, 4), cache)
    valid = torch.ones(2, 6, dtype=torch.bool)
    two = torch.tensor([question, question[::-1]])
    twice = [
        generate(
            model,
            model.embed(two),
            valid,
            SamplingConfig(max_tokens=6),
            stop_id=0,
            cache=cache.rows(torch.zeros(2).long()),
        )
        for _ in range(2)
    ]
    assert twice[0] == twice[1] and cache.length == 4
    expected = [greedy_without_cache(model, prefix + q, 6, 0) for q in (question, question[::-1])]
    assert [row.ids for row in twice[0]] == expected


@torch.no_grad()
def test_a_fork_copies_when_it_appends_and_the_first_owner_does_not() -> None:
    model = decoder(2)
    cache = model.new_cache()
    step = lambda cache, id, at: model(model.embed(torch.tensor([[id]])), torch.tensor([[at]]), None, cache)  # noqa: E731
    for at, id in enumerate((3, 4, 5)):
        step(cache, id, at)
    fork = cache.fork()
    alone = step(cache.fork(), 7, 3)
    held = fork.layers[0].keys.clone()  # type: ignore[union-attr]
    address = cache.layers[0].keys.data_ptr()  # type: ignore[union-attr]
    step(cache, 9, 3)  # writes into the room behind what the fork sees
    assert cache.layers[0].keys.data_ptr() == address  # type: ignore[union-attr]
    assert torch.equal(fork.layers[0].keys, held)  # type: ignore[arg-type]
    assert torch.equal(step(fork, 7, 3), alone) and fork.length == cache.length == 4


@torch.no_grad()
def test_any_of_several_tokens_ends_an_answer() -> None:
    model = decoder()
    ids = torch.tensor([[3, 4, 5], [9, 2, 1]])
    valid = torch.ones_like(ids, dtype=torch.bool)
    free = generate(model, model.embed(ids), valid, SamplingConfig(max_tokens=12), stop_id=[])
    stops = {row.ids[4] for row in free}
    assert len(stops) == 2 and not any(row.stopped for row in free)
    stopped = generate(model, model.embed(ids), valid, SamplingConfig(max_tokens=12), stop_id=stops)
    for whole, row in zip(free, stopped, strict=True):
        end = min(i for i, id in enumerate(whole.ids) if id in stops)
        assert row.stopped and row.ids == whole.ids[:end]
        assert abs(row.stop_probability - whole.probabilities[end]) < 1e-6


def test_forbidden_tokens_cannot_be_drawn_and_top_p_keeps_the_likely() -> None:
    logits = torch.tensor([[5.0, 4.0, 1.0, 0.0]])
    assert choose(forbid(logits, [0]), SamplingConfig()).item() == 1
    generator = torch.Generator().manual_seed(0)
    config = SamplingConfig(temperature=1.0, top_p=0.9)
    drawn = {int(choose(logits, config, generator)) for _ in range(200)}
    assert drawn == {0, 1}
    assert choose(logits, SamplingConfig(temperature=1.0, top_p=1e-6), generator).item() == 0
