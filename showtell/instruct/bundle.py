"""A model on disk: everything that is needed to ask it, and nothing that is code.

config.json          architecture, sizes, preprocessing, location codec, template   -> BundleConfig
model.safetensors    weights (float16 on disk, float32 in memory)
tokenizer.json       vocabulary and control tokens
card.json            what it was trained on, how, and its scores
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from showtell.core.checkpoint import load_module, save_module, write_atomically
from showtell.core.config import from_dict, to_dict
from showtell.core.errors import CheckpointError, ConfigError
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.images.processor import Processor, ProcessorConfig
from showtell.instruct.template import Template, TemplateConfig
from showtell.text.coordinates import LocationCodec
from showtell.text.tokenizer import Tokenizer

Architecture = Literal["showtell-prefix-vlm"]


@dataclass(frozen=True, kw_only=True)
class BundleConfig:
    """What config.json holds.

    architecture: which class the weights belong to.
    model, processor, codec, template: the model and everything between it and the outside.
    """

    architecture: Architecture
    model: PrefixVLMConfig
    processor: ProcessorConfig
    codec: LocationCodec = field(default_factory=LocationCodec)
    template: TemplateConfig = field(default_factory=TemplateConfig)


@dataclass(frozen=True)
class Bundle:
    """A model with its preprocessing, template and card, ready to be asked."""

    config: BundleConfig
    model: PrefixVLM
    processor: Processor
    template: Template
    card: dict[str, Any]


def assemble(config: BundleConfig, model: PrefixVLM, tokenizer: Tokenizer, card: dict[str, Any]) -> Bundle:
    """Put the parts of a model together."""
    template = Template(config.template, tokenizer, config.codec)
    return Bundle(config, model, Processor(config.processor), template, card)


def save_bundle(bundle: Bundle, folder: Path, dtype: torch.dtype | None = torch.float16) -> None:
    """Write the four files; each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    save_module(bundle.model, folder / "model.safetensors", dtype=dtype)
    bundle.template.tokenizer.save(folder / "tokenizer.json")
    for name, content in (("config.json", to_dict(bundle.config)), ("card.json", bundle.card)):
        write_atomically(folder / name, (json.dumps(content, indent=1) + "\n").encode())


def load_bundle(folder: Path) -> Bundle:
    """Read a folder written by `save_bundle`.

    Raises CheckpointError naming the file that is missing, damaged, or does not fit the others.
    """
    try:
        config = from_dict(BundleConfig, read_json(folder / "config.json"))
    except ConfigError as error:
        raise CheckpointError(f"{folder / 'config.json'}: {error}") from error
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    if len(tokenizer) != config.model.decoder.vocab_size:
        raise CheckpointError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens, the model {config.model.decoder.vocab_size}; "
            "they belong to different models"
        )
    model = PrefixVLM(config.model)
    load_module(model, folder / "model.safetensors")
    card = folder / "card.json"
    return assemble(config, model.eval(), tokenizer, read_json(card) if card.exists() else {"name": folder.name})


def read_json(path: Path) -> Any:
    """Contents of a JSON file; CheckpointError when it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing; the folder is not a model saved by showtell") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}); fetch the model again") from error
