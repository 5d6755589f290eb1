"""Tensors cut over ranks, on disk: each rank writes its own part, and any number of ranks reads them back.

    rank 0 of 2   shard-00001-model-00001-of-00001.safetensors      rows 0 .. n/2 of every tensor, and their offsets
    rank 1 of 2   shard-00002-model-00001-of-00001.safetensors      rows n/2 .. n

This is torch.distributed.checkpoint with its safetensors files: nothing on disk is pickled, and what a tensor is cut
into when it is read need not be what it was cut into when it was written. Which tensors, and when a folder of them
counts as a checkpoint, is `engine/state.py` and `engine/saver.py`.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor

from showtell.core.errors import CheckpointError

PART = "shard-*.safetensors"


def save_parts(tensors: Mapping[str, Tensor], folder: Path, group: Any) -> None:
    """Write this rank's part of the tensors; every rank of the group has to call it with the same names."""
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    save(dict(tensors), storage_writer=writer, process_group=group)


def names_in_parts(folder: Path) -> set[str]:
    """Names of the tensors that were saved."""
    return set(_reader(folder).read_metadata().state_dict_metadata)


def load_parts(wanted: Mapping[str, Tensor], folder: Path, group: Any = None) -> None:
    """Fill tensors, cut or whole, from the parts of a folder; with a process group every rank has to call it.

    Raises CheckpointError when names or shapes differ.
    """
    from torch.distributed.checkpoint.state_dict_loader import load

    saved = _reader(folder).read_metadata().state_dict_metadata
    kinds = {name.partition(".")[0] for name in wanted}
    others = {name for name in saved if name.partition(".")[0] in kinds} - set(wanted)
    for names, verdict in ((set(wanted) - set(saved), "missing from the parts"), (others, "unknown to this run")):
        if names:
            raise CheckpointError(f"{folder}: {len(names)} tensors are {verdict}, first: {min(names)}")
    for name, tensor in wanted.items():
        if tensor.shape != saved[name].size:
            raise CheckpointError(
                f"{folder}: {name} has shape {list(saved[name].size)} where this run has {list(tensor.shape)}"
            )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.distributed is .*")  # a single process is meant here
        alone = not dist.is_initialized()
        load(dict(wanted), storage_reader=_reader(folder), process_group=group, no_dist=alone)


def _reader(folder: Path) -> Any:
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader

    return HuggingFaceStorageReader(str(folder))
