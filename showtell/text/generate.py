"""Autoregressive generation: read the prompt once, then one token at a time with the key/value cache.

Rows of a batch may have prompts of different lengths: they are padded on the *left*, so that every row's next token is
in the same column; `valid` says which columns are real and positions count real tokens only. Each row's result is what
it would be alone (a test holds them equal).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from showtell.core.masks import left_padded_mask
from showtell.text.kv_cache import KVCache
from showtell.text.sampling import SamplingConfig, choose, forbid


@dataclass(frozen=True)
class Generated:
    """One row's continuation: token ids without the stop token, each with the probability it had when it was chosen.

    stopped: a stop token was reached (False: cut off at `max_tokens`).
    stop_probability: probability of the stop token where one was chosen, 1 if none ever was.
    """

    ids: list[int]
    probabilities: list[float]
    stopped: bool
    stop_probability: float


class Speaker(Protocol):
    """What generation asks of a language model: a `Decoder`, or one that looks aside at pictures while it reads."""

    def __call__(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        cache: KVCache | None = None,
        unwindowed: Tensor | None = None,
    ) -> Tensor: ...

    def embed(self, ids: Tensor) -> Tensor: ...

    def logits(self, hidden: Tensor) -> Tensor: ...

    def new_cache(self) -> KVCache: ...


@torch.no_grad()
def generate(
    decoder: Speaker,
    prompt: Float[Tensor, "batch tokens dim"],
    valid: Bool[Tensor, "batch total"],
    config: SamplingConfig,
    *,
    stop_id: int | Collection[int],
    forbidden: Sequence[int] = (),
    cache: KVCache | None = None,
    positions: Int[Tensor, "*axes batch tokens"] | None = None,
    mask: Bool[Tensor, "batch 1 tokens total"] | None = None,
    unwindowed: Bool[Tensor, "batch 1 tokens total"] | None = None,
    generator: torch.Generator | None = None,
    on_token: Callable[[list[int]], None] | None = None,
) -> list[Generated]:
    """Continue each row until a stop token.

    Args:
        prompt: embeddings still to be read.
        valid: which columns are real, over what the cache holds *and* the prompt.
        stop_id: what ends an answer; published models may have several such tokens.
        cache: tokens read before (an image prefix); it is forked, never changed.
        positions: of the prompt, where they are not simply counted; new tokens count on from the latest.
        mask: whom the prompt's tokens see, where that is not simply all before them; new tokens see everything.
        unwindowed: see `Decoder`; for the prompt only.
        on_token: called with the new ids of each step, one a row; finished rows repeat a stop token.
    """
    cache = cache.fork() if cache else decoder.new_cache()
    stops = (stop_id,) if isinstance(stop_id, int) else (*stop_id,)
    batch, padded = len(prompt), not bool(valid.all())
    if positions is None:
        counts = valid.long().cumsum(dim=1)
        positions = (counts - 1).clamp_min(0)[:, -prompt.shape[1] :]
    if mask is None:
        mask = left_padded_mask(valid, prompt.shape[1])
    hidden = decoder(prompt, positions, mask, cache, unwindowed)
    newest = latest(positions)
    done = torch.zeros(batch, dtype=torch.bool, device=prompt.device)
    rows: list[tuple[list[int], list[float]]] = [([], []) for _ in range(batch)]
    stop_probability = [1.0] * batch
    for step in range(config.max_tokens):
        logits = forbid(decoder.logits(hidden[:, -1]).float(), forbidden)
        chosen = choose(logits, config, generator).masked_fill(done, stops[0] if stops else 0)
        probability = logits.softmax(dim=-1).gather(-1, chosen[:, None])[:, 0]
        for row, (token, p) in enumerate(zip(chosen.tolist(), probability.tolist(), strict=True)):
            if done[row]:
                continue
            if token in stops:
                stop_probability[row] = p
            else:
                rows[row][0].append(token)
                rows[row][1].append(p)
        done |= torch.isin(chosen, chosen.new_tensor(stops))
        if on_token:
            on_token(chosen.tolist())
        if bool(done.all()) or step + 1 == config.max_tokens:
            break
        valid = torch.cat([valid, valid.new_ones(batch, 1)], dim=1)
        seen = left_padded_mask(valid, 1) if padded else None  # None: the newest token sees all
        hidden = decoder(decoder.embed(chosen[:, None]), newest + 1 + step, seen, cache)
    return [Generated(ids, ps, bool(done[i]), stop_probability[i]) for i, (ids, ps) in enumerate(rows)]


def latest(positions: Int[Tensor, "*axes batch tokens"]) -> Int[Tensor, "*axes batch 1"]:
    """The largest position of each row, over all axes if there are several."""
    largest = positions.amax(dim=-1, keepdim=True)
    return largest if largest.dim() == 2 else largest.amax(dim=0, keepdim=True).expand_as(largest)
