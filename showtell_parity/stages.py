"""Stages: what two implementations of one checkpoint can be compared on, under the same names and in the same order.

    decoded pixels -> resized pixels -> pixel values ─► vision.patches -> vision.embedded -> vision.blocks.0 ... ─┐
                    prompt ids ──► text.embedded -> text.blocks.0 ... -> logits     ◄──────────────  connector ◄──┘

Blocks are found by where they stand: a numbered child of a list, on the vision side if its path or its model says so.
What enters the first block of a side is its `embedded`: class token, positions and the first norm are then in.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

Stages = dict[str, Tensor]
NUMBERED = re.compile(r"(?:^|\.)(?:blocks|layers?|h)\.(\d+)$")
ASIDE = (
    "resampler",
    "qformer",
    "decoder_layers",
    "merger",
)  # lists of layers that are neither tower nor language model
PATCHES = ("vision.patches", "patches", "patch_embedding", "patch_embeddings.projection", "patch_embed.proj")
CONNECTORS = ("connector", "multi_modal_projector", "aligner")
PARTS = {  # inside a block, ours and theirs; recorded as "vision.blocks.0/attn", to say where in a block sides part
    "norm1": ("norm1", "layer_norm1", "layernorm_before", "input_layernorm"),
    "attn": ("attn", "self_attn", "attention"),
    "norm2": ("norm2", "layer_norm2", "layernorm_after", "post_attention_layernorm"),
    "mlp": ("mlp",),
}
ORDER = ("decoded pixels", "resized pixels", "pixel values", "prompt ids", "vision", "connector", "text", "logits")


def place(stage: str) -> tuple[int, int]:
    """Where a stage stands in the order."""
    head, _, tail = stage.partition(".")
    number = tail.rpartition(".")[2]
    return ORDER.index(head), int(number) if number.isdigit() else ("patches", "embedded", "").index(tail) - 3


def block_names(model: nn.Module, all_vision: bool) -> dict[str, str]:
    """Module path -> stage name of every block; `all_vision` for a model that is nothing but a tower."""
    found = {}
    for path, module in model.named_modules():
        numbered = NUMBERED.search(path)
        idle = type(module).__name__ == "IdleBlock"  # a block after the last one that is read: never run here
        if numbered is None or idle or any(word in path for word in ASIDE):
            continue
        side = "vision" if all_vision or "vision" in path or "visual" in path else "text"
        found[path] = f"{side}.blocks.{numbered[1]}"
    return found


@contextmanager
def listening(model: nn.Module, all_vision: bool) -> Iterator[Stages]:
    """Record the blocks, what enters the first of them, and the connector while the model runs."""
    seen: Stages = {}
    names = block_names(model, all_vision)
    # Where a resampler follows the bridge, the reference counts it as part of it.
    connectors = ("resampler",) if "resampler" in dict(model.named_children()) else CONNECTORS
    handles = []
    for path, module in model.named_modules():
        if path in names:
            handles.append(module.register_forward_hook(keep(seen, names[path])))
            for part, spelled in PARTS.items():
                inside = next((child for name, child in module.named_children() if name in spelled), None)
                if inside is not None:
                    handles.append(inside.register_forward_hook(keep(seen, f"{names[path]}/{part}")))
            if names[path].endswith(".0"):
                side = names[path].partition(".")[0]
                handles.append(module.register_forward_pre_hook(keep_input(seen, f"{side}.embedded"), with_kwargs=True))
        elif path.endswith(PATCHES):
            handles.append(module.register_forward_hook(keep(seen, "vision.patches")))
        elif path.rpartition(".")[2] in connectors:
            handles.append(module.register_forward_hook(keep(seen, "connector")))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def keep(seen: Stages, name: str) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        tensor = output[0] if isinstance(output, tuple) else output
        if isinstance(tensor, Tensor):
            seen.setdefault(name, tensor.detach().float())

    return hook


def keep_input(seen: Stages, name: str) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        tensor = inputs[0] if inputs else named["hidden_states"]
        seen.setdefault(name, tensor.detach().float())

    return hook


def plain_ids(vocabulary: int, count: int = 7) -> list[int]:
    """Ids for a checkpoint without tokenizer."""
    return [(11 * i + 5) % vocabulary for i in range(count)]
