"""`env` and `card`: what this installation is, and what a model says about itself."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from showtell.cli import console
from showtell.cli.options import Json
from showtell.cli.scores import matrix

Card = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="NAME", help="The embedded model (pocket), a checkpoint folder, or a hub id."),
]
PACKAGES = ("showtell", "torch", "numpy", "safetensors", "tokenizers", "pillow", "huggingface_hub", "transformers")


def env(json: Json = False) -> int:
    """Versions, threads, processor and cache folders: what a bug report needs."""
    import torch

    found = {
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "folders": {"showtell": str(Path(__file__).parents[1]), "hub_cache": str(_hub_cache())},
    }
    if json:
        console.emit(found)
    else:
        _table(found)
    return 0


def card(model: Card = "pocket", /, json: Json = False) -> int:
    """What a model was trained on, what it can do, and its scores."""
    from showtell.load import load

    found = load(model).card
    if json:
        console.emit(found)
    else:
        scores = found.get("scores", {})
        tree = Tree(Text(str(found.get("name", model)), style="bold"), guide_style="dim")
        _grow(tree, {key: value for key, value in found.items() if key != "scores" or "splits" not in scores})
        console.out.print(tree, soft_wrap=False)  # long lines fold under their branch
        if "splits" in scores:
            console.out.print(matrix(scores["splits"]))
            console.out.print(Text(f"{scores['pictures']} held-out pictures a split; showtell eval repeats it", "dim"))
    return 0


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name: Linux tells it in /proc, other systems through `platform`."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _hub_cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def _table(values: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for key, value in values.items():
        for inner, shown in value.items() if isinstance(value, Mapping) else [("", value)]:
            label = f"{key} {inner}".strip().replace("_", " ")
            table.add_row(Text(label, style="dim"), Text(_shown(shown)))
    console.out.print(table)


def _grow(tree: Tree, value: Any) -> None:
    """Nested dicts become branches; a list of plain values becomes one line."""
    for key, inner in value.items():
        label = Text(str(key).replace("_", " "), style="cyan")
        if isinstance(inner, Mapping) and not _is_score(inner):
            _grow(tree.add(label), inner)
        else:
            tree.add(Text.assemble(label, "  ", _shown(inner)))


def _is_score(value: Mapping[str, Any]) -> bool:
    """A small flat dict, such as {"value", "low", "high", "n"}, reads best on one line."""
    return len(value) <= 5 and all(isinstance(inner, int | float) for inner in value.values())


def _shown(value: Any) -> str:
    if value is None:
        return "not installed"
    if isinstance(value, Mapping):
        return "  ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_shown(inner) for inner in value) or "none"
    return str(value)
