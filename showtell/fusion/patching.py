"""Activation patching: which tensor carries the answer? (Vig et al. 2020; Meng et al. 2022)

    read picture A and a question, keep everything          read picture B and the same question, keep everything
    read A again, but at one place of one layer put what B had there   --->   whose answer comes out?

                  picture   what  color  is  the  circle  ?
    layer 4          .        .     .     .    .     .    #    <- B here: the answer is B's
    layer 1          #        .     .     .    .     .    .    <- B here: the answer is B's

Under a causal mask a picture that stands first never sees the words, so "the picture from layer l on" is a matter of
which keys and values the words meet there: A's below l, B's from l. Only the words are computed again; every place of
every layer is one row of one batch, which it joins where its patch is made. The same reading answers another question:
what if the words may not look at the picture from layer l on?
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from showtell.core.masks import causal_mask
from showtell.text.decoder import Decoder
from showtell.text.kv_cache import KVCache, LayerKV


@dataclass(frozen=True)
class Reading:
    """A picture and the words after it, read once.

    cache: keys and values of the picture alone, layer by layer.
    stream: what each word held before the first block and after every one.
    """

    cache: KVCache
    stream: Float[Tensor, "layers words dim"]


@torch.no_grad()
def read(decoder: Decoder, picture: Float[Tensor, "tokens dim"], words: Int[Tensor, " words"]) -> Reading:
    """Read a picture's connected tokens, then the words."""
    cache, length = decoder.new_cache(), len(picture)
    decoder(picture[None], torch.arange(length)[None], causal_mask(length, length), cache)
    x = decoder.embed(words[None])
    kept = [x[0]]
    for layer in range(decoder.config.depth):
        x = _block(decoder, x, layer, cache)
        kept.append(x[0])
    return Reading(cache, torch.stack(kept))


@torch.no_grad()
def next_word(decoder: Decoder, stream: Float[Tensor, "rows words dim"]) -> Float[Tensor, "rows vocab"]:
    """Scores of the word after the last, from what the words held after the last block."""
    return decoder.logits(decoder.norm(stream[:, -1]))


@torch.no_grad()
def patch_words(decoder: Decoder, clean: Reading, other: Reading) -> Float[Tensor, "layers words vocab"]:
    """Next-word scores when one word, in one layer (0 = the embeddings), is given what `other` had there."""
    depth, (_, count, _) = decoder.config.depth, clean.stream.shape
    own = torch.arange(count)
    x = clean.stream.new_empty(0, *clean.stream.shape[1:])
    for layer in range(depth + 1):
        starting = clean.stream[layer].repeat(count, 1, 1)  # (patched word, words, dim)
        starting[own, own] = other.stream[layer]
        x = torch.cat([x, starting])
        if layer < depth:
            x = _block(decoder, x, layer, clean.cache)
    return next_word(decoder, x).unflatten(0, (depth + 1, count))


@torch.no_grad()
def patch_picture(
    decoder: Decoder, clean: Reading, other: Reading, places: Bool[Tensor, " tokens"]
) -> Float[Tensor, "layers vocab"]:
    """Next-word scores when those tokens of the picture are `other`'s from a layer on (0 = always, last = never)."""
    mixed = KVCache(decoder.config.depth)
    for held, a, b in zip(mixed.layers, clean.cache.layers, other.cache.layers, strict=True):
        assert a.keys is not None and a.values is not None and b.keys is not None and b.values is not None
        keys, values = ((a.keys, b.keys), (a.values, b.values))
        held.append(*(torch.where(places[:, None], theirs, ours) for ours, theirs in (keys, values)))
    return _from_each_layer(decoder, clean, mixed)


@torch.no_grad()
def hide_picture(decoder: Decoder, clean: Reading) -> Float[Tensor, "layers vocab"]:
    """Next-word scores when no word may look at the picture from a layer on (0 = never seen; last = always)."""
    return _from_each_layer(decoder, clean, KVCache(decoder.config.depth))


def recovered(
    logits: Float[Tensor, "*rows vocab"],
    clean: Float[Tensor, " vocab"],
    other: Float[Tensor, " vocab"],
    words: tuple[int, int],
) -> Float[Tensor, "*rows"]:
    """How far the margin between two words (A's answer, B's answer) went from A's run (0) to B's (1)."""
    margins = [scores[..., words[1]] - scores[..., words[0]] for scores in (logits, clean, other)]
    return (margins[0] - margins[1]) / (margins[2] - margins[1])


def _from_each_layer(decoder: Decoder, clean: Reading, cache: KVCache) -> Tensor:
    """Row l: the words as they were read up to layer l, then before the keys and values of `cache`."""
    depth = decoder.config.depth
    x = clean.stream[:1]
    for layer in range(depth):
        x = torch.cat([_block(decoder, x, layer, cache, clean.cache.length), clean.stream[layer + 1][None]])
    return next_word(decoder, x)


def _block(decoder: Decoder, x: Tensor, layer: int, cache: KVCache, first: int | None = None) -> Tensor:
    """One block over the words, what `cache` holds standing before them; `first` is the position of the first word."""
    rows, count = x.shape[:2]
    held = cache.layers[layer]
    before = LayerKV()
    if held.keys is not None and held.values is not None:
        before = LayerKV(held.keys.expand(rows, -1, -1, -1), held.values.expand(rows, -1, -1, -1))
    first = cache.length if first is None else first
    rotation = decoder.rotation(torch.arange(first, first + count)[None])
    return decoder.blocks[layer](x, causal_mask(count, cache.length + count), rotation, before)
