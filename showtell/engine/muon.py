"""Muon: momentum, made orthogonal, for the matrices inside of layers (Jordan et al. 2024).

    buffer <- momentum * buffer + (1 - momentum) * gradient
    update  = U V^T,   where   U S V^T = (1 - momentum) * gradient + momentum * buffer
    weight <- weight - lr * (0.2 sqrt(larger side) * update + decay * weight)

Every direction of a matrix moves equally fast, however small its gradient. U V^T is found without a decomposition, by
five Newton-Schulz steps of a fifth-degree polynomial that sends all singular values near to one. The factor gives an
update the size of one of AdamW's (Liu et al. 2025), so one learning rate serves both. A matrix that is cut over ranks
is gathered for this, since rows alone do not know their directions; PyTorch's own Muon refuses such matrices.
"""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.engine.distributed import local
from showtell.engine.sharding import rows_of, whole_of

POLYNOMIAL = (3.4445, -4.7750, 2.0315)  # of the singular values: steep at zero, between 0.7 and 1.2 near one
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Groups of matrices with `lr` and `weight_decay`.

    Raises ConfigError for a parameter that is no matrix.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], *, lr: float, momentum: float = 0.95):
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0})
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ConfigError(f"Muon turns matrices; a parameter has shape {list(parameter.shape)}")

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # nobody here has a closure
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["momentum"], group["weight_decay"])

    def _move(self, parameter: Tensor, lr: float, momentum: float, decay: float) -> None:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        buffer, gradient = local(state["momentum"]), local(parameter.grad)
        buffer.lerp_(gradient, 1 - momentum)
        ahead = torch.empty_like(parameter)
        local(ahead).copy_(gradient.lerp(buffer, momentum))
        update = rows_of(orthogonal(whole_of(ahead)), parameter)
        weight = local(parameter)
        weight.mul_(1 - lr * decay)
        weight.add_(update, alpha=-lr * 0.2 * max(parameter.shape) ** 0.5)


def orthogonal(matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    """Its singular vectors with singular values near one, in half precision where the accelerator is made for it."""
    wide = matrix.bfloat16() if matrix.is_cuda else matrix
    wide = wide.T if wide.shape[0] > wide.shape[1] else wide
    wide = wide / wide.norm().clamp(min=1e-7)
    a, b, c = POLYNOMIAL
    for _ in range(ROUNDS):
        square = wide @ wide.T
        wide = a * wide + (b * square + c * square @ square) @ wide
    return (wide.T if matrix.shape[0] > matrix.shape[1] else wide).to(matrix.dtype)
