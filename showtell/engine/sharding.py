"""Parameters, gradients and moments cut over the ranks: FSDP2 (Zhao et al. 2023; ZeRO-3, Rajbhandari et al. 2020).

    rank 0   rows 0 .. n/2 of every weight        forward, backward:  gather a unit | compute | let it go
    rank 1   rows n/2 .. n of every weight        after a unit's backward:  sum its gradients, keep the own rows

    model = shard(model, Sharding(replicated=("vision",)))      before make_optimizer, which has to see the cut weights

A gather needs every rank. So every rank passes through every unit in every micro-batch: a batch of text alone has a
pixel tensor of zero pictures, which costs nothing and keeps the order of the gathers. A part that some ranks skip
altogether is named in `replicated`: it stays whole on each rank, and its gradients are summed like those of a model
that is not cut (`engine/distributed.py`). With one process nothing is cut. Checkpoints are `engine/parts.py`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from showtell.core.errors import ConfigError
from showtell.engine.distributed import join_world, local

T = TypeVar("T")
UNIT = r"(?:^|\.)(?:blocks|layers)\.\d+$"


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """What is cut, and how fine.

    units: regular expression of module paths that are gathered one at a time; what no unit holds is gathered with the
        whole model.
    replicated: prefixes of parts kept whole on every rank, for those that a rank may skip.
    """

    units: str = UNIT
    replicated: tuple[str, ...] = ()


def shard(model: nn.Module, sharding: Sharding = Sharding()) -> nn.Module:
    """Cut the parameters of `model` over the ranks, in place; every rank starts from rank 0's.

    Call it before `make_optimizer`. With one process the model is returned as it is, so a recipe says it once.

    Raises ConfigError when a replicated prefix names no parameter.
    """
    kept = {n: p for n, p in model.named_parameters() if any(_below(n, part) for part in sharding.replicated)}
    for part in sharding.replicated:
        if not any(_below(name, part) for name in kept):
            raise ConfigError(f"sharding.replicated: {part!r} names no parameter; check the name")
    world = join_world()
    if world.size == 1:
        return model
    from torch.distributed.device_mesh import init_device_mesh  # half a second that a single process is spared
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    world.broadcast_parameters(model)
    mesh = init_device_mesh("cuda" if torch.cuda.is_available() else "cpu", (world.size,))
    ignored = set(kept.values())
    units = [m for n, m in model.named_modules() if re.search(sharding.units, n) and not _all_in(m, ignored)]
    for module in [*reversed(units), model]:  # inner units before the outer ones they are in
        fully_shard(module, mesh=mesh, ignored_params=ignored)
        assert isinstance(module, FSDPModule)
        # The loop divides by the trained tokens of all ranks, so gradients are summed here and not averaged.
        module.set_gradient_divide_factor(1.0)
        module.set_force_sum_reduction_for_comms(True)
    model.gathered = lambda call: call()  # type: ignore[assignment]
    register_fsdp_forward_method(model, "gathered")
    return model


def gathered(model: nn.Module, call: Callable[[], T]) -> T:
    """`call()` while the parameters outside of all units are whole; just `call()` for a model that is not cut.

    FSDP gathers around `forward`. Steps and gates also use other methods of a model (`image_tokens`, `logits`).
    """
    if not hasattr(model, "gathered"):
        return call()
    result = model.gathered(call)  # type: ignore[operator]
    if not torch.is_grad_enabled():
        model.reshard()  # type: ignore[operator]  # without a backward pass nobody else lets them go
    return result


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors uncut, on every rank; every rank has to ask."""
    return {name: whole_of(tensor) for name, tensor in tensors.items()}


def fill_cut(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copy whole tensors into tensors that may be cut: each rank takes its own rows."""
    with torch.no_grad():
        for name, tensor in wanted.items():
            local(tensor).copy_(rows_of(tensors[name], tensor))


def whole_of(tensor: Any) -> Tensor:
    """One tensor uncut."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def rows_of(whole: Tensor, cut: Any) -> Tensor:
    """The rows of `whole` that this rank has of `cut`."""
    if not hasattr(cut, "device_mesh"):
        return whole
    from torch.distributed.tensor import distribute_tensor

    placed = whole.to(local(cut).device)
    return distribute_tensor(placed, cut.device_mesh, cut.placements, src_data_rank=None).to_local()


def _below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix.rstrip(".") + ".")


def _all_in(module: nn.Module, parameters: set[nn.Parameter]) -> bool:
    return all(parameter in parameters for parameter in module.parameters())
