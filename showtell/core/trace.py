"""Trace: ask a running model for the tensors worth showing, by name.

    with trace(model, "decoder.blocks.*.attn.weights") as seen:
        model(batch)
    seen["decoder.blocks.0.attn.weights"]        # (batch, heads, queries, keys)

Every such tensor passes through a `Tap`, an identity module with a name. The name is the module path, so chapters,
demos, tests and debugging share one address space. A tap that nobody listens to returns its input untouched; an
attention whose `weights` tap is listened to computes its explicit form (the fused kernel never builds the matrix).
A reader may also *change* what flows through a tap by passing `edit=`, which is how activation patching is written.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase

from torch import Tensor, nn

Edit = Callable[[str, Tensor], Tensor]


class Tap(nn.Module):
    """Identity; remembers what flows through while a `trace` listens."""

    def __init__(self) -> None:
        super().__init__()
        self.listener: Callable[[Tensor], Tensor] | None = None

    @property
    def active(self) -> bool:
        return self.listener is not None

    def forward(self, x: Tensor) -> Tensor:
        return x if self.listener is None else self.listener(x)


class Seen(dict[str, Tensor]):
    """Name -> last tensor that passed; `history[name]` holds every one, one entry a forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Tensor]] = {}

    def record(self, name: str, x: Tensor) -> None:
        self[name] = x
        self.history.setdefault(name, []).append(x)


def tap_names(model: nn.Module) -> list[str]:
    """All names one may trace, in execution-independent module order."""
    return [name for name, module in model.named_modules() if isinstance(module, Tap)]


@contextmanager
def trace(model: nn.Module, *patterns: str, edit: Edit | None = None) -> Iterator[Seen]:
    """Listen to every tap whose name matches one of `patterns` (shell wildcards).

    Args:
        edit: called as `edit(name, tensor) -> tensor`; its result flows on in place of the tensor.

    Raises ValueError when a pattern matches no tap: a silent empty trace looks like a model that does nothing.
    """
    taps = {name: module for name, module in model.named_modules() if isinstance(module, Tap)}
    chosen: dict[str, Tap] = {}
    for pattern in patterns:
        matches = {name: tap for name, tap in taps.items() if fnmatchcase(name, pattern)}
        if not matches:
            raise ValueError(f"no tap matches {pattern!r}; taps of this model: {', '.join(taps) or 'none'}")
        chosen |= matches
    seen = Seen()

    def listener(name: str) -> Callable[[Tensor], Tensor]:
        def listen(x: Tensor) -> Tensor:
            x = x if edit is None else edit(name, x)
            seen.record(name, x)
            return x

        return listen

    before = {name: tap.listener for name, tap in chosen.items()}
    for name, tap in chosen.items():
        tap.listener = listener(name)
    try:
        yield seen
    finally:
        for name, tap in chosen.items():
            tap.listener = before[name]
