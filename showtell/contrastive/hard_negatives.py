"""InfoNCE with captions that are wrong by one word: what teaches word order and attributes.

    own        "a red square left of a blue circle"
    hard       "a blue square left of a red circle"       K a picture, made by swapping, never right for any picture

    L = 1/2 sum_i [ log( sum_j exp s[i, j] + sum_jk exp h[i, jk] ) - s[i, i] ]      pictures choose among all captions
      + 1/2 sum_i [ log sum_j exp s[j, i] - s[i, i] ]                               own captions choose among pictures

A batch drawn at random hardly ever holds two captions that differ in order only, so nothing in it rewards reading the
order; bags of words suffice (Yuksekgonul et al. 2023, who train with such negatives and call it NegCLIP). Hard captions
have no picture, so they stand in one of the two directions. With none of them the loss is `info_nce`. Not here: more
than one process.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from showtell.contrastive.losses import info_nce


def info_nce_with_hard_captions(
    image: Float[Tensor, "pairs dim"],
    text: Float[Tensor, "pairs dim"],
    hard: Float[Tensor, "pairs hard dim"],
    scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Summed over pairs, as in `info_nce`; every picture meets everybody's hard captions."""
    plain = scale * image @ text.T  # (pictures, texts)
    harder = scale * image @ hard.flatten(0, 1).T  # (pictures, texts * hard)
    every = torch.cat([plain, harder], dim=1)
    return info_nce(image, text, scale) + (every.logsumexp(dim=1) - plain.logsumexp(dim=1)).sum() / 2


def swapped_words(caption: str, first: str, second: str) -> str | None:
    """The caption with two of its words exchanged; None when it does not hold both, or holds one twice."""
    words = caption.split()
    if words.count(first) != 1 or words.count(second) != 1 or first == second:
        return None
    exchange = {first: second, second: first}
    return " ".join(exchange.get(word, word) for word in words)
