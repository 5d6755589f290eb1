"""Keys and values of the tokens already read, so that the next token costs one column instead of the whole triangle.

A layer's entry is replaced, never written into: appending makes a new tensor. That costs a copy and buys the property
that matters here: `fork()` is free and safe, so the picture's keys and values are computed once (`ImageState`) and any
number of questions continue from them. With contexts of a few hundred tokens the copy is well below the cost of a
layer.
"""

from torch import Tensor, cat


class LayerKV:
    """Keys and values of one layer, (batch, kv_heads, tokens, head_dim)."""

    def __init__(self, keys: Tensor | None = None, values: Tensor | None = None):
        self.keys, self.values = keys, values

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add new positions; returns everything so far."""
        if self.keys is not None and self.values is not None:
            keys, values = cat([self.keys, keys], dim=2), cat([self.values, values], dim=2)
        self.keys, self.values = keys, values
        return keys, values


class KVCache:
    """One `LayerKV` a layer."""

    def __init__(self, depth: int):
        self.layers = [LayerKV() for _ in range(depth)]

    @property
    def length(self) -> int:
        """Number of tokens held."""
        keys = self.layers[0].keys
        return 0 if keys is None else keys.shape[2]

    def fork(self) -> "KVCache":
        """A cache that continues from here without disturbing this one."""
        other = KVCache(0)
        other.layers = [LayerKV(layer.keys, layer.values) for layer in self.layers]
        return other

    def rows(self, index: Tensor) -> "KVCache":
        """A cache whose row i is row `index[i]` of this one: several questions about each picture of a batch."""
        other = KVCache(0)
        for layer in self.layers:
            if layer.keys is None or layer.values is None:
                raise ValueError("the cache is empty; read something before choosing rows of it")
            other.layers.append(LayerKV(layer.keys[index], layer.values[index]))
        return other

    def first(self, count: int) -> "KVCache":
        """A cache of the first `count` tokens: a conversation is read on from where it still agrees with another."""
        other = KVCache(0)
        for layer in self.layers:
            keys, values = layer.keys, layer.values
            held = keys is not None and values is not None and count > 0
            other.layers.append(LayerKV(keys[:, :, :count], values[:, :, :count]) if held else LayerKV())  # type: ignore[index]
        return other

    def nbytes(self) -> int:
        """Bytes of all keys and values."""
        return sum(
            t.numel() * t.element_size() for layer in self.layers for t in (layer.keys, layer.values) if t is not None
        )
