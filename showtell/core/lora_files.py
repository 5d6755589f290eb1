"""A correction in the layout of the `peft` library: two files that fit any program that reads it.

    adapter_config.json          {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj", ...], ...}
    adapter_model.safetensors    base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight    (rank, in)
                                                                              ....lora_B.weight    (out, rank)

Names are those of the base model in its published layout: the same table that reads its checkpoint (`core/keymap.py`)
reads and writes the correction. What this library would compute differently (DoRA, biases, another rank in some
layers, layers trained whole) is refused by name.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from showtell.core.checkpoint import check_fit, load_tensors, save_tensors, write_atomically
from showtell.core.errors import CheckpointError
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import read_json
from showtell.core.keymap import KeyTable, unmap_keys
from showtell.core.lora import LoRAConfig, add_lora, lora_layers

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
BEFORE = "base_model.model."
MATRICES = ("lora_A.weight", "lora_B.weight")
PLAIN: dict[str, tuple[Any, ...]] = {  # fields that change the numbers, and the values under which they do not
    "bias": ("none",),
    "use_dora": (False,),
    "fan_in_fan_out": (False,),
    "lora_bias": (False,),
    "rank_pattern": ({},),
    "alpha_pattern": ({},),
    "modules_to_save": (None, []),
    "layers_to_transform": (None, []),
    "layer_replication": (None,),
    "trainable_token_indices": (None,),
    "exclude_modules": (None, []),
    "target_parameters": (None, []),
}


def save_adapter(
    module: nn.Module, table: KeyTable, folder: Path, base: str | None = None, dtype: torch.dtype | None = None
) -> None:
    """Write the corrections of `module`, which must all have been made by one configuration.

    Args:
        table: names of the base model's checkpoint -> ours.
        base: what the base model is called, for whoever reads the file.
        dtype: on disk; None = float32.

    Raises CheckpointError when there is nothing to save.
    """
    layers = lora_layers(module)
    if not layers:
        raise CheckpointError(f"{folder}: this model has no corrections to save; add them with add_lora")
    folder.mkdir(parents=True, exist_ok=True)
    ours = matrices(module)
    theirs = {name: ours[mine].to(dtype or torch.float32) for name, mine in names_of(layers, table).items()}
    save_tensors(theirs, folder / WEIGHTS, {"format": "pt"})
    config = next(iter(layers.values())).config
    content = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "use_rslora": config.rank_stabilised,
        "target_modules": sorted({name.rpartition(".lora_")[0].rpartition(".")[2] for name in theirs}),
        "bias": "none",
        "inference_mode": True,
    }
    write_atomically(folder / CONFIG, (json.dumps(content, indent=1) + "\n").encode())


def load_adapter(module: nn.Module, table: KeyTable, folder: Path) -> LoRAConfig:
    """Add the corrections in `folder` to a base model, whose checkpoint has the names of `table`.

    Raises CheckpointError for files that are missing, damaged or of another model, and ConfigError for settings that
    are not computed here.
    """
    fields = Fields(read_json(folder / CONFIG), f"{folder / CONFIG}: ")
    fields.only("peft_type", "LORA")
    for name, allowed in PLAIN.items():
        fields.only(name, *allowed)
    where = str(folder / WEIGHTS)
    tensors = {name: tensor.float() for name, tensor in load_tensors(folder / WEIGHTS).items()}
    linear = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    ours = names_of(linear, table)
    if unknown := sorted(set(tensors) - set(ours)):
        raise CheckpointError(f"{where}: {len(unknown)} tensors are no correction of this model, first: {unknown[0]}")
    given = {ours[name]: tensor for name, tensor in tensors.items()}
    config = LoRAConfig(
        rank=fields.size("r"),
        alpha=fields.number("lora_alpha"),
        targets=tuple(sorted({name.rpartition(".lora_")[0] for name in given})),
        dropout=fields.number("lora_dropout", 0.0),
        rank_stabilised=fields.flag("use_rslora", False),
    )
    add_lora(module, config)
    wanted = matrices(module)
    check_fit(wanted, given, where)
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(given[name])
    return config


def matrices(module: nn.Module) -> dict[str, Tensor]:
    """The two matrices of every correction, by our names."""
    state = module.state_dict()
    return {f"{name}.{matrix}": state[f"{name}.{matrix}"] for name in lora_layers(module) for matrix in MATRICES}


def names_of(layers: Iterable[str], table: KeyTable) -> dict[str, str]:
    """{name in PEFT's file: ours} of both matrices of these layers."""
    ours = [f"{layer}.{matrix}" for layer in layers for matrix in MATRICES]
    numbered = unmap_keys({name: torch.tensor(i) for i, name in enumerate(ours)}, table)
    return {BEFORE + theirs: ours[int(number)] for theirs, number in numbered.items()}
