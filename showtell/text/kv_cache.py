"""Keys and values of the tokens already read, so that the next token costs one column instead of the whole triangle.

    buffer   [ picture | question | answer so far |  room  ]        (batch, kv_heads, capacity, head_dim)
    a fork   [ picture | question ]  sees the same memory and never writes to it

Appending writes into the room behind the last token, which doubles when it is used up. Only the cache that made a
buffer writes to it: a `fork()` is free, and copies when it first appends. So the picture's keys and values are computed
once (`ImageState`) and any number of questions continue from them, none disturbing another.
"""

from torch import Tensor

LEAST_ROOM = 64  # tokens


class LayerKV:
    """Keys and values of one layer, (batch, kv_heads, tokens, head_dim)."""

    def __init__(self, keys: Tensor | None = None, values: Tensor | None = None):
        self.keys, self.values = keys, values
        self._buffers: tuple[Tensor, Tensor] | None = None  # whose beginnings `keys` and `values` are

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add new positions; returns everything so far."""
        if self.keys is None or self.values is None:
            self.keys, self.values = keys, values
            return keys, values
        held, length = self.keys.shape[2], self.keys.shape[2] + keys.shape[2]
        if self._buffers is None or self._buffers[0].shape[2] < length:
            self._buffers = (with_room(self.keys, length), with_room(self.values, length))
        for buffer, new in zip(self._buffers, (keys, values), strict=True):
            buffer[:, :, held:length] = new
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)
        return self.keys, self.values


def with_room(held: Tensor, length: int) -> Tensor:
    """A longer tensor that begins with `held`."""
    buffer = held.new_empty(*held.shape[:2], max(2 * length, LEAST_ROOM), held.shape[3])
    buffer[:, :, : held.shape[2]] = held
    return buffer


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
