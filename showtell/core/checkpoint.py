"""Weights on disk: one safetensors file, read strictly and written atomically.

    save:   tensors -> name.tmp -> fsync -> rename          a reader sees the old file or the new one, never a half
    load:   names on disk == names in the module, shapes equal, else one CheckpointError that says which is not

Weights may be stored in half precision and are computed with in float32 after loading. Names are the module's own;
reading somebody else's names is `core/keymap.py`. The state of a running training (optimiser, step) is
`engine/state.py`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from showtell.core.errors import CheckpointError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content` so that a crash at any moment leaves the old or the new file, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save_tensors(tensors: Mapping[str, Tensor], path: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Write named tensors to one safetensors file, atomically."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A clone also separates views of one storage, which the format cannot hold.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, serialize(plain, metadata=metadata))


def load_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read every tensor of a safetensors file.

    Raises CheckpointError when the file is missing, truncated or not safetensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint file; check the path or train the model first")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({error}); fetch or save it again") from error


def module_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module by name, each tied tensor once, under the first of its names."""
    kept: dict[str, Tensor] = {}
    seen: set[tuple[int, torch.Size, tuple[int, ...], int]] = set()
    for name, tensor in module.state_dict(keep_vars=True).items():
        # A tensor without memory, or cut over processes, has no address of its own; it is tied only to itself.
        address = id(tensor) if tensor.is_meta or hasattr(tensor, "to_local") else tensor.data_ptr()
        identity = (address, tensor.shape, tensor.stride(), tensor.storage_offset())
        if tensor.numel() and identity in seen:
            continue
        seen.add(identity)
        kept[name] = tensor.detach()
    return kept


def save_module(
    module: nn.Module,
    path: str | Path,
    dtype: torch.dtype | None = None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write the parameters and persistent buffers of `module`.

    Args:
        dtype: storage type of floating tensors (`torch.float16`, `torch.bfloat16`); None keeps each as it is.
        metadata: short strings stored in the file's header.
    """
    tensors = module_tensors(module)
    if dtype is not None:
        tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
    save_tensors(tensors, path, metadata)


def load_module(module: nn.Module, path: str | Path) -> None:
    """Fill `module` from `path`; floating tensors take the dtype the module has (float32 unless it was changed).

    Raises CheckpointError for a missing or damaged file, a key too many, a key too few, or a wrong shape. The module
    is untouched unless everything fits.
    """
    fill_module(module, load_tensors(path), str(path))


def fill_module(module: nn.Module, tensors: Mapping[str, Tensor], where: str = "checkpoint") -> None:
    """`load_module` from tensors already in memory; `where` opens the error message."""
    wanted = module_tensors(module)
    check_fit(wanted, tensors, where)
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(tensors[name])


class _NothingDrawn(TorchFunctionMode):
    """`torch.nn.init` does nothing: drawing for tensors without memory would import a compiler, a second of work."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else given["tensor"]
        return func(*args, **given)


@contextmanager
def without_memory() -> Iterator[None]:
    """Modules built inside have parameters with shapes and no numbers, for `adopt_tensors` to replace."""
    with torch.device("meta"), _NothingDrawn():
        yield


def adopt_tensors(
    module: nn.Module, tensors: Mapping[str, Tensor], where: str = "checkpoint", dtype: torch.dtype = torch.float32
) -> None:
    """`fill_module` without a copy: the tensors become the parameters, floating ones in `dtype`.

    For a module without tied weights that was built under `without_memory()`, where nothing is drawn and no memory
    taken: a large model then opens in the time it takes to map its files.
    """
    check_fit(module.state_dict(), tensors, where)
    state = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
    module.load_state_dict(state, assign=True)


def check_fit(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], where: str) -> None:
    """Raise CheckpointError unless both have the same names and shapes."""
    for names, verdict in (
        (sorted(set(wanted) - set(tensors)), "missing from the file"),
        (sorted(set(tensors) - set(wanted)), "unknown to this architecture"),
    ):
        if names:
            raise CheckpointError(
                f"{where}: {len(names)} tensor{'s are' if len(names) > 1 else ' is'} {verdict}, "
                f"first: {', '.join(names[:3])}; the file belongs to another configuration"
            )
    for name, tensor in wanted.items():
        if tensor.shape != tensors[name].shape:
            raise CheckpointError(
                f"{where}: {name} has shape {list(tensors[name].shape)} where this architecture has "
                f"{list(tensor.shape)}; the file belongs to another configuration"
            )
