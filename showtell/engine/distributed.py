"""The few collective operations a training run needs, the same code for one process and for many.

    torchrun --nproc-per-node 2 ...      ->  World(rank=0, size=2), World(rank=1, size=2)

Gradients are summed explicitly after the backward pass, every trainable parameter on every rank, in one flat buffer a
dtype. A rank whose batch had no picture contributes zeros instead of skipping a collective, so mixed batches cannot
hang a run. A rank that dies is noticed by the others at their next collective: they stop, and the run is resumed from
its last checkpoint, with as many processes as there are then. Sharded parameters (FSDP2) are not here.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from showtell.engine.step import TrainingError


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
        """Every rank gets rank 0's parameters and buffers."""
        if self.size > 1:
            with self.together():
                for tensor in model.state_dict().values():
                    dist.broadcast(tensor, src=0)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace each gradient by its sum over the processes; a missing one counts as zero."""
        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        with self.together():
            for dtype in sorted({g.dtype for g in gradients}, key=str):
                _sum_flat([g for g in gradients if g.dtype == dtype])

    @contextmanager
    def together(self) -> Iterator[None]:
        """What fails inside because another process has left becomes one sentence."""
        try:
            yield
        except RuntimeError as error:
            raise TrainingError(
                f"rank {self.rank} of {self.size}: another rank has died or left ({str(error).splitlines()[0][:120]}); "
                "see its own log for why, and run the same command to resume from the last checkpoint"
            ) from error


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
