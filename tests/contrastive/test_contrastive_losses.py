"""Any form of a contrastive loss (pieces x blocks x processes) has the value and every gradient of the plain one."""

import inspect
import math
import multiprocessing
import os
import socket
from functools import partial
from itertools import product
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from showtell.contrastive.accumulate import encode_in_pieces
from showtell.contrastive.exchange import Ring
from showtell.contrastive.losses import info_nce, sigmoid_loss
from showtell.core.checkpoint import load_tensors, save_tensors

PAIRS, DIM = 12, 5


class Towers(nn.Module):
    """Two small towers with dropout, a temperature and a bias."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image = nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Dropout(dropout), nn.Linear(9, DIM))
        self.text = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Dropout(dropout), nn.Linear(9, DIM))
        self.logit_scale = nn.Parameter(torch.tensor(1.3))
        self.logit_bias = nn.Parameter(torch.tensor(-0.7))
        self.double()

    def embed(self, tower: str, rows: Tensor) -> Tensor:
        return F.normalize(getattr(self, tower)(rows), dim=-1)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(PAIRS, 7, generator=generator).double(), torch.randn(PAIRS, 6, generator=generator).double()


def plain(towers: Towers, kind: str, smoothing: float) -> Tensor:
    """The loss written out on the whole matrix, with PyTorch's own cross-entropies."""
    image, text = (towers.embed(name, rows) for name, rows in zip(("image", "text"), batch(), strict=True))
    if kind == "nce":
        scores, right = towers.logit_scale.exp() * image @ text.T, torch.arange(PAIRS)
        both = [F.cross_entropy(s, right, reduction="sum", label_smoothing=smoothing) for s in (scores, scores.T)]
        return sum(both, torch.zeros(())) / 2
    scores = towers.logit_scale.exp() * image @ text.T + towers.logit_bias
    return F.binary_cross_entropy_with_logits(scores, torch.eye(PAIRS).double(), reduction="sum")


def ours(
    towers: Towers, kind: str, smoothing: float, pieces: int, block: int | None, ring: Ring, spread: str
) -> Tensor:
    local = slice(ring.rank * PAIRS // ring.size, (ring.rank + 1) * PAIRS // ring.size)
    image, text = (
        encode_in_pieces(partial(towers.embed, name), rows[local].chunk(pieces))
        for name, rows in zip(("image", "text"), batch(), strict=True)
    )
    scale = towers.logit_scale.exp()
    if kind == "nce":
        return info_nce(image, text, scale, smoothing=smoothing, block=block, ring=ring, spread=spread)  # type: ignore[arg-type]
    return sigmoid_loss(image, text, scale, towers.logit_bias, block=block, ring=ring, spread=spread)  # type: ignore[arg-type]


def gradients(towers: Towers) -> dict[str, Tensor]:
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in towers.named_parameters()}


FORMS = [*product(("nce", "sigmoid"), (0.0, 0.1), (1, 2, 4), (None, 1, 5), ("gather", "ring"))]


def expected(kind: str, smoothing: float) -> dict[str, Tensor]:
    towers = Towers()
    loss = plain(towers, kind, smoothing)
    loss.backward()
    return {"loss": loss.detach(), **gradients(towers)}


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(FORMS))
def test_one_process_any_form(form: tuple[str, float, int, int | None, str]) -> None:
    kind, smoothing, pieces, block, spread = form
    towers = Towers()
    loss = ours(towers, kind, smoothing, pieces, block, Ring(), spread)
    loss.backward()
    wanted = expected(kind, smoothing)
    for name, value in {"loss": loss.detach(), **gradients(towers)}.items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-10, atol=1e-10)


def work_as(rank: int, size: int, port: int, folder: Path) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=size)
    for i, (kind, smoothing, pieces, block, spread) in enumerate(FORMS):
        towers = Towers()
        loss = ours(towers, kind, smoothing, pieces, block, Ring(rank, size), spread)
        loss.backward()
        found = {"loss": loss.detach().clone(), **gradients(towers)}
        for value in found.values():
            torch.distributed.all_reduce(value)  # as the engine does
        if rank == 0:
            save_tensors(found, folder / f"{i}.safetensors")
    if size > 1:
        with pytest.raises(ValueError, match="as many pairs as the others"):
            image = torch.randn(2 + rank, DIM)
            info_nce(image, image, torch.ones(()), ring=Ring(rank, size))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("size", [2, 3])
def test_many_processes_any_form(tmp_path: Path, size: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    ranks = [context.Process(target=work_as, args=(rank, size, port, tmp_path)) for rank in range(size)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(timeout=120)
    assert [rank.exitcode for rank in ranks] == [0] * size
    for i, (kind, smoothing, *_) in enumerate(FORMS):
        found, wanted = load_tensors(tmp_path / f"{i}.safetensors"), expected(kind, smoothing)
        for name, value in wanted.items():
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("pieces", [2, 3])
def test_pieces_replay_their_random_numbers(pieces: int) -> None:
    """With dropout a second pass that drew other numbers would give another gradient."""
    results = []
    for encode in (encode_in_pieces, lambda f, parts: torch.cat([f(part) for part in parts])):
        towers = Towers(dropout=0.4)
        torch.manual_seed(5)
        image, text = (
            encode(partial(towers.embed, name), rows.chunk(pieces))
            for name, rows in zip(("image", "text"), batch(), strict=True)
        )
        info_nce(image, text, towers.logit_scale.exp()).backward()
        results.append(gradients(towers))
    for name, value in results[0].items():
        torch.testing.assert_close(value, results[1][name], rtol=1e-12, atol=1e-12)


def test_blocks_keep_memory_flat() -> None:
    """The largest tensor that the backward pass keeps is an embedding matrix, not the scores."""
    kept: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    image, text = (F.normalize(torch.randn(400, 8), dim=-1).requires_grad_() for _ in range(2))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        info_nce(image, text, torch.ones((), requires_grad=True), block=16).backward()
    assert max(kept) <= 400 * 8


def test_the_loss_of_an_untrained_model_is_log_n() -> None:
    """Random directions in many dimensions are all alike to each other: a guess among N."""
    image, text = (F.normalize(torch.randn(256, 4096), dim=-1) for _ in range(2))
    assert abs(info_nce(image, text, torch.ones(())) / 256 - math.log(256)) < 0.01


@pytest.mark.parametrize("loss", ["nce", "sigmoid"])
def test_it_learns(loss: str) -> None:
    torch.manual_seed(0)
    towers = Towers().float()
    images, texts = (rows.float() for rows in batch())
    optimizer = torch.optim.AdamW(towers.parameters(), lr=2e-2)
    for _ in range(200):
        image, text = towers.embed("image", images), towers.embed("text", texts)
        scale = towers.logit_scale.exp()
        value = info_nce(image, text, scale) if loss == "nce" else sigmoid_loss(image, text, scale, towers.logit_bias)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert ((image @ text.T).argmax(dim=1) == torch.arange(PAIRS)).float().mean() > 0.9


def test_what_is_no_batch_is_refused() -> None:
    one = F.normalize(torch.randn(1, 4), dim=-1)
    with pytest.raises(ValueError, match="two pairs at least"):
        info_nce(one, one, torch.ones(()))
    unchecked = inspect.unwrap(sigmoid_loss)  # as users run it: the suite's own shape check would speak first
    with pytest.raises(ValueError, match="are no pairs"):
        unchecked(torch.randn(2, 4), torch.randn(3, 4), torch.ones(()), torch.zeros(()))
