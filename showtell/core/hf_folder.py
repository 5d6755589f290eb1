"""A checkpoint folder in Hugging Face layout: what it says it is, and its tensors.

    config.json                                       the architecture, under Hugging Face's names
    model.safetensors                                 all tensors, or
    model.safetensors.index.json, model-0000k-...     {"weight_map": {name: file}} and the shards it lists

Which name means what is a family file's business (`KEYS`, `config_from_hf`). Weights that only exist as a pickle
(`pytorch_model.bin`) are refused: reading a pickle runs code. The readers of single fields live here too, so that every
family refuses an unsupported value in the same words.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from showtell.core.checkpoint import fill_module, load_tensors
from showtell.core.errors import CheckpointError, ConfigError
from showtell.core.keymap import KeyTable, map_keys
from showtell.core.mlp import Activation

ONE_FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "silu": "silu",
    "swish": "silu",
    "relu": "relu",
}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; raises CheckpointError when the file is missing or is not one."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; a checkpoint folder holds a {path.name}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: not JSON ({error}); fetch the file again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__} where an object was expected")
    return content


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Every tensor of the folder, whether in one file or in shards.

    Raises CheckpointError when there are none, a shard is missing, the index and the shards disagree, or the weights
    are a pickle.
    """
    if (folder / ONE_FILE).is_file():
        return load_tensors(folder / ONE_FILE)
    if not (folder / INDEX).is_file():
        pickles = sorted(path.name for path in folder.glob("*.bin"))
        if pickles:
            raise CheckpointError(
                f"{folder / pickles[0]} is a pickle, which can run code when it is read; convert it to safetensors"
            )
        raise CheckpointError(f"{folder}: neither {ONE_FILE} nor {INDEX} is there; fetch the checkpoint again")
    places: dict[str, str] = read_json(folder / INDEX)["weight_map"]
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(places.values())):
        if Path(shard).name != shard:
            raise CheckpointError(f"{folder / INDEX}: {shard!r} is not the name of a file in this folder")
        tensors |= load_tensors(folder / shard)
    if set(tensors) != set(places):
        name = min(set(tensors) ^ set(places))
        raise CheckpointError(f"{folder / INDEX}: {name} is not in both the index and the shards; fetch them again")
    return tensors


def fill_from(module: nn.Module, tensors: Mapping[str, Tensor], table: KeyTable, where: str) -> None:
    """Rename `tensors` by `table` and fill `module`, strictly both ways."""
    fill_module(module, map_keys(tensors, table, set(module.state_dict()), where), where)


def require(fields: Mapping[str, Any], name: str, *allowed: object) -> Any:
    """The value of a field; raises ConfigError when it is none of `allowed` (any value is fine if none are given)."""
    if name not in fields:
        raise ConfigError(f"{name}: the configuration does not say; this family needs it")
    value = fields[name]
    if allowed and value not in allowed:
        raise ConfigError(f"{name}: {value!r} is not supported here; supported: {', '.join(map(repr, allowed))}")
    return value


def activation(fields: Mapping[str, Any], name: str = "hidden_act") -> Activation:
    """Our name of the activation that the field names in Hugging Face's words."""
    return ACTIVATIONS[require(fields, name, *ACTIVATIONS)]


def sides(fields: Mapping[str, Any], name: str = "image_size") -> tuple[int, int]:
    """(height, width) from a field that holds one number or two."""
    value = require(fields, name)
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair):
        raise ConfigError(f"{name}: {value!r} is neither a side in pixels nor (height, width)")
    return pair


def one_side(fields: Mapping[str, Any], name: str = "patch_size") -> int:
    """The side of a square given by one number or two equal ones."""
    height, width = sides(fields, name)
    if height != width:
        raise ConfigError(f"{name}: {[height, width]} is not square; only square ones are supported here")
    return height
