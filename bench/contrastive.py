"""What does a contrastive step cost: beside a peer, in pieces, over processes, and what does search cost at a million?

    python bench/contrastive.py [--json] [--steps 5] [--batch 4096] [--vectors 1000000]

step       samples a second of a training step (forward, backward, AdamW), ours beside `transformers`' CLIPModel with
           `return_loss`: the same weights, batch and threads, losses held equal before the clock starts. (OpenCLIP
           cannot be imported without torchvision, of which there is none for the CPU build of torch.)
memory     peak resident memory above the start of a step of `--batch` pairs, whole and encoded in pieces of 128
           (`contrastive/accumulate.py`); their gradients are compared too
ranks      FLOPs of the loss over two processes, both together, beside the same global batch on one; and the peak memory
           of one rank of 1, 2, 4, 8 that share a global batch, the others played by copies of its own block
search     milliseconds a query and megabytes of `--vectors` unit vectors of 384 numbers, all compared; and of the graph
           that large indexes are searched along (`contrastive/neighbours.py`), measured on `--graph` of them

Every measurement of memory is a process of its own. Steps of the two sides alternate; medians are reported.
"""

import multiprocessing
import statistics
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from _report import Ratio, make_parser, report
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from showtell.contrastive import clip
from showtell.contrastive.dual_encoder import DualEncoder, DualEncoderConfig
from showtell.contrastive.exchange import Ring
from showtell.contrastive.losses import info_nce
from showtell.contrastive.neighbours import Graph, nearest
from showtell.contrastive.reduction import reduce_scores
from showtell.contrastive.step import ContrastiveStep, PairBatch
from showtell.contrastive.text_tower import TextTowerConfig
from showtell.engine.meter import peak_memory, resident_memory
from showtell.vision.vit import ViTConfig

PIECE, DIM = 128, 256
TOWER = {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 768}


class Copies(Ring):
    """A ring whose other members hold what this process holds: the memory of a rank, without the ranks."""

    def pass_on(self, *blocks: Tensor) -> tuple[Tensor, ...]:
        return tuple(block.clone() for block in blocks)


def main() -> None:
    options_ = options().parse_args()
    torch.set_num_threads(options_.threads)
    ours, peer = steps_a_second(options_.steps)
    whole, pieces, difference = memory_in_pieces(options_.batch)
    one, two = loss_flops(512)
    curve = {size: peak(lambda size=size: rank_loss(8192, size)) for size in (1, 2, 4, 8)}
    ratios = [
        Ratio.rate("training step, pairs / s", ours, peer, 1.0),
        Ratio.limit(f"peak memory of {options_.batch:,} pairs in pieces of {PIECE} / whole", pieces / whole, 0.35),
        Ratio.limit("largest difference of their gradients / largest gradient", difference, 1e-5),
        Ratio.limit("FLOPs of the loss, two processes / one", two / one, 1.1),
        Ratio.limit("peak memory of a rank of 8 / of 1", curve[8] / curve[1], 0.5),
    ]
    small, large = search(8_000), search(options_.vectors)
    along, entered, bytes_each = walk(options_.graph)
    beside = [
        (f"whole: MB of {options_.batch:,} pairs", whole, None),
        (f"in pieces: MB of {options_.batch:,} pairs", pieces, None),
        *((f"loss of 8,192 pairs, a rank of {size}: MB", megabytes, None) for size, megabytes in curve.items()),
        ("a query among 8,000 pictures, ms", small[0], None),
        (f"a query among {options_.vectors:,} pictures, ms", large[0], None),
        (f"vectors of {options_.vectors:,} pictures, MB", large[1], None),
        (f"a query along a graph of {options_.graph:,}, ms", along, None),
        ("vectors entered into the graph a second", entered, None),
        (f"graph of {options_.vectors:,} pictures by that, MB", bytes_each * options_.vectors / 1e6, None),
    ]
    report("contrastive training and search", ratios, as_json=options_.json, beside=beside)


def options() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--steps", type=int, default=5, help="timed steps of each side")
    parser.add_argument("--batch", type=int, default=4096, help="pairs of the step whose memory is measured")
    parser.add_argument("--vectors", type=int, default=1_000_000, help="pictures of the simulated index")
    parser.add_argument("--graph", type=int, default=50_000, help="vectors in the graph that is measured")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the arithmetic")
    return parser


def steps_a_second(steps: int, pairs: int = 64) -> tuple[float, float]:
    """Pairs a second of ours and of the peer, in turns."""
    peer, ours = both_models()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(pairs, 3, 64, 64, generator=generator)
    ids = torch.randint(2, 1000, (pairs, 24), generator=generator)
    ids[:, -1] = 1001
    batch = PairBatch(pixels, ids, torch.ones_like(ids, dtype=torch.bool))
    step = ContrastiveStep()
    mine = torch.optim.AdamW(ours.parameters(), lr=1e-4, fused=True)
    theirs = torch.optim.AdamW(peer.parameters(), lr=1e-4, fused=True)

    def our_step() -> Tensor:
        loss = step(ours, batch)
        return loss.value / loss.weight

    def peer_step() -> Tensor:
        loss: Tensor = peer(
            input_ids=ids, pixel_values=pixels, attention_mask=batch.valid.long(), return_loss=True
        ).loss
        return loss

    torch.testing.assert_close(our_step(), peer_step(), rtol=1e-4, atol=1e-5)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(2 * (steps + 1)):
        first = turn % 2 == 0
        began = time.perf_counter()
        optimizer = mine if first else theirs
        (our_step() if first else peer_step()).backward()
        optimizer.step()
        optimizer.zero_grad()
        if turn > 1:
            seconds[first].append(time.perf_counter() - began)
    return pairs / statistics.median(seconds[True]), pairs / statistics.median(seconds[False])


def both_models() -> tuple[Any, DualEncoder]:
    """A random CLIPModel and ours with its weights."""
    from transformers import CLIPConfig, CLIPModel

    text = {**TOWER, "vocab_size": 1002, "max_position_embeddings": 24, "eos_token_id": 1001, "hidden_act": "gelu"}
    vision = {**TOWER, "image_size": 64, "patch_size": 8, "hidden_act": "gelu"}
    torch.manual_seed(0)
    peer = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=DIM)).train()
    with tempfile.TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        return peer, clip.load(folder).train()


def small_pair() -> tuple[DualEncoder, Callable[[int], PairBatch]]:
    """A pair whose activations, not its weights, are what fills memory."""
    vision = ViTConfig(image_size=(32, 32), patch_size=8, dim=64, depth=2, heads=1, mlp_dim=256)
    text = TextTowerConfig(vocab_size=100, max_tokens=12, dim=64, depth=2, heads=1, mlp_dim=256, pooling="last")
    torch.manual_seed(0)
    model = DualEncoder(DualEncoderConfig(vision=vision, text=text, projection_dim=64))

    def batch(pairs: int) -> PairBatch:
        generator = torch.Generator().manual_seed(1)
        ids = torch.randint(0, 100, (pairs, 12), generator=generator)
        pixels = torch.randn(pairs, 3, 32, 32, generator=generator)
        return PairBatch(pixels, ids, torch.ones_like(ids, dtype=torch.bool))

    return model, batch


def one_step(pairs: int, piece: int | None, block: int | None) -> Tensor:
    """All gradients of a step, in one row."""
    model, batch = small_pair()
    loss = ContrastiveStep(piece=piece, block=block)(model, batch(pairs))
    (loss.value / loss.weight).backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


def memory_in_pieces(pairs: int) -> tuple[float, float, float]:
    """(MB whole, MB in pieces, largest difference of gradients relative to the largest gradient)."""
    whole, pieces = (peak(lambda how=how: one_step(pairs, *how)) for how in ((None, None), (PIECE, PIECE)))
    few = pairs // 8  # equal for any number, so compared where it is quick
    plain, cut = one_step(few, None, None), one_step(few, PIECE, PIECE)
    return whole, pieces, float((plain - cut).abs().max() / plain.abs().max())


def peak(work: Callable[[], Any]) -> float:
    """Megabytes of resident memory that `work` adds at its height, in a process of its own."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def child() -> None:
        torch.set_num_threads(1)  # the parent's threads do not survive a fork
        before = resident_memory()
        work()
        send.send((peak_memory() - before) / 2**20)

    process = context.Process(target=child)
    process.start()
    megabytes = float(receive.recv())
    process.join()
    return megabytes


def unit(rows: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(rows, DIM, generator=torch.Generator().manual_seed(seed)), dim=-1)


def rank_loss(pairs: int, size: int) -> None:
    """Both directions of InfoNCE of one rank of `size`, forward and backward; a block is its rows by a visitor's."""
    rows = pairs // size
    image, text = unit(rows, 1).requires_grad_(), unit(rows, 2).requires_grad_()
    scale, bias, ring = torch.tensor(20.0), torch.tensor(0.0), Copies(0, size)
    both = [reduce_scores(a, b, scale, bias, "lse", len(a), ring) for a, b in ((image, text), (text, image))]
    sum(part.sum() for part in both).backward()  # type: ignore[union-attr]


def loss_flops(pairs: int) -> tuple[int, int]:
    """FLOPs of the loss and its gradient: (one process, two together), embeddings gathered."""

    def counted(rows: int, keys: int) -> int:
        image, text = unit(rows, 1).requires_grad_(), unit(rows, 2).requires_grad_()
        with FlopCounterMode(display=False) as counter:
            if rows == keys:
                info_nce(image, text, torch.tensor(20.0)).backward()
            else:  # what `gather` gives to a rank: its own queries, everybody's keys
                everyone = unit(keys, 3).requires_grad_(), unit(keys, 4).requires_grad_()
                scale, bias = torch.tensor(20.0), torch.tensor(0.0)
                parts = [reduce_scores(*both, scale, bias, "lse") for both in zip((image, text), everyone, strict=True)]
                sum(part.sum() for part in parts).backward()  # type: ignore[union-attr]
        return int(counter.get_total_flops())

    return counted(pairs, pairs), 2 * counted(pairs // 2, pairs)


def search(vectors: int, dim: int = 384, queries: int = 5) -> tuple[float, float]:
    """(median milliseconds of a query for the best 12, megabytes), all vectors compared."""
    index = torch.empty(vectors, dim).normal_(generator=torch.Generator().manual_seed(0)).mul_(dim**-0.5)
    seconds = []
    for i in range(queries + 1):
        began = time.perf_counter()
        (index @ index[i]).topk(12)
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds[1:]), index.numel() * 4 / 1e6


def walk(vectors: int, dim: int = 384) -> tuple[float, float, float]:
    """(median milliseconds of a query, vectors entered a second, bytes a vector) of a graph."""
    index = F.normalize(torch.randn(vectors, dim, generator=torch.Generator().manual_seed(0)), dim=1)
    graph = Graph(dim)
    began = time.perf_counter()
    graph.grow(index)
    entered = vectors / (time.perf_counter() - began)
    seconds = []
    for i in range(21):
        began = time.perf_counter()
        nearest(index, index[i], 12, graph)
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds[1:]), entered, graph.index.memory_usage / vectors


if __name__ == "__main__":
    main()
