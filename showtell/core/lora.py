"""Low-rank adaptation (Hu et al. 2021): a frozen matrix learns a small correction beside it.

    y = W x + b + s B A x          A (rank, in) from noise, B (out, rank) from zero, so that nothing changes at first
                                   s = alpha / rank, or alpha / sqrt(rank) (rsLoRA: Kalajdzievski 2023), which keeps
                                   the size of the correction when the rank grows

An adapted layer is still a linear layer under its old name, so a checkpoint fits before and after; its two matrices
are `lora_A` and `lora_B` below it. `merge_lora` adds s B A to W and leaves a plain layer, the same function to
rounding. `frozen_aside` turns everything that is not trained into buffers outside of the state, in another precision
if wanted: an optimiser does not see them and a checkpoint does not repeat a language model every three minutes.

Files in PEFT's layout are `core/lora_files.py`; learning rates by part are `engine/optim.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from showtell.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class LoRAConfig:
    """Which layers are corrected, and how.

    rank: inner width of the correction.
    alpha: its size, in units that `rank_stabilised` defines.
    targets: patterns of the layers' names (`*` for anything), for example "*.attn.q".
    dropout: of the correction's input, in training.
    rank_stabilised: divide by the root of the rank, not by the rank.
    """

    rank: int = 8
    alpha: float = 16.0
    targets: tuple[str, ...] = ("*.attn.q", "*.attn.v")
    dropout: float = 0.0
    rank_stabilised: bool = False

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"lora.rank: {self.rank} is less than 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"lora.dropout: {self.dropout} is not in [0, 1)")

    @property
    def scale(self) -> float:
        """The factor s."""
        return self.alpha / (self.rank**0.5 if self.rank_stabilised else self.rank)


class LoRALinear(nn.Linear):
    """A linear layer and its correction; the layer's own weight and bias are frozen."""

    def __init__(self, layer: nn.Linear, config: LoRAConfig):
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight = nn.Parameter(layer.weight.detach(), requires_grad=False)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach(), requires_grad=False)
        self.config, self.scale = config, config.scale
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        like = {"dtype": torch.float32, "device": layer.weight.device}
        self.lora_A = nn.Linear(layer.in_features, config.rank, bias=False, **like)
        self.lora_B = nn.Linear(config.rank, layer.out_features, bias=False, **like)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, input: Float[Tensor, "*batch in_dim"]) -> Float[Tensor, "*batch out_dim"]:
        corrected = self.lora_B(self.lora_A(self.dropout(input)))
        return F.linear(input, self.weight, self.bias) + self.scale * corrected

    def merged(self) -> nn.Linear:
        """The plain layer that computes the same."""
        with torch.device("meta"):
            plain = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None)
        correction = self.scale * (self.lora_B.weight.double() @ self.lora_A.weight.double())
        weight = (self.weight.double() + correction).to(self.weight.dtype)
        plain.weight = nn.Parameter(weight.detach())
        if self.bias is not None:
            plain.bias = nn.Parameter(self.bias.detach())
        return plain.train(self.training)


def add_lora(module: nn.Module, config: LoRAConfig) -> list[str]:
    """Put a correction beside every linear layer of `module` that the targets name; their names.

    Raises ConfigError for a pattern that names no linear layer.
    """
    linear = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    for pattern in config.targets:
        if not any(fnmatchcase(name, pattern) for name in linear):
            raise ConfigError(f"lora.targets: {pattern!r} names no linear layer of this model; check the pattern")
    chosen = [name for name in linear if named(name, config.targets)]
    for name in chosen:
        layer = module.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        set_layer(module, name, LoRALinear(layer, config))
    return chosen


def merge_lora(module: nn.Module) -> list[str]:
    """Fold every correction into its layer; the names of the layers."""
    adapted = lora_layers(module)
    for name, layer in adapted.items():
        set_layer(module, name, layer.merged())
    return list(adapted)


def lora_layers(module: nn.Module) -> dict[str, LoRALinear]:
    """The adapted layers by name."""
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, LoRALinear)}


def frozen_aside(module: nn.Module, trained: Sequence[str], dtype: torch.dtype | None = None) -> None:
    """Turn every parameter that no pattern of `trained` names into a buffer outside of the module's state.

    Args:
        trained: patterns of parameters that stay, for example "connector.*" or "*.lora_?.weight".
        dtype: of the frozen numbers; None = as they are.
    """
    for prefix, part in module.named_modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            full = f"{prefix}.{name}" if prefix else name
            if not named(full, trained):
                del part._parameters[name]
                part.register_buffer(name, parameter.detach().to(dtype or parameter.dtype), persistent=False)


def named(name: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns fits the whole name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def set_layer(module: nn.Module, name: str, layer: nn.Module) -> None:
    """Put `layer` in the place of the submodule of that name."""
    parent, _, last = name.rpartition(".")
    setattr(module.get_submodule(parent), last, layer)
