"""`st.load(x)`: one table from what a checkpoint says it is to the code that loads it.

    "pocket"       the model inside the package
    a folder       config.json names its architecture

Nothing is ever chosen by a folder's *name*.
"""

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from showtell.core.errors import CheckpointError
from showtell.instruct.assistant import Assistant
from showtell.instruct.bundle import load_bundle, read_json

LOADERS: dict[str, Callable[[Path, str], Assistant]] = {
    "showtell-prefix-vlm": lambda folder, name: Assistant(load_bundle(folder), name),
}


def load(name: str | Path) -> Assistant:
    """A model by name or folder.

    Raises CheckpointError when there is no such model, its files are damaged, or its architecture is not known.
    """
    if str(name) == "pocket":
        with as_file(files("showtell") / "pocket") as folder:
            return _load(folder, "pocket")
    folder = Path(name)
    if not folder.exists():
        raise CheckpointError(f"there is no model {str(name)!r}; give 'pocket' or a folder that holds a config.json")
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is a file; give the folder that holds config.json and model.safetensors")
    return _load(folder, folder.name)


def _load(folder: Path, name: str) -> Assistant:
    config: Any = read_json(folder / "config.json")
    declared = config.get("architecture") if isinstance(config, dict) else None
    if declared not in LOADERS:
        raise CheckpointError(
            f"{folder / 'config.json'} declares the architecture {declared!r}; known here: {', '.join(LOADERS)}"
        )
    return LOADERS[declared](folder, name)
