"""From logits to the next token.

    greedy        temperature 0: the most probable token
    temperature   softmax(logits / T): below 1 sharper, above 1 flatter
    top-p         keep the smallest set of tokens whose probability reaches p (Holtzman et al. 2020)

Tokens that must never be written (image placeholders, padding) are removed before anything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How to choose tokens.

    temperature: 0 = greedy.
    top_p: share of probability that is kept; 1 = everything.
    max_tokens: at most so many new tokens.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 96


def forbid(logits: Float[Tensor, "batch vocab"], forbidden: Sequence[int]) -> Float[Tensor, "batch vocab"]:
    """Logits with the forbidden ids at minus infinity."""
    if not forbidden:
        return logits
    return logits.index_fill(-1, torch.tensor(list(forbidden), device=logits.device), float("-inf"))


def choose(
    logits: Float[Tensor, "batch vocab"], config: SamplingConfig, generator: torch.Generator | None = None
) -> Int[Tensor, " batch"]:
    """One token a row."""
    if config.temperature == 0:
        return logits.argmax(dim=-1)
    probabilities = (logits / config.temperature).softmax(dim=-1)
    ordered, ids = probabilities.sort(dim=-1, descending=True)
    before = ordered.cumsum(dim=-1) - ordered  # probability of everything more likely
    ordered = ordered.masked_fill(before >= config.top_p, 0.0)
    picked = torch.multinomial(ordered, 1, generator=generator)
    return ids.gather(-1, picked)[:, 0]
