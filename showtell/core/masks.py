"""Who may look at whom. A mask is a boolean tensor, True where a query (row) may attend to a key (column).

        causal              prefix (2 image + 3 text)     branches: one image I, two questions A and B

      k0 k1 k2 k3             i  i  t  t  t                 I I A A B B
   q0  #  .  .  .          i  #  #  .  .  .              I  # . . . . .
   q1  #  #  .  .          i  #  #  .  .  .              I  # # . . . .
   q2  #  #  #  .          t  #  #  #  .  .              A  # # # . . .
   q3  #  #  #  #          t  #  #  #  #  .              A  # # # # . .
                           t  #  #  #  #  #              B  # # . . # .
                                                         B  # # . . # #

The branch mask lets several questions about one picture share its tokens in a single sequence, each seeing the
picture and itself only: what a question reads is exactly what it would read alone (`tests` perturb A and hold B's
logits still). Several pictures packed in one row are separated by their document number in the same way.
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

PADDING = -1


def causal_mask(queries: int, keys: int, device: torch.device | None = None) -> Bool[Tensor, "queries keys"]:
    """The last `queries` positions of a sequence of `keys`: each sees itself and everything before."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def prefix_mask(prefix: int, length: int) -> Bool[Tensor, "length length"]:
    """Causal, except that the first `prefix` positions all see each other (PaliGemma's prefix attention)."""
    mask = causal_mask(length, length)
    mask[:prefix, :prefix] = True
    return mask


def window_mask(
    queries: int, keys: int, window: int, device: torch.device | None = None
) -> Bool[Tensor, "queries keys"]:
    """The last `queries` of `keys` positions: each sees nothing that is `window` or more behind it (and all ahead)."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).triu(keys - queries - window + 1)


def branch_mask(
    documents: Int[Tensor, "batch length"], branches: Int[Tensor, "batch length"]
) -> Bool[Tensor, "batch 1 length length"]:
    """Causal within a document; a branch sees itself and the trunk (branch 0), never a sibling.

    Args:
        documents: number of the picture-with-questions each token belongs to; `PADDING` (-1) for padding.
        branches: 0 for the shared trunk (the picture), 1, 2, ... for the questions about it.

    A padding token sees only itself, so that no row of the softmax is empty.
    """
    length = documents.shape[1]
    same_document = documents[:, :, None] == documents[:, None, :]  # (batch, queries, keys)
    reachable = (branches[:, :, None] == branches[:, None, :]) | (branches[:, None, :] == 0)
    causal = causal_mask(length, length, documents.device)
    allowed = same_document & reachable & causal & (documents[:, :, None] != PADDING)
    allowed |= torch.eye(length, dtype=torch.bool, device=documents.device)
    return allowed[:, None]


def left_padded_mask(valid: Bool[Tensor, "batch keys"], queries: int) -> Bool[Tensor, "batch 1 queries keys"]:
    """Causal mask of the last `queries` positions over left-padded rows; padded positions see only themselves."""
    keys = valid.shape[1]
    allowed = causal_mask(queries, keys, valid.device) & valid[:, None, :]
    allowed |= torch.eye(keys, dtype=torch.bool, device=valid.device)[keys - queries :]
    return allowed[:, None]
