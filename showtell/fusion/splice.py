"""Putting pictures where their placeholders are.

    ids          <image> <image> <image> <image>  what   is  this
    embeddings     p0      p1      p2      p3     e(what) ...          p = connected image tokens, in order

One masked copy; no list surgery, no change of length. The numbers must agree, and because both sides were counted by
the same image plan they do; if a caller broke the plan, this raises and says by how much.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def splice(
    embeddings: Float[Tensor, "batch tokens dim"],
    ids: Int[Tensor, "batch tokens"],
    image_tokens: Float[Tensor, "images per_image dim"],
    image_id: int,
) -> Float[Tensor, "batch tokens dim"]:
    """Embeddings with every `image_id` position filled, rows first, in the order of the pictures."""
    places = ids == image_id
    wanted, given = int(places.sum()), image_tokens.shape[0] * image_tokens.shape[1]
    if wanted != given:
        raise ValueError(
            f"{wanted} image placeholders in the batch but {given} image tokens; use one image plan for both"
        )
    flat = image_tokens.reshape(-1, image_tokens.shape[-1]).to(embeddings.dtype)
    return torch.masked_scatter(embeddings, places[..., None], flat)
