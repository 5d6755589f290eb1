"""The few collective operations a training run needs, the same code for one process and for many.

    torchrun --nproc-per-node 2 ...      ->  World(rank=0, size=2), World(rank=1, size=2)

Gradients are summed explicitly after the backward pass, every trainable parameter on every rank, in one flat buffer a
dtype. A rank whose batch had no picture contributes zeros instead of skipping a collective, so mixed batches cannot
hang a run. A rank that dies is noticed by the others at their next collective: they stop, and the run is resumed from
its last checkpoint, with as many processes as there are then. Who died, and where, is `engine/flight.py`; parameters
cut over the ranks (FSDP2) are `engine/sharding.py`.
"""

import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from showtell.engine.step import TrainingError

NETWORK = re.compile(r"gloo|nccl|connection (closed|reset)|socket", re.IGNORECASE)


class RankLost(TrainingError):
    """A collective failed because another rank is no longer there."""


def local(tensor: Any) -> Tensor:
    """The part of a tensor that this rank has: all of it, unless it is cut (`engine/sharding.py`)."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def is_cut(tensor: Tensor) -> bool:
    return hasattr(tensor, "to_local")


@dataclass(frozen=True)
class World:
    """This process among its peers.

    rank: number of this process, from 0.
    size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def sum(self, values: Sequence[float], device: torch.device) -> list[float]:
        """Element-wise float64 sum over the processes."""
        if self.size == 1:
            return [float(value) for value in values]
        # One small collective a step. Gloo and NCCL both want the tensor where the model is.
        total = torch.tensor(values, dtype=torch.float64, device=device)
        with self.together():
            dist.all_reduce(total)
        return total.tolist()

    def barrier(self) -> None:
        if self.size > 1:
            with self.together():
                dist.barrier()

    def broadcast_parameters(self, model: nn.Module) -> None:
        """Every rank gets rank 0's parameters and buffers; what is cut was given out when it was cut."""
        if self.size > 1:
            with self.together():
                for tensor in model.state_dict().values():
                    if not is_cut(tensor):
                        dist.broadcast(tensor, src=0)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace each gradient by its sum over the processes; missing ones count as zero; cut ones are sums."""
        if self.size == 1:
            return
        parameters = [parameter for parameter in parameters if not is_cut(parameter)]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        with self.together():
            for dtype in sorted({g.dtype for g in gradients}, key=str):
                _sum_flat([g for g in gradients if g.dtype == dtype])

    def norm(self, tensors: Sequence[Tensor], device: torch.device) -> float:
        """Euclidean norm over all elements, those of cut tensors on other ranks included."""
        norm = float(torch.nn.utils.get_total_norm([t for t in tensors if not is_cut(t)]))
        cut = [local(tensor) for tensor in tensors if is_cut(tensor)]
        if cut:
            (squared,) = self.sum([float(torch.nn.utils.get_total_norm(cut)) ** 2], device)
            norm = math.hypot(norm, math.sqrt(squared))
        return norm

    @contextmanager
    def together(self) -> Iterator[None]:
        """What fails inside because another process has left becomes one sentence."""
        try:
            yield
        except RuntimeError as error:
            raise RankLost(
                f"rank {self.rank} of {self.size}: another rank has died or left ({str(error).splitlines()[0][:120]}); "
                "see its own log for why, and run the same command to resume from the last checkpoint"
            ) from error

    @contextmanager
    def in_step(self) -> Iterator[None]:
        """The same around a step, whose own errors are left alone: only what the network says counts."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not (isinstance(error, dist.DistError) or NETWORK.search(str(error))):
                raise
            with self.together():
                raise


ALONE = World()


def _sum_flat(gradients: list[Tensor]) -> None:
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    for gradient, total in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(total.view_as(gradient))


def join_world() -> World:
    """The world torchrun describes in the environment; joins its process group if nobody has yet."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return World(dist.get_rank(), dist.get_world_size())
