"""A checkpoint folder in Hugging Face layout: what it says it is, and its tensors.

    config.json                                       the architecture, under Hugging Face's names
    model.safetensors                                 all tensors, or
    model.safetensors.index.json, model-0000k-...     {"weight_map": {name: file}} and the shards it lists

Which name means what is a family file's business (`KEYS`, `config_from_hf`). Weights that only exist as a pickle
(`pytorch_model.bin`) are refused: reading a pickle runs code.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from showtell.core.checkpoint import adopt_tensors, load_tensors, save_tensors, without_memory, write_atomically
from showtell.core.errors import CheckpointError
from showtell.core.keymap import KeyTable, map_keys, unmap_keys
from showtell.core.mlp import Activation

M = TypeVar("M", bound=nn.Module)

ONE_FILE = "model.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
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


def read_tensors(folder: Path, name: str = ONE_FILE) -> dict[str, Tensor]:
    """Every tensor of the folder: of the one file `name`, or of the shards that its index lists.

    Raises CheckpointError when there are none, a shard is missing, the index and the shards disagree, or the weights
    are a pickle.
    """
    if (folder / name).is_file():
        return load_tensors(folder / name)
    index = folder / f"{name}.index.json"
    if not index.is_file():
        raise CheckpointError(f"{folder}: {why_no_weights(folder, name)}")
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(s, str) and Path(s).name == s for s in places.values()):
        raise CheckpointError(f"{index}: no weight_map of tensor names to files of this folder; fetch it again")
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(places.values())):
        tensors |= load_tensors(folder / shard)
    if set(tensors) != set(places):
        odd = min(set(tensors) ^ set(places))
        raise CheckpointError(f"{index}: {odd} is not in both the index and the shards; fetch the checkpoint again")
    return tensors


def write_tensors(tensors: Mapping[str, Tensor], folder: Path, most_bytes: int) -> list[str]:
    """The inverse of `read_tensors`; names of the files: one, or shards of at most `most_bytes` with their index.

    A tensor that is larger than that has a shard of its own.
    """
    shards: list[dict[str, Tensor]] = [{}]
    room = most_bytes
    for name, tensor in tensors.items():
        if shards[-1] and tensor.nbytes > room:
            shards.append({})
            room = most_bytes
        shards[-1][name] = tensor
        room -= tensor.nbytes
    files = [f"model-{i + 1:05}-of-{len(shards):05}.safetensors" for i in range(len(shards))]
    files = [ONE_FILE] if len(shards) == 1 else files
    for file, shard in zip(files, shards, strict=True):
        save_tensors(shard, folder / file, {"format": "pt"})
    if len(shards) == 1:
        return files
    places = {name: file for file, shard in zip(files, shards, strict=True) for name in shard}
    index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": places}
    write_atomically(folder / f"{ONE_FILE}.index.json", json.dumps(index, indent=1).encode())
    return [*files, f"{ONE_FILE}.index.json"]


def why_no_weights(folder: Path, name: str) -> str:
    """What to say about a folder without the file `name`."""
    if not folder.is_dir():
        return "there is no such folder; check the path or fetch the checkpoint first"
    files = sorted(path.name for path in folder.iterdir())
    pickles = [file for file in files if Path(file).suffix in PICKLES]
    if pickles:
        return (
            f"the weights are there as a pickle only ({pickles[0]}), which can run code when it is read; "
            f"fetch a revision that has {name}, or convert it where you trust it"
        )
    return f"{name} is missing (the folder holds {', '.join(files[:5]) or 'nothing'}); fetch the checkpoint again"


def open_module(make: Callable[[], M], tensors: Mapping[str, Tensor], table: KeyTable | None, where: str) -> M:
    """The module that `make` builds, with `tensors` renamed by `table` as its parameters, strictly both ways.

    Without a table the names are the module's own already.

    It is built without memory and adopts what was read, in float32, so opening costs one reading of the file.
    Parameters without elements (the class token of a tower that has none) are not expected in the checkpoint.
    """
    with without_memory():
        module = make()
    empty = {name: torch.zeros(t.shape) for name, t in module.state_dict().items() if not t.numel()}
    wanted = set(module.state_dict()) - set(empty)
    mapped = dict(tensors) if table is None else map_keys(tensors, table, wanted, where)
    adopt_tensors(module, mapped | empty, where)
    return module.eval()


def names_for_hf(module: nn.Module, table: KeyTable) -> dict[str, Tensor]:
    """The tensors of `module` under the names of `table`: what `open_module` read, bit for bit."""
    return unmap_keys({name: t for name, t in module.state_dict().items() if t.numel()}, table)
