"""One number a query from its scores against *all* keys, without ever holding all the scores.

    z[i, j] = scale * query_i . key_j + bias            (queries, keys)
    lse      out_i = log sum_j exp(z[i, j])              what InfoNCE needs of the negatives
    softplus out_i = sum_j log(1 + exp(z[i, j]))         what the sigmoid loss needs of them

The score matrix of a batch of 32,768 pairs is 4 GB; the loss needs two numbers a row of it. Here the matrix is visited
in blocks and each block is forgotten. The backward pass makes every block again, because both reductions have a
derivative that one block can tell alone:

    d out_i / d z[i, j]  =  exp(z[i, j] - out_i)  (lse)      or      sigmoid(z[i, j])  (softplus)   =: w[i, j]
    d query_i = scale * sum_j w[i, j] key_j        d key_j = scale * sum_i w[i, j] query_i

With a ring of processes the keys travel: every process keeps its queries, works on the keys it holds, hands them on.
In the backward pass their gradients travel with them and arrive home complete, so that no process ever holds the keys
of all (SigLIP: Zhai et al. 2023; blockwise attention uses the same trick: Liu et al. 2023, Ring Attention).
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from showtell.contrastive.exchange import ALONE, Ring

Kind = Literal["lse", "softplus"]


def reduce_scores(
    queries: Float[Tensor, "queries dim"],
    keys: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    kind: Kind,
    block: int | None = None,
    ring: Ring = ALONE,
) -> Float[Tensor, " queries"]:
    """The reduction of every query over all keys, those of the other processes of the ring included.

    Args:
        block: queries whose scores exist at one time; None = all of them at once.
    """
    if block is None and ring.size == 1:
        scores = scale * queries @ keys.T + bias
        return scores.logsumexp(dim=1) if kind == "lse" else F.softplus(scores).sum(dim=1)
    reduced: Tensor = _Blockwise.apply(queries, keys, scale, bias, kind, block or len(queries), ring)
    return reduced


class _Blockwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, keys: Tensor, scale: Tensor, bias: Tensor, kind: Kind, block: int, ring: Ring
    ) -> Tensor:
        start = -torch.inf if kind == "lse" else 0.0
        out = queries.new_full((len(queries),), start)
        held = keys
        for turn in range(ring.size):
            for first in range(0, len(queries), block):
                rows = slice(first, first + block)
                scores = scale * queries[rows] @ held.T + bias
                if kind == "lse":
                    out[rows] = torch.logaddexp(out[rows], scores.logsumexp(dim=1))
                else:
                    out[rows] += F.softplus(scores).sum(dim=1)
            if turn + 1 < ring.size:
                (held,) = ring.pass_on(held)
        ctx.save_for_backward(queries, keys, scale, bias, out)
        ctx.how = kind, block, ring
        return out

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, scale, bias, out = ctx.saved_tensors
        kind, block, ring = ctx.how
        (grad_out,) = upstream
        grad_queries, grad_scale, grad_bias = torch.zeros_like(queries), torch.zeros_like(scale), torch.zeros_like(bias)
        held, grad_held = keys, torch.zeros_like(keys)
        for _ in range(ring.size):
            for first in range(0, len(queries), block):
                rows = slice(first, first + block)
                products = queries[rows] @ held.T
                scores = scale * products + bias
                weights = (scores - out[rows, None]).exp() if kind == "lse" else scores.sigmoid()
                weights = weights * grad_out[rows, None]
                grad_queries[rows] += scale * weights @ held
                grad_held += scale * weights.T @ queries[rows]
                grad_scale += (weights * products).sum()
                grad_bias += weights.sum()
            held, grad_held = ring.pass_on(held, grad_held)  # after the last turn both are home again
        return grad_queries, grad_held, grad_scale, grad_bias, None, None, None
