"""What one micro-batch costs, part by part: floating-point operations, seconds, and what is kept for the backward pass.

    forward    [ vision ][ connector ][ decoder ][ loss ]        a part begins and ends with its module's call
    backward   [ loss ][ decoder ][ connector ][ vision ]        it begins with the gradient of the module's output,
                                                                 and ends with that of its inputs

Operations are counted where they are executed, in both directions, with PyTorch's own formulas (two for a multiply and
an add; matrix products, convolutions and attention, nothing else), so frozen parts, packing and masks are counted as
they are and not as a formula believes. No surveyed trainer counts the vision tower at all. What no part claims is
"loss": the vocabulary projection of the trained tokens and the loss. Predictions are `engine/estimate.py`.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count

from showtell.engine.autopsy import tensors_of
from showtell.engine.precision import Precision, autocast
from showtell.engine.step import Step

REST = "loss"
ATEN = torch.ops.aten


@dataclass(frozen=True)
class Cost:
    """Of one micro-batch, forward and backward.

    flops, seconds: by part; what no part claims is under "loss".
    saved_bytes: kept between the two passes, weights not included.
    widest_bytes: the largest tensor of those.
    weight: trained tokens.
    """

    flops: dict[str, float]
    seconds: dict[str, float]
    saved_bytes: int
    widest_bytes: int
    weight: float


def parts_of(model: nn.Module) -> dict[str, str]:
    """The usual parts by name -> path: every child of the model, and of a child called `vlm` its children instead."""
    parts: dict[str, str] = {}
    for name, child in model.named_children():
        if name == "vlm":
            parts |= {inner: f"{name}.{inner}" for inner, _ in child.named_children()}
        else:
            parts[name] = name
    return {name: path for name, path in parts.items() if any(True for _ in model.get_submodule(path).parameters())}


def cost_of(
    model: nn.Module,
    step: Step,
    batch: Any,
    parts: Mapping[str, str] | None = None,
    precision: Precision = "fp32",
) -> Cost:
    """Compute one micro-batch twice, once counting and once with a clock. Leaves no gradient behind.

    The model computes in its present mode (train or eval) and the caller's random state moves on.
    """
    modules = {name: model.get_submodule(path) for name, path in (parts_of(model) if parts is None else parts).items()}
    counted, timed, kept = _Counter(), _Clock(), _Saved(model)
    for meter in (counted, timed):
        with _followed(modules, meter.switch), meter:
            weight = _both_passes(model, step, batch, precision, kept if meter is counted else nullcontext())
            meter.switch(REST)
    return Cost(dict(counted.spent), dict(timed.spent), kept.bytes, kept.widest, weight)


def _both_passes(model: nn.Module, step: Step, batch: Any, precision: Precision, forward: Any) -> float:
    device = next(model.parameters()).device
    before = [(p, p.grad) for p in model.parameters()]
    for parameter, _ in before:
        parameter.grad = None
    with torch.enable_grad(), forward, autocast(device, precision):
        loss = step(model, batch)
    loss.value.backward()
    for parameter, gradient in before:
        parameter.grad = gradient
    return float(loss.weight)


@contextmanager
def _followed(modules: Mapping[str, nn.Module], switch: Callable[[str], None]) -> Iterator[None]:
    """Call `switch(part)` whenever the computation enters or leaves a part, in either direction."""
    stack = [REST]
    made: dict[int, tuple[Tensor, str]] = {}  # what each part gave, by identity; alive as long as it is looked up

    def enter(name: str) -> Any:
        def before(module: nn.Module, arguments: Any, named: Any) -> None:
            for _, tensor in tensors_of([arguments, named]):
                if tensor.requires_grad and not tensor.is_leaf:
                    # Its gradient is known: backward leaves this part, for the one that made the tensor.
                    maker = made.get(id(tensor), (tensor, REST))[1]
                    tensor.register_hook(lambda _, maker=maker: switch(maker))
            stack.append(name)
            switch(name)

        return before

    def leave(name: str) -> Any:
        def after(module: nn.Module, arguments: Any, output: Any) -> None:
            stack.pop()
            switch(stack[-1])
            for _, tensor in tensors_of(output):
                if tensor.requires_grad:
                    made[id(tensor)] = (tensor, name)
                    tensor.register_hook(lambda _: switch(name))

        return after

    handles = []
    for name, module in modules.items():
        handles.append(module.register_forward_pre_hook(enter(name), with_kwargs=True))
        handles.append(module.register_forward_hook(leave(name)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Clock:
    """Seconds by part; waits for the accelerator at each border."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.part, self.began = REST, 0.0

    def __enter__(self) -> None:
        self.began = self._now()

    def __exit__(self, *_: object) -> None:
        pass

    def switch(self, part: str) -> None:
        now = self._now()
        self.spent[self.part] += now - self.began
        self.part, self.began = part, now

    @staticmethod
    def _now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()


class _Counter(TorchDispatchMode):
    """Floating-point operations by part."""

    def __init__(self) -> None:
        super().__init__()
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.part = REST

    def switch(self, part: str) -> None:
        self.part = part

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = FORMULAS.get(func._overloadpacket)
        if formula is not None:
            self.spent[self.part] += formula(*args, **(kwargs or {}), out_val=out)
        return out


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> float:
    return sdpa_flop_count(query.shape, key.shape, value.shape)


def _attention_backward(grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> float:
    return sdpa_backward_flop_count(grad.shape, query.shape, key.shape, value.shape)


# PyTorch counts attention on accelerators only.
FORMULAS: dict[Any, Any] = {
    **flop_registry,
    ATEN._scaled_dot_product_flash_attention_for_cpu: _attention,
    ATEN._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


class _Saved:
    """Bytes of the storages that autograd keeps, each once, without those of the parameters and the batch."""

    def __init__(self, model: nn.Module) -> None:
        self.seen = {p.untyped_storage().data_ptr() for p in model.parameters()}
        self.bytes = self.widest = 0
        self._hooks: Any = None
        self._alive: list[Tensor] = []  # a freed storage's address would be given out again

    def __enter__(self) -> None:
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor)
        self._hooks.__enter__()

    def __exit__(self, *exception: Any) -> None:
        self._hooks.__exit__(*exception)
        self._alive.clear()

    def _keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.seen:
            self.seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
            self.widest = max(self.widest, storage.nbytes())
            self._alive.append(tensor.detach())
        return tensor


def measured_peak(device: torch.device, precision: Precision, size: int = 1024, repeats: int = 3) -> float:
    """Floating-point operations a second of a large matrix product here and now: what 100 % utilisation means.

    On a shared machine it is what the machine gives, which a number from a data sheet is not.
    """
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    size = size if device.type == "cpu" else 8 * size
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best, clock = math.inf, _Clock()
    for _ in range(repeats + 1):
        began = clock._now()
        a @ b
        best = min(best, clock._now() - began)
    return 2.0 * size**3 / best
