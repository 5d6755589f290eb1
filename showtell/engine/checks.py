"""Gates that belong to every run, whatever it trains: does the gradient flow, can one batch be learnt by heart.

    Gate(check=gradient_flow(step, batch, optimizer), every=500, name="gradient")
    Gate(check=overfits(step, batch), every=ONCE, name="overfit")

The two catch what a falling loss hides: a part that was detached or left out of the optimiser, a frozen part that is
not, labels that contradict their inputs, a rate at which nothing is learnt. Gates about pictures are
`instruct/gates.py`; when gates run is `engine/gates.py`.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from showtell.engine.gates import Check
from showtell.engine.gradient import device_of
from showtell.engine.step import Step, TrainingError, to_device

ONCE = 1 << 60  # `Gate.every` of a check before step 1 only


def gradient_flow(step: Step, batch: Any, optimizer: torch.optim.Optimizer) -> Check:
    """A check that one backward pass reaches every group of the optimiser, and nothing outside of them.

    The check raises TrainingError naming the first group whose gradient is missing or zero, a trainable parameter that
    no group has, and a frozen one that a group has. It leaves no gradient behind.
    """

    def check(model: nn.Module) -> Mapping[str, float]:
        _groups_match(model, optimizer)
        try:
            with torch.enable_grad():
                loss = step(model, to_device(batch, device_of(model)))
                loss.value.backward()
            norms = [_norm(group["params"]) for group in optimizer.param_groups]
            silent = sum(p.grad is None for group in optimizer.param_groups for p in group["params"])
        finally:
            for parameter in model.parameters():
                parameter.grad = None
        for group, norm in zip(optimizer.param_groups, norms, strict=True):
            if not norm > 0:
                raise TrainingError(
                    f"no gradient reaches {_called(group)}: it is cut off from the loss, or multiplied by zero; freeze "
                    "it or connect it"
                )
        return {"least_norm": min(norms) / float(loss.weight), "parameters_without": float(silent)}

    return check


def _groups_match(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    grouped = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) not in grouped:
            raise TrainingError(
                f"{name} wants a gradient but no group of the optimiser has it, so it would never move; freeze it "
                "(requires_grad_(False)) or make the optimiser after the model is complete"
            )
        if not parameter.requires_grad and id(parameter) in grouped:
            raise TrainingError(f"{name} is frozen but a group of the optimiser trains it; take it out of the group")


def _norm(parameters: list[nn.Parameter]) -> float:
    gradients = [p.grad for p in parameters if p.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0


def _called(group: Mapping[str, Any]) -> str:
    names = group.get("names", ["a group"])
    return names[0] if len(names) == 1 else f"{names[0]} and the {len(names) - 1} parameters of its group"


def overfits(step: Step, batch: Any, *, steps: int = 60, lr: float = 1e-3, factor: float = 0.7) -> Check:
    """A check that a copy of the model, trained on one batch alone, brings its loss below `factor` of what it was.

    The copy and its optimiser cost three times the memory of the weights while the check runs. Raises TrainingError
    with the two losses when it does not learn.
    """

    def check(model: nn.Module) -> Mapping[str, float]:
        twin = copy.deepcopy(model).eval()  # without dropout: the batch is to be learnt by heart
        moved = to_device(batch, device_of(model))
        trained = [p for p in twin.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=0.0)
        losses = []
        with torch.enable_grad():
            for _ in range(steps):
                loss = step(twin, moved)
                (loss.value / loss.weight).backward()
                torch.nn.utils.clip_grad_norm_(trained, 1.0)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                losses.append(float(loss.value.detach()) / float(loss.weight))
        if not losses[-1] < factor * losses[0]:
            raise TrainingError(
                f"one batch cannot be learnt by heart: in {steps} steps its loss went from {losses[0]:.4g} to "
                f"{losses[-1]:.4g}; look at its labels, what is frozen and the learning rate"
            )
        return {"first": losses[0], "last": losses[-1]}

    return check
