"""A vision-language model grafted from two published checkpoints: on disk, only what was learned in between.

config.json                  which checkpoints (name, checksum), connector, picture      -> GraftConfig
connector.safetensors        the bridge                                                   (float16 on disk)
adapter_config.json          a LoRA on the decoder in PEFT's layout; absent after stage 1
adapter_model.safetensors
card.json                    what it was trained on, how, and its scores

    tower  ──► connector ──► decoder + adapter (merged when loaded)            a few MB here, 118 MB there

The checkpoints themselves are brought once by `showtell fetch` and checked (`core/registry.py`); `load.py` finds them.
In memory it is a published model like any other: its own processor, tokenizer and chat format.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from showtell.core.checkpoint import load_module, save_module, write_atomically
from showtell.core.config import from_dict, to_dict
from showtell.core.errors import CheckpointError, ConfigError
from showtell.core.lora import lora_layers, merge_lora
from showtell.core.lora_files import CONFIG as ADAPTER
from showtell.core.lora_files import load_adapter, save_adapter
from showtell.fusion.connectors import ConnectorConfig, make_connector
from showtell.fusion.prefix_vlm import Prefix
from showtell.fusion.sight import FixedSight, one_run
from showtell.images.fixed import FixedConfig, FixedProcessor
from showtell.images.levels import Levels
from showtell.images.steps import Stretch
from showtell.instruct.bundle import read_json
from showtell.instruct.published import Published
from showtell.text import llama
from showtell.text.chat import ChatFormat
from showtell.text.decoder import Decoder
from showtell.text.tokenizer import Tokenizer
from showtell.vision.efficientnet import EfficientNet
from showtell.vision.pyramid_tokens import PyramidTokens

Architecture = Literal["showtell-grafted-vlm"]


@dataclass(frozen=True, kw_only=True)
class Base:
    """A checkpoint that is not in the folder.

    name: one of those that `showtell fetch` knows.
    sha256: of its file.
    """

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class GraftConfig:
    """What config.json holds.

    vision, decoder: the two checkpoints.
    connector: the bridge between them.
    image_size: side of the square that every picture is stretched to.
    image_token: control token of the decoder's vocabulary that stands for an image token.
    """

    architecture: Architecture = "showtell-grafted-vlm"
    vision: Base
    decoder: Base
    connector: ConnectorConfig
    image_size: int
    image_token: str


@dataclass(frozen=True, eq=False)
class Bases:
    """The two checkpoints, open.

    levels: from grey levels to what the tower was trained on.
    """

    tower: PyramidTokens
    levels: Levels
    decoder: Decoder
    tokenizer: Tokenizer
    chat: ChatFormat

    @classmethod
    def of(cls, vision: Published, language: Published) -> "Bases":
        """Raises ConfigError when they are not a convolutional tower and a language model that chats."""
        tower, decoder = vision.model, language.model
        if not isinstance(tower, EfficientNet) or not isinstance(vision.processor, FixedProcessor):
            raise ConfigError(f"{vision.name}: an EfficientNet with its processor is needed, this is a {vision.kind}")
        if not isinstance(decoder, Decoder) or language.tokenizer is None or language.chat is None:
            raise ConfigError(f"{language.name}: a language model that chats is needed, this is a {language.kind}")
        levels = vision.processor.config.levels
        return cls(PyramidTokens(tower).eval(), levels, decoder, language.tokenizer, language.chat)

    def processor(self, image_size: int) -> FixedProcessor:
        """The whole picture as a square: nothing at its sides is cut off, and left stays left."""
        square = Stretch(height=image_size, width=image_size)
        return FixedProcessor(FixedConfig(steps=(square,), levels=self.levels))

    def connector(self, config: ConnectorConfig) -> nn.Module:
        """A bridge that fits between the two."""
        return make_connector(config, self.tower.dim, self.decoder.config.dim)


def image_tokens(image_size: int) -> int:
    """Tokens of a picture: cells of the coarsest level."""
    return (image_size // 32) ** 2


def save_graft(
    folder: Path, config: GraftConfig, connector: nn.Module, decoder: Decoder, base: str, card: dict[str, Any]
) -> None:
    """Write the files; `base` is what the decoder's checkpoint is called in PEFT's file."""
    folder.mkdir(parents=True, exist_ok=True)
    save_module(connector, folder / "connector.safetensors", dtype=torch.float16)
    if lora_layers(decoder):
        save_adapter(decoder, llama.KEYS, folder, base, torch.float16)
    for name, content in (("config.json", to_dict(config)), ("card.json", card)):
        write_atomically(folder / name, (json.dumps(content, indent=1) + "\n").encode())


def read_config(folder: Path) -> GraftConfig:
    """The configuration in a folder; raises CheckpointError when it is missing or damaged."""
    try:
        return from_dict(GraftConfig, read_json(folder / "config.json"))
    except ConfigError as error:
        raise CheckpointError(f"{folder / 'config.json'}: {error}") from error


def load_graft(folder: Path, name: str, bases: Bases) -> Published:
    """The model of a folder over its two checkpoints, which become part of it.

    Raises CheckpointError naming the file that is missing, damaged, or does not fit the others.
    """
    config = read_config(folder)
    connector = bases.connector(config.connector)
    load_module(connector, folder / "connector.safetensors")
    if (folder / ADAPTER).is_file():
        load_adapter(bases.decoder, llama.KEYS, folder)
        merge_lora(bases.decoder)
    model = Prefix(bases.tower, connector, bases.decoder, bases.tokenizer.id(config.image_token)).eval()
    processor = bases.processor(config.image_size)
    card = folder / "card.json"
    return Published(
        name=name,
        kind="vision-language model",
        family=config.architecture,
        model=model,
        processor=processor,
        tokenizer=bases.tokenizer,
        chat=bases.chat,
        sight=FixedSight(model, processor, one_run(image_tokens(config.image_size))),
        config=to_dict(config),
        about=read_json(card) if card.is_file() else {},
    )
