"""A decoder out of a GGUF file: its entries become a `DecoderConfig`, its tensors the parameters.

    llama.embedding_length = 576        -> dim               blk.3.attn_q.weight   -> blocks.3.attn.q.weight
    llama.attention.head_count_kv = 3   -> kv_heads          token_embd.weight     -> embedding.weight

ggml's "llama" rotates neighbouring dimensions of a head (0 with 1, 2 with 3, ...) where this library, like Hugging
Face's files, pairs dimension i with i + head_dim/2. The converter that wrote the file has therefore reordered the rows
of q and k; `interleaved_to_halves` puts them back. The Qwen architectures pair halves in ggml too. Gemma is not read
from GGUF: its converter folds the 1 + weight of the norms into the weights.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from showtell.core.errors import CheckpointError
from showtell.core.gguf import GGUFFile
from showtell.core.hf_config import Fields
from showtell.core.keymap import Target
from showtell.core.rope import RopeScaling
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.hf_decoder import build_decoder

KEYS: dict[str, Target] = {
    "token_embd": "embedding",
    "blk.{}.attn_norm": "blocks.{}.norm1",
    "blk.{}.attn_q": "blocks.{}.attn.q",
    "blk.{}.attn_k": "blocks.{}.attn.k",
    "blk.{}.attn_v": "blocks.{}.attn.v",
    "blk.{}.attn_output": "blocks.{}.attn.o",
    "blk.{}.attn_q_norm": "blocks.{}.attn.q_norm",
    "blk.{}.attn_k_norm": "blocks.{}.attn.k_norm",
    "blk.{}.ffn_norm": "blocks.{}.norm2",
    "blk.{}.ffn_gate": "blocks.{}.mlp.gate",
    "blk.{}.ffn_up": "blocks.{}.mlp.up",
    "blk.{}.ffn_down": "blocks.{}.mlp.down",
    "output_norm": "norm",
    "output": "head",
    "rope_freqs": None,  # read into the configuration
}
ARCHITECTURES = ("llama", "qwen2", "qwen3")


def config_from_gguf(file: GGUFFile) -> DecoderConfig:
    """The configuration of the decoder in the file.

    Raises CheckpointError for an architecture that is not read here and ConfigError for a field that is missing.
    """
    architecture = file.entries.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise CheckpointError(
            f"{file.path} declares the architecture {architecture!r}; read from GGUF here: {', '.join(ARCHITECTURES)}"
        )
    fields = Fields(entries_of(file.entries, architecture), f"{architecture}.")
    fields.only("expert_count", 0)
    dim, heads = fields.size("embedding_length"), fields.size("attention.head_count")
    head_dim = fields.size("attention.key_length", fields.size("rope.dimension_count", dim // heads))
    fields.only("rope.dimension_count", head_dim)
    fields.only("attention.value_length", head_dim)
    depth = sum(name.startswith("blk.") and name.endswith(".attn_norm.weight") for name in file.headers)
    fields.only("block_count", depth)
    vocabulary = file.headers["token_embd.weight"].shape[0] if "token_embd.weight" in file.headers else 0
    biased = {name: f"blk.0.attn_{name}.bias" in file.headers for name in ("q", "output")}
    return DecoderConfig(
        vocab_size=vocabulary,
        dim=dim,
        depth=depth,
        heads=heads,
        kv_heads=fields.size("attention.head_count_kv", heads),
        head_dim=head_dim,
        mlp_dim=fields.size("feed_forward_length"),
        norm_eps=fields.number("attention.layer_norm_rms_epsilon"),
        rope_base=fields.number("rope.freq_base", 10_000.0),
        rope_scaling=scaling_of(file, fields),
        tied="output.weight" not in file.headers,
        attention_bias=biased["q"],
        attention_out_bias=biased["output"],
        qk_norm="blk.0.attn_q_norm.weight" in file.headers,
    )


def entries_of(entries: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    """The entries that describe the architecture, without its name before them."""
    prefix = f"{architecture}."
    return {key.removeprefix(prefix): value for key, value in entries.items() if key.startswith(prefix)}


def scaling_of(file: GGUFFile, fields: Fields) -> RopeScaling | None:
    """How the rotary frequencies are stretched: a list of divisors, one factor, or not at all."""
    if "rope_freqs.weight" in file.headers:
        return RopeScaling(kind="listed", divisors=tuple(file.tensor("rope_freqs.weight").tolist()))
    fields.only("rope.scaling.type", "none", "linear")
    if fields.data.get("rope.scaling.type") == "linear":
        return RopeScaling(kind="linear", factor=fields.number("rope.scaling.factor"))
    return None


def interleaved_to_halves(weight: Float[Tensor, "rows ..."], head_dim: int) -> Float[Tensor, "rows ..."]:
    """Rows of each head from the order 0, h/2, 1, h/2 + 1, ... back to 0, 1, 2, ..."""
    return weight.unflatten(0, (-1, head_dim // 2, 2)).transpose(1, 2).flatten(0, 2)


def load_gguf_decoder(file: GGUFFile, dtype: torch.dtype = torch.float32) -> Decoder:
    """The decoder in the file, its weights unpacked to `dtype`."""
    config = config_from_gguf(file)
    tensors = file.tensors()
    if file.entries["general.architecture"] == "llama" and config.head_dim:
        for name, tensor in tensors.items():
            if ".attn_q." in name or ".attn_k." in name:
                if tensor.shape[0] % config.head_dim:
                    raise CheckpointError(f"{file.path}: the {tensor.shape[0]} rows of {name} are not whole heads")
                tensors[name] = interleaved_to_halves(tensor, config.head_dim)
    return build_decoder(config, tensors, KEYS, str(file.path), dtype)
