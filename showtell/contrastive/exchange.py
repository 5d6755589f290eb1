"""How processes of a contrastive batch see each other's embeddings.

gather   everybody gets everybody's embeddings at once: simple, and memory grows with the number of processes
ring     everybody hands its block to the next one, `size` times: only two blocks are ever held

    rank 0: A -> C -> B        rank 1: B -> A -> C        rank 2: C -> B -> A

Gradients go back the same way. Each process computes the loss of its own rows; the engine then *sums* parameter
gradients over the processes (`engine/distributed.py`), so nothing here divides by their number.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Ring:
    """This process in a ring of processes that hold blocks of equal shape.

    rank: number of this process, from 0.
    size: number of processes; 1 = nobody to pass to.
    """

    rank: int = 0
    size: int = 1

    def pass_on(self, *blocks: Tensor) -> tuple[Tensor, ...]:
        """Hand blocks to the next process and get those of the one before."""
        if self.size == 1:
            return blocks
        after, before = (self.rank + 1) % self.size, (self.rank - 1) % self.size
        received = tuple(torch.empty_like(block) for block in blocks)
        sends = [dist.P2POp(dist.isend, block.contiguous(), after) for block in blocks]
        receives = [dist.P2POp(dist.irecv, block, before) for block in received]
        for request in dist.batch_isend_irecv(sends + receives):
            request.wait()
        return received


ALONE = Ring()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor, rank: int, size: int) -> Tensor:
        ctx.rows = slice(rank * len(local), (rank + 1) * len(local))
        parts = [torch.empty_like(local) for _ in range(size)]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        total = upstream[0].contiguous()
        dist.all_reduce(total)  # every process's loss looked at every row
        return total[ctx.rows], None, None


def gather(local: Float[Tensor, "local dim"], ring: Ring) -> Float[Tensor, "all dim"]:
    """The embeddings of all processes, rank by rank; the gradient of a row is the sum of what all of them say."""
    if ring.size == 1:
        return local
    gathered: Tensor = _Gather.apply(local, ring.rank, ring.size)
    return gathered


def check_equal_blocks(local: Tensor, ring: Ring) -> None:
    """Raises ValueError, on every process, when they hold different numbers of pairs."""
    if ring.size == 1:
        return
    counts = torch.zeros(ring.size, dtype=torch.long, device=local.device)
    counts[ring.rank] = len(local)
    dist.all_reduce(counts)
    if len(set(counts.tolist())) > 1:
        raise ValueError(f"every process must hold as many pairs as the others, not {counts.tolist()}")
