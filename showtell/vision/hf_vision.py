"""What the published towers have in common: names inside a layer, sizes in their configuration, how they are opened.

    folder -> config.json -> config_from_hf -> ViTConfig -> VisionTransformer without memory
           -> *.safetensors -> KEYS -> its parameters

Two sets of names cover nearly all of them: those of CLIP (also SigLIP, and the text towers of both) and those of the
first ViT (also DINOv2 and MAE). A family file adds its embeddings, its norms and its switches.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import names_for_hf, open_module, read_json, read_tensors
from showtell.core.keymap import KeyTable, Target, prefixed, without_prefix
from showtell.vision.vit import VisionTransformer, ViTConfig

CLIP_LAYERS: dict[str, Target] = {
    "encoder.layers.{}.layer_norm1": "blocks.{}.norm1",
    "encoder.layers.{}.layer_norm2": "blocks.{}.norm2",
    "encoder.layers.{}.self_attn.q_proj": "blocks.{}.attn.q",
    "encoder.layers.{}.self_attn.k_proj": "blocks.{}.attn.k",
    "encoder.layers.{}.self_attn.v_proj": "blocks.{}.attn.v",
    "encoder.layers.{}.self_attn.out_proj": "blocks.{}.attn.o",
    "encoder.layers.{}.mlp.fc1": "blocks.{}.mlp.up",
    "encoder.layers.{}.mlp.fc2": "blocks.{}.mlp.down",
    "embeddings.position_ids": None,  # 0, 1, 2, ... in older files
}
VIT_ATTENTION: dict[str, Target] = {
    "encoder.layer.{}.attention.attention.query": "blocks.{}.attn.q",
    "encoder.layer.{}.attention.attention.key": "blocks.{}.attn.k",
    "encoder.layer.{}.attention.attention.value": "blocks.{}.attn.v",
    "encoder.layer.{}.attention.output.dense": "blocks.{}.attn.o",
}


def read_vision_config(folder: Path) -> dict[str, Any]:
    """The tower's part of `config.json`: its `vision_config` where the folder holds a larger model."""
    whole = read_json(folder / "config.json")
    inner = whole.get("vision_config", whole)
    if not isinstance(inner, dict):
        raise ConfigError(f"{folder / 'config.json'}: vision_config holds {inner!r}, not a mapping of fields")
    return inner


def open_tower(folder: Path, config: ViTConfig, table: KeyTable, prefix: str) -> VisionTransformer:
    """The tower in `folder`; where its names begin with `prefix`, what is beside it there is another model's part."""
    tensors = without_prefix(read_tensors(folder), prefix)
    return open_module(lambda: VisionTransformer(config), tensors, table, str(folder))


def tower_to_hf(model: VisionTransformer, table: KeyTable, prefix: str) -> dict[str, Tensor]:
    """Its tensors under the published names, with `prefix` before each."""
    return names_for_hf(model, prefixed(table, theirs=prefix))


def sides(fields: Mapping[str, Any], name: str, default: int | None = None) -> tuple[int, int]:
    """(height, width) from a field that holds one number or two; raises ConfigError for anything else."""
    value = fields.get(name, default)
    pair = (value, value) if isinstance(value, int) else value
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair):
        raise ConfigError(f"{name}: {value!r} is neither a side in pixels nor (height, width)")
    return pair[0], pair[1]


def side(fields: Mapping[str, Any], name: str = "patch_size", default: int | None = None) -> int:
    """The side of a square; raises ConfigError for two unequal numbers."""
    height, width = sides(fields, name, default)
    if height != width:
        raise ConfigError(f"{name}: {[height, width]} is not square; only square ones are supported")
    return height


def shape_of(fields: Fields, dim: int = 768, depth: int = 12, heads: int = 12) -> dict[str, Any]:
    """`dim`, `depth` and `heads`, with the family's defaults for what the file does not say."""
    return {
        "dim": fields.size("hidden_size", dim),
        "depth": fields.size("num_hidden_layers", depth),
        "heads": fields.size("num_attention_heads", heads),
    }
