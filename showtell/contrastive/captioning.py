"""Matching and telling at once: the loss of CoCa (Yu et al. 2022).

    L = a * InfoNCE(image_i, text_i)  +  b * ( - sum over words of log p(word | words before it, picture) ) per caption

The first half asks which caption it is, which a bag of words can answer; the second asks for every word in its place.
Both are sums over pairs here, so that they can be added to those of other processes and divided once. A caption's words
are averaged first, or long captions would outweigh the matching half (CoCa's own weights: a = 1, b = 2 with that mean
taken over all words of the batch; `per_word` gives it). Not here: the decoder that gives the logits.
"""

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from showtell.contrastive.losses import info_nce


def caption_loss(
    logits: Float[Tensor, "pairs tokens vocab"],
    ids: Int[Tensor, "pairs tokens"],
    valid: Bool[Tensor, "pairs tokens"],
    per_word: bool = False,
) -> Float[Tensor, ""]:
    """Cross-entropy of each valid token but the first, from the logits at the position before it; summed over pairs.

    Args:
        per_word: the mean over all words of the batch, times the pairs, instead of the mean of each caption.
    """
    counted = valid[:, 1:] & valid[:, :-1]
    word = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none") * counted
    if per_word:
        return word.sum() / counted.sum().clamp_min(1) * len(ids)
    return (word.sum(dim=1) / counted.sum(dim=1).clamp_min(1)).sum()


def contrast_and_caption(
    image: Float[Tensor, "pairs dim"],
    text: Float[Tensor, "pairs dim"],
    scale: Float[Tensor, ""],
    logits: Float[Tensor, "pairs tokens vocab"],
    ids: Int[Tensor, "pairs tokens"],
    valid: Bool[Tensor, "pairs tokens"],
    weights: tuple[float, float] = (1.0, 2.0),
) -> Float[Tensor, ""]:
    """The sum of both halves over pairs."""
    match, tell = weights
    return match * info_nce(image, text, scale) + tell * caption_loss(logits, ids, valid)
