"""One conversation with pictures, continued by a published model.

    ids of the prompt (placeholders and all), its pictures  ->  see, splice, read, write  ->  ids of the reply

The prompt is rendered beforehand (`text/chat.py`, with the ids of `ImageLayout.ids`); the placeholder of a picture can
be read but never written. What was read of a prompt before (an earlier turn of the same conversation) is not read
again where a cache holds it.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from showtell.core.masks import left_padded_mask
from showtell.fusion.reader import Reader
from showtell.fusion.sight import Sight
from showtell.images.decode import Picture
from showtell.text.decoder import Decoder
from showtell.text.generate import Generated, generate
from showtell.text.kv_cache import KVCache
from showtell.text.sampling import SamplingConfig


@dataclass(frozen=True)
class Prompt:
    """A conversation as the decoder reads it.

    words: (1, tokens, dim), pictures in their places.
    forbidden: ids that can be read but never written.
    """

    words: Tensor
    positions: Tensor
    mask: Tensor
    unwindowed: Tensor | None = None
    forbidden: tuple[int, ...] = ()

    def after(self, count: int) -> "Prompt":
        """What is left to read when `count` tokens have been read."""
        rest = None if self.unwindowed is None else self.unwindowed[:, :, count:]
        return replace(
            self,
            words=self.words[:, count:],
            positions=self.positions[..., count:],
            mask=self.mask[:, :, count:],
            unwindowed=rest,
        )

    def counts_on(self) -> bool:
        """Whether no token sees those after it, so that what follows cannot change what was read."""
        return not bool(self.mask.triu(1 + self.mask.shape[-1] - self.mask.shape[-2]).any())


def prompt_of(
    model: Reader, sight: Sight, ids: Sequence[int], pictures: Sequence[Picture], seen: Tensor | None = None
) -> Prompt:
    """Rendered ids and their pictures, spliced; `seen` are their image tokens where they were computed before.

    Raises ValueError when placeholders and image tokens do not agree.
    """
    row = torch.tensor([list(ids)], device=next(model.parameters()).device)
    valid = torch.ones_like(row, dtype=torch.bool)
    if pictures and seen is None:
        seen = sight.see(pictures)
    words = model.decoder.embed(row) if seen is None else model.embed(seen, row)
    reading = sight.reading(row, valid, [picture.frame for picture in pictures])
    placeholder = model.image_token_id
    forbidden = (placeholder,) if placeholder < model.decoder.config.vocab_size else ()
    return Prompt(words, reading.positions, reading.mask, reading.unwindowed, forbidden)


def prompt_of_words(decoder: Decoder, ids: Sequence[int]) -> Prompt:
    """The same for a decoder alone."""
    row = torch.tensor([list(ids)], device=next(decoder.parameters()).device)
    return Prompt(decoder.embed(row), torch.arange(len(ids))[None], left_padded_mask(row >= 0, len(ids)))


@torch.no_grad()
def continued(
    decoder: Decoder,
    prompt: Prompt,
    config: SamplingConfig,
    *,
    stop_id: int | Collection[int],
    cache: KVCache | None = None,
    generator: torch.Generator | None = None,
    on_token: Callable[[list[int]], None] | None = None,
) -> Generated:
    """What `decoder` writes after the prompt.

    Args:
        cache: what was read of this prompt before; it grows by the rest of the prompt, but for the last token.
        on_token: called with each new id, in a list.
    """
    rest = prompt if cache is None else prompt.after(cache.length)
    count = rest.words.shape[1]
    if cache is not None and count > 1 and rest.counts_on():
        opening = None if rest.unwindowed is None else rest.unwindowed[:, :, :-1, :-1]
        decoder(rest.words[:, :-1], rest.positions[..., :-1], rest.mask[:, :, :-1, :-1], cache, opening)
        rest = rest.after(count - 1)
    valid = torch.ones(1, prompt.words.shape[1], dtype=torch.bool, device=prompt.words.device)
    return generate(
        decoder,
        rest.words,
        valid,
        config,
        stop_id=stop_id,
        forbidden=prompt.forbidden,
        cache=cache,
        positions=rest.positions,
        mask=rest.mask,
        unwindowed=rest.unwindowed,
        generator=generator,
        on_token=on_token,
    )[0]


def reply(
    model: Reader,
    sight: Sight,
    ids: Sequence[int],
    pictures: Sequence[Picture],
    config: SamplingConfig = SamplingConfig(),
    *,
    stop_id: int,
) -> Generated:
    """What the model writes after `ids`: the prompt, with as many placeholders as the layouts of the pictures say."""
    with torch.no_grad():
        prompt = prompt_of(model, sight, ids, pictures)
    return continued(model.decoder, prompt, config, stop_id=stop_id)
