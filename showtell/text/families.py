"""Every published decoder this library reads: one table from `model_type` in config.json to its family.

load_decoder(folder) -> Decoder             what differs from one family to the next stands at the top of its file
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from showtell.core.errors import CheckpointError
from showtell.core.hf_config import Fields
from showtell.core.keymap import KeyTable
from showtell.text import gemma, llama, qwen
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.hf_decoder import open_decoder, read_fields


@dataclass(frozen=True)
class Family:
    """How one family reads its configuration and names its tensors."""

    config_from_hf: Callable[[Mapping[str, Any]], DecoderConfig]
    keys: Callable[[DecoderConfig], KeyTable]
    to_hf: Callable[[Decoder], dict[str, Tensor]]


LLAMA = Family(llama.config_from_hf, lambda config: llama.KEYS, llama.to_hf)
QWEN = Family(qwen.config_from_hf, lambda config: qwen.KEYS, qwen.to_hf)
GEMMA = Family(gemma.config_from_hf, gemma.keys, gemma.to_hf)
FAMILIES = {"llama": LLAMA, "qwen2": QWEN, "qwen3": QWEN, "gemma": GEMMA, "gemma2": GEMMA}


def family_of(fields: Fields) -> Family:
    """The family that `model_type` names; CheckpointError when there is none of that name here."""
    declared = fields.data.get("model_type")
    if not isinstance(declared, str) or declared not in FAMILIES:
        raise CheckpointError(
            f"config.json declares the language model {declared!r}; known here: {', '.join(FAMILIES)}"
        )
    return FAMILIES[declared]


def load_decoder(folder: Path, dtype: torch.dtype = torch.float32) -> Decoder:
    """The language model of a folder in Hugging Face layout, whatever its family."""
    fields = read_fields(folder)
    family = family_of(fields)
    config = family.config_from_hf(fields.data)
    return open_decoder(folder, config, family.keys(config), dtype)
