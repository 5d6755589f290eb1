"""Encoding a large batch in pieces: the memory of a piece, the gradient of the whole.

Accumulating the losses of small batches is *not* the loss of the large batch: every pair must meet all others. So the
embeddings of all pieces are made first and nothing else is kept; the loss is computed on the whole batch; then each
piece is encoded a second time to carry its share of the gradient into the tower (Gao et al. 2021, "GradCache").

    pieces --tower, nothing kept--> embeddings of all --> loss --> gradient of each embedding
    each piece --tower again, same dropout--> backward from its gradients

The second pass draws the same random numbers as the first, and the temperature, which is outside of the tower, gets its
gradient once. PyTorch's non-reentrant checkpointing does exactly this, a piece being the checkpointed function; the
price is one more forward pass.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Piece = TypeVar("Piece")


def encode_in_pieces(encode: Callable[[Piece], Tensor], pieces: Sequence[Piece]) -> Tensor:
    """(all, dim): the embeddings of all pieces, with a graph that remembers only the pieces themselves."""
    if len(pieces) == 1:
        return encode(pieces[0])
    return torch.cat([checkpoint(encode, piece, use_reentrant=False, preserve_rng_state=True) for piece in pieces])
