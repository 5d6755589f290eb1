"""A run nobody here can make, on paper: 400 million pairs on 256 accelerators, with numbers computed by the library.

    python -m recipes.scale            the table of docs/scale.md;  --json: the same as one line

CLIP ViT-L/14 on LAION-400M's scale: 12.8 billion samples in batches of 32,768, images of 256 px as JPEG in tars of
10,000. What is measured here (the order, opening shards, packing ranks) is measured by calling the very code the run
would call; what is counted (operations, bytes) comes from the configuration; what is assumed stands in `Machine`.
Nothing is trained.
"""

import argparse
import json
import statistics
import sys
import time
import tracemalloc
from dataclasses import asdict, dataclass

import torch

from showtell.contrastive.dual_encoder import DualEncoder, DualEncoderConfig
from showtell.contrastive.text_tower import TextTowerConfig
from showtell.core.checkpoint import without_memory
from showtell.data.budget import Cost, cut
from showtell.data.loader import Pieces
from showtell.data.order import Windowed
from showtell.data.sample import sample_rng
from showtell.engine.estimate import ACCELERATORS, memory_of
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.vision.costs import block_cost, embedding_cost
from showtell.vision.vit import ViTConfig

HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What is assumed.

    accelerators: of one kind, eight a machine.
    utilisation: share of their peak that is reached; contrastive training of this size is reported at 0.3 to 0.4.
    network: bytes a second between one machine and the others: 400 Gbit/s.
    storage: bytes a second that the shared file system reads or writes for all machines together.
    decode: JPEGs of 256 px that one processor core decodes, crops and normalises in a second.
    cores: processor cores an accelerator has for its data.
    mean_hours: of one machine between failures; a fleet of 16,384 H100 was reported at one failure in 3 hours.
    restart: seconds from a failure to the first step of the resumed run, without reading the checkpoint.
    """

    accelerators: int = 256
    kind: str = "h100"
    utilisation: float = 0.35
    network: float = 50e9
    storage: float = 100e9
    decode: float = 400.0
    cores: int = 12
    mean_hours: float = 6000.0
    restart: float = 240.0


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """What is trained on what."""

    pairs: int = 400_000_000
    epochs: int = 32
    batch: int = 32_768
    shard: int = 10_000
    image_bytes: int = 25_000
    window: int = 16

    @property
    def samples(self) -> int:
        return self.pairs * self.epochs

    @property
    def steps(self) -> int:
        return self.samples // self.batch

    def model(self) -> DualEncoderConfig:
        vision = ViTConfig(image_size=(224, 224), patch_size=14, dim=1024, depth=24, heads=16, mlp_dim=4096)
        text = TextTowerConfig(vocab_size=49408, max_tokens=77, dim=768, depth=12, heads=12, mlp_dim=3072)
        return DualEncoderConfig(vision=vision, text=text, projection_dim=768)


def operations(config: DualEncoderConfig) -> float:
    """Of one pair, forward and backward (twice the forward pass)."""
    vision, text = config.vision, config.text
    tokens = vision.grid[0] * vision.grid[1]
    picture = vision.depth * block_cost(tokens, vision.dim, vision.mlp_dim).total
    picture += embedding_cost(tokens, 3 * vision.patch_size**2, vision.dim)
    words = text.depth * block_cost(text.max_tokens, text.dim, text.mlp_dim).total
    return 3.0 * (picture + words)


def order(run: Pretraining, machine: Machine) -> dict[str, float]:
    """Looking up samples at the start, in the middle and at the end of the run; the halves of two ranks do not meet."""
    shards = run.pairs // run.shard
    began = time.process_time()
    permuted = Windowed(seed=1, groups=(run.shard,) * shards, window=run.window)
    permuted(0)
    opening = time.process_time() - began
    lookups = []
    for position in (0, run.samples // 2, run.samples - 5000):
        permuted(position)  # the layout of that epoch
        began = time.process_time()
        for offset in range(2000):
            permuted(position + offset)
        lookups.append((time.process_time() - began) / 2000)
    last = run.steps - 1
    seen = [
        position
        for rank in range(machine.accelerators)
        for position in Pieces(
            batch_size=run.batch, micro_batches=1, rank=rank, world_size=machine.accelerators
        ).positions(last)
    ]
    assert seen == list(range(last * run.batch, (last + 1) * run.batch)), "the ranks share the batch"
    near = {permuted(position) // run.shard for position in range(run.batch)}
    return {
        "shards": shards,
        "first sample of an epoch, s": opening,
        "a lookup, microseconds": 1e6 * statistics.median(lookups),
        "shards open at a time": len(near),
        "a step's lookups on one rank, ms": 1e3 * statistics.median(lookups) * run.batch / machine.accelerators,
    }


def index(run: Pretraining) -> dict[str, float]:
    """Memory of one shard's index in a process, of those of two windows, and of all of them if all were held."""
    tracemalloc.start()
    held = [(f"{number:09d}", {"jpg": (number, 25000), "txt": (number, 70)}) for number in range(run.shard)]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    shards = run.pairs // run.shard
    assert len(held) == run.shard
    return {
        "one index in memory, MB": size / 1e6,
        "two windows of them, MB a process": 2 * run.window * size / 1e6,
        "all indexes, GB (not held)": shards * size / 1e9,
    }


def arithmetic(run: Pretraining, machine: Machine) -> dict[str, float]:
    """Hours, bytes over the network, bytes from storage."""
    config = run.model()
    with without_memory():
        model = DualEncoder(config)
    parameters = sum(p.numel() for p in model.parameters())
    memory = memory_of(model, make_optimizer(model, OptimizerConfig()), averaged=True)
    a_pair = operations(config)
    compute = a_pair * run.batch / (machine.accelerators * ACCELERATORS[machine.kind] * machine.utilisation)
    # Between machines everything travels once a machine: the gradients there and back (DDP), or the weights twice and
    # the gradients once (FSDP); then the features of both towers, for the logits.
    share = 1 - 8 / machine.accelerators
    features = 2 * run.batch * (config.projection_dim or 0) * 4 * share
    replicated = (2 * memory.weights * share + features) / machine.network
    cut_up = (3 * memory.weights * share + features) / machine.network
    a_rank = run.batch / machine.accelerators / compute
    return {
        "parameters, M": parameters / 1e6,
        "operations a pair, G": a_pair / 1e9,
        "seconds a step, computing": compute,
        "days, computing": run.steps * compute / HOUR / 24,
        "network, DDP, s a step if nothing overlaps": replicated,
        "network, FSDP, s a step if nothing overlaps": cut_up,
        "samples a second, all": run.batch / compute,
        "storage, GB/s": run.batch * run.image_bytes / compute / 1e9,
        "storage, share of what there is": run.batch * run.image_bytes / compute / machine.storage,
        "decoding, cores an accelerator": a_rank / machine.decode,
        "decoding, share of its cores": a_rank / machine.decode / machine.cores,
        "weights, moments, average, GB": (memory.weights + memory.moments + memory.average) / 1e9,
        "the same on one rank of FSDP, GB": (memory.weights + memory.moments + memory.average)
        / machine.accelerators
        / 1e9,
        "logits of a rank, MB": run.batch / machine.accelerators * run.batch * 4 / 1e6,
    }


def restarts(run: Pretraining, machine: Machine, figures: dict[str, float]) -> dict[str, float]:
    """What failures and checkpoints cost: the interval that costs least (Young 1974), with the step's own copy."""
    size = figures["weights, moments, average, GB"] * 1e9
    hours = machine.mean_hours / (machine.accelerators / 8)
    write = size / machine.storage + size / machine.accelerators / 1e9  # and its hash, at a gigabyte a second
    alone = size / 2e9 + size / 1e9  # rank 0 of DDP writes and hashes by itself
    pause = size / machine.accelerators / 20e9  # copying a rank's part to the computer's memory
    best = (2 * max(pause, 1.0) * hours * HOUR) ** 0.5
    days = figures["days, computing"]
    failures = 24 * days / hours
    lost = failures * (best / 2 + machine.restart + write)
    return {
        "hours between failures of the fleet": hours,
        "failures in the run": failures,
        "a checkpoint, GB": size / 1e9,
        "writing it in parts, s": write,
        "writing it from rank 0, s": alone,
        "pause of the steps for a part (in the background), s": pause,
        "the same for the whole state, s": size / 20e9,
        "best interval, minutes": best / 60,
        "hours lost to failures": lost / HOUR,
        "share lost": lost / (days * 24 * HOUR),
        "checkpoints of a run, GB on disk": 2 * size / 1e9,
    }


def balance(machine: Machine, rows: int = 32) -> dict[str, float]:
    """The same accelerators on instructions instead of pairs: how much longer the slowest rank of a step computes.

    Rows of 64 to 4,096 tokens, half of them with one to twelve tiles of 729 patches.
    """

    def cost(position: int) -> Cost:
        rng = sample_rng(5, position)
        tiles = int(rng.integers(1, 13)) if rng.random() < 0.5 else 0
        tokens = int(2 ** rng.uniform(6, 11)) + 196 * tiles
        language, tower = block_cost(tokens, 3584, 18944, gated=True).total * 28, block_cost(729, 1152, 4304).total * 27
        return Cost(tokens, float(language + tiles * tower))

    naive, planned = [], []
    for step in range(4):
        size = rows * machine.accelerators
        costs = [cost(step * size + i) for i in range(size)]
        mean = sum(c.work for c in costs) / machine.accelerators
        slices = [sum(c.work for c in costs[rows * r : rows * r + rows]) for r in range(machine.accelerators)]
        ranks = cut(costs, 16_384, machine.accelerators)
        naive.append(max(slices) / mean)
        planned.append(max(sum(costs[i].work for piece in rank for i in piece) for rank in ranks) / mean)
    return {"slowest rank, equal slices": statistics.fmean(naive), "slowest rank, by cost": statistics.fmean(planned)}


def simulate(run: Pretraining = Pretraining(), machine: Machine = Machine()) -> dict[str, dict[str, float]]:
    """Every figure, by what it is about."""
    counted = arithmetic(run, machine)
    return {
        "run": {
            "steps": float(run.steps),
            "samples, G": run.samples / 1e9,
            "pictures, TB": run.pairs * run.image_bytes / 1e12,
        },
        "order": order(run, machine),
        "index": index(run),
        "work": counted,
        "restart": restarts(run, machine, counted),
        "balance": balance(machine),
    }


def main(json: bool = False) -> None:
    """Print the figures.

    Args:
        json: one line of JSON instead of a list.
    """
    torch.set_num_threads(1)
    figures = simulate()
    if json:
        sys.stdout.write(dumps(figures, Machine()) + "\n")
        return
    for about, numbers in figures.items():
        sys.stdout.write(f"{about}\n")
        for name, value in numbers.items():
            sys.stdout.write(f"    {name:<48} {value:>14,.4g}\n")


def dumps(figures: dict[str, dict[str, float]], machine: Machine) -> str:
    return json.dumps({"assumed": asdict(machine), "figures": figures})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    main(**vars(parser.parse_args()))
