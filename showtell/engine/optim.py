"""AdamW, or Muon and AdamW, with parameter groups by module name (Loshchilov and Hutter 2019).

    prefix        rate      decay: weights of linear and convolution layers
    "vision."     0.1x      no decay: biases, norms, embeddings, learned tokens and positions
    "head."       frozen
    ""            1x        (everything else)

The longest matching prefix decides, so every parameter is in exactly one group; a prefix that matches nothing raises,
because a group that silently trains nobody is a typo. Learning rates over time are `engine/schedule.py`, Muon's rule is
`engine/muon.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from showtell.core.errors import ConfigError
from showtell.engine.distributed import is_cut
from showtell.engine.muon import Muon

LAYER = re.compile(r"(?:^|\.)(?:blocks|layers)\.(\d+)\.")
DECAYED = (nn.Linear, nn.Bilinear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)


@dataclass(frozen=True, kw_only=True)
class Part:
    """How the parameters below one module are trained.

    prefix: start of their names, ended at a dot (`"vision"` matches `vision.norm.weight`, not `vision2.x`).
    lr_scale: factor on the peak learning rate.
    frozen: not trained at all (`requires_grad` is switched off).
    layer_decay: factor from each layer to the one below it (Clark et al. 2020; 0.65 to 0.9 for fine-tuned towers): the
        last of `blocks` has the full rate, what comes before the first block the smallest.
    """

    prefix: str
    lr_scale: float = 1.0
    frozen: bool = False
    layer_decay: float = 1.0


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How parameters move.

    algorithm: "adamw", or "muon" for the matrices inside of layers and AdamW for everything else.
    lr: peak learning rate; Muon's updates are scaled so that AdamW's rate suits them.
    weight_decay: decoupled decay of matrices.
    betas: decay of the first and second moments.
    eps: added to the root of the second moment.
    momentum: of Muon.
    parts: exceptions by module name.
    """

    algorithm: Literal["adamw", "muon"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-8
    momentum: float = 0.95
    parts: tuple[Part, ...] = ()


class Joined(torch.optim.Optimizer):
    """Several optimisers, each over its own groups, as one with one state."""

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]):
        super().__init__([group for optimizer in optimizers for group in optimizer.param_groups], {})
        self.optimizers = list(optimizers)
        for optimizer in optimizers:
            optimizer.state = self.state

    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # nobody here has a closure
        for optimizer in self.optimizers:
            optimizer.step()


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """An optimiser over the trainable parameters of `model`; freezes those the config freezes.

    Raises ConfigError for a prefix that matches no parameter or is given twice, and when nothing is left to train.
    """
    groups = parameter_groups(model, config)
    if not groups:
        raise ConfigError("optimizer: every parameter is frozen; leave at least one part of the model trainable")
    # The fused kernel updates all moments in one pass (5 M parameters on a CPU: 4 ms, one by one 14 ms, foreach 28 ms).
    usual = [group for group in groups if not group["muon"]]
    adam = torch.optim.AdamW(usual, lr=config.lr, betas=config.betas, eps=config.eps, fused=True) if usual else None
    matrices = [group for group in groups if group["muon"]]
    if not matrices and adam is not None:
        return adam
    muon = Muon(matrices, lr=config.lr, momentum=config.momentum)
    return muon if adam is None else Joined([adam, muon])


def parameter_groups(model: nn.Module, config: OptimizerConfig) -> list[dict]:
    """One group for each (part, decayed or not) that has parameters; `peak_lr` is what schedules multiply."""
    parts = {part.prefix: part for part in config.parts}
    if len(parts) != len(config.parts):
        raise ConfigError("optimizer.parts: the same prefix is given twice")
    decayed = _decayed_parameters(model)
    by_muon = _matrices_of_layers(model) if config.algorithm == "muon" else set()
    members: dict[tuple[str, bool, float, bool, bool], list[tuple[str, nn.Parameter]]] = {}
    scales = {prefix: layer_scales(model, part) for prefix, part in parts.items()}
    matched: set[str] = set()
    for name, parameter in model.named_parameters():
        prefix = max((p for p in parts if _below(name, p)), key=len, default="")
        matched.add(prefix)
        if prefix in parts and parts[prefix].frozen:
            parameter.requires_grad_(False)
        if parameter.requires_grad:
            scale = scales[prefix][name] if prefix in scales else 1.0
            # An update of many tensors at once wants them all cut over ranks, or none.
            kind = (prefix, id(parameter) in decayed, scale, id(parameter) in by_muon, is_cut(parameter))
            members.setdefault(kind, []).append((name, parameter))
    if unmatched := sorted(set(parts) - matched):
        raise ConfigError(f"optimizer.parts: prefix {unmatched[0]!r} decides no parameter; check the name")
    groups = []
    for (_, decays, scale, muon, _), named in members.items():
        peak = config.lr * scale
        groups.append(
            {
                "params": [parameter for _, parameter in named],
                "names": [name for name, _ in named],
                "lr": peak,
                "peak_lr": peak,
                "weight_decay": config.weight_decay if decays else 0.0,
                "muon": muon,
            }
        )
    return groups


def layer_scales(model: nn.Module, part: Part) -> dict[str, float]:
    """Factor on the peak rate of every parameter below a part."""
    names = [name for name, _ in model.named_parameters() if _below(name, part.prefix)]
    layers = [int(found[1]) if (found := LAYER.search(name)) else None for name in names]
    numbered = [layer for layer in layers if layer is not None]
    top = max(numbered, default=-1)
    first = next((place for place, layer in enumerate(layers) if layer is not None), len(layers))
    scales = {}
    for place, (name, layer) in enumerate(zip(names, layers, strict=True)):
        below = top - layer if layer is not None else top + 1 if place < first and numbered else 0
        scales[name] = part.lr_scale * part.layer_decay**below
    return scales


def set_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Every group at `factor` of its own peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor


def _below(name: str, prefix: str) -> bool:
    return not prefix or name == prefix or name.startswith(prefix.rstrip(".") + ".")


def _matrices_of_layers(model: nn.Module) -> set[int]:
    """Identities of the weights of linear modules inside of numbered layers: no embedding, no output projection."""
    linear = {n: m.weight for n, m in model.named_modules() if isinstance(m, nn.Linear) and LAYER.search(f"{n}.")}
    return {id(weight) for weight in linear.values()}


def _decayed_parameters(model: nn.Module) -> set[int]:
    """Identities of the matrices of linear and convolution layers, unless tied to an embedding."""
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    return {id(m.weight) for m in model.modules() if isinstance(m, DECAYED)} - embeddings
