"""An exponential moving average of the weights, usually a better model than the last step (Polyak and Juditsky 1992).

    shadow <- decay * shadow + (1 - decay) * weights,        decay = min(config, (1 + step) / (10 + step))

The ramp lets the average forget the random start quickly. Buffers and integer tensors are copied, not averaged.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from showtell.core.checkpoint import fill_module, module_tensors
from showtell.engine.distributed import local


class Ema:
    """Shadow weights of `model` under the same names."""

    def __init__(self, model: nn.Module, decay: float):
        self.model, self.decay = model, decay
        self.shadow = {name: tensor.detach().clone() for name, tensor in module_tensors(model).items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        live = module_tensors(self.model)
        averaged = [name for name, _ in self.model.named_parameters() if name in self.shadow]
        torch._foreach_lerp_([local(self.shadow[n]) for n in averaged], [local(live[n]) for n in averaged], 1 - decay)
        for name in set(live) - set(averaged):
            self.shadow[name].copy_(live[name])

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """The model computes with the average inside, and with its own weights again afterwards."""
        own = {name: tensor.clone() for name, tensor in module_tensors(self.model).items()}
        fill_module(self.model, self.shadow)
        try:
            yield
        finally:
            fill_module(self.model, own)
