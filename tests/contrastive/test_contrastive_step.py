"""A contrastive step trains a dual encoder, gives the same gradients however the batch is cut, and runs in the loop."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from showtell.contrastive.dual_encoder import DualEncoder, DualEncoderConfig
from showtell.contrastive.step import ContrastiveStep, PairBatch, ring_of_this_process
from showtell.contrastive.text_tower import TextTowerConfig
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.schedule import Cosine
from showtell.vision.vit import ViTConfig

PAIRS = 10


def make_model(biased: bool) -> DualEncoder:
    torch.manual_seed(0)
    vision = ViTConfig(image_size=(12, 8), patch_size=4, dim=16, depth=1, heads=2, mlp_dim=24)
    text = TextTowerConfig(vocab_size=30, max_tokens=6, dim=16, depth=1, heads=2, mlp_dim=24, pooling="last")
    return DualEncoder(DualEncoderConfig(vision=vision, text=text, projection_dim=12, biased=biased))


def make_batch() -> PairBatch:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(PAIRS, 3, 12, 8, generator=generator)
    ids = torch.randint(0, 30, (PAIRS, 6), generator=generator)
    return PairBatch(pixels, ids, torch.ones(PAIRS, 6, dtype=torch.bool))


@pytest.mark.parametrize("biased", [False, True])
def test_cutting_the_batch_changes_no_gradient(biased: bool) -> None:
    found: list[dict[str, Tensor]] = []
    for step in (ContrastiveStep(), ContrastiveStep(piece=3, block=4), ContrastiveStep(piece=1, spread="gather")):
        model = make_model(biased).double()
        batch = make_batch()
        loss = step(model, PairBatch(batch.pixels.double(), batch.ids, batch.valid))
        assert loss.weight == PAIRS
        (loss.value / loss.weight).backward()
        found.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert "similarity.scale" in found[0] and ("similarity.bias" in found[0]) == biased
    for other in found[1:]:
        assert set(other) == set(found[0])
        for name, gradient in found[0].items():
            torch.testing.assert_close(other[name], gradient, rtol=1e-5, atol=1e-6)


class OneBatch:
    """The same batch for ever."""

    batch_size, micro_batches = PAIRS, 1

    @contextmanager
    def start(self, step: int, rank: int, world_size: int) -> "Iterator[OneBatch]":
        yield self

    def __next__(self) -> PairBatch:
        return make_batch()

    def take_wait(self) -> float:
        return 0.0

    def pieces(self, step: int) -> int:
        return 1

    def positions(self) -> Sequence[int]:
        return range(PAIRS)


@pytest.mark.parametrize("biased", [False, True])
def test_it_learns_its_pairs_in_the_loop(biased: bool, tmp_path: Path) -> None:
    model = make_model(biased)
    assert ring_of_this_process().size == 1
    train(
        LoopConfig(max_steps=80, log_every=80),
        model=model,
        step=ContrastiveStep(piece=4),
        batches=OneBatch(),
        optimizer=make_optimizer(model, OptimizerConfig(lr=5e-3)),
        schedule=Cosine(steps=80, warmup=5, floor=0.1),
        folder=tmp_path,
    )
    batch = make_batch()
    with torch.no_grad():
        logits = model(batch.pixels, batch.ids, batch.valid).logits
    assert logits.argmax(dim=1).tolist() == list(range(PAIRS)) == logits.argmax(dim=0).tolist()
