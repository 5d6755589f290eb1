"""Retrieval: is the right one among the first K?

    scores[text, image]      image_of[text]: the image each text belongs to; an image may have several texts

    text -> image R@K   share of texts whose image is among the K best
    image -> text R@K   share of images with *any* of their texts among the K best (not the share of their texts)

`official_recall_at_k` is CLIP_benchmark's `zeroshot_retrieval.py`: the K best by `torch.topk`, which breaks ties by
position, so that constant features score as they happen to be stored. `recall_at_k` counts every tied rival as ranked
before the right one: a constant scores 0 until K holds everything. Features in half precision tie often; compare in
float32. Always state how many captions an image has (COCO files hold 5 to 7). Not here: R@K of one-to-one pairs as
training logs print it.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def official_recall_at_k(
    scores: Float[Tensor, "texts images"], image_of: Int[Tensor, " texts"], k: int
) -> tuple[float, float]:
    """(text -> image, image -> text), bug for bug. Raises ValueError for texts without an image, or the reverse."""
    pairs = _pairs(scores, image_of)
    found = []
    for rows, right in ((scores, pairs), (scores.T, pairs.T)):
        best = torch.topk(rows, min(k, rows.shape[1]), dim=1).indices
        found.append(right.gather(1, best).any(dim=1).double().mean().item())
    return found[0], found[1]


def recall_at_k(scores: Float[Tensor, "texts images"], image_of: Int[Tensor, " texts"], k: int) -> tuple[float, float]:
    """(text -> image, image -> text), ties against us. Raises ValueError for texts without an image, or the reverse."""
    pairs = _pairs(scores, image_of)
    found = []
    for rows, right in ((scores, pairs), (scores.T, pairs.T)):
        best = rows.masked_fill(~right, float("-inf")).amax(dim=1, keepdim=True)  # the best right one of each row
        rivals = ((rows >= best) & ~right).sum(dim=1)
        found.append((rivals < k).double().mean().item())
    return found[0], found[1]


def _pairs(scores: Tensor, image_of: Tensor) -> Tensor:
    texts, images = scores.shape
    if len(image_of) != texts or not texts or set(image_of.tolist()) != set(range(images)):
        raise ValueError(f"{texts} texts and {images} images: each text needs one image, each image a text")
    if not torch.isfinite(scores).all():
        raise ValueError("the scores hold NaN or infinity; nothing can be ranked by them")
    return torch.nn.functional.one_hot(image_of.long(), images).bool()
