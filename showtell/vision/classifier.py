"""A tower with a linear classifier, as published for ImageNet.

class token -> linear -> logits                               ViT
[class token | mean of patch tokens] -> linear -> logits      DINOv2 (`with_mean`)
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from showtell.core.errors import CheckpointError
from showtell.core.hf_folder import open_module
from showtell.core.keymap import KeyTable, Target
from showtell.vision.vit import VisionTransformer, ViTConfig

HEAD: dict[str, Target] = {"classifier": "head"}


class VisionClassifier(nn.Module):
    """Pixels to scores; `labels[i]` is what score i stands for."""

    def __init__(self, config: ViTConfig, labels: tuple[str, ...], with_mean: bool = False):
        super().__init__()
        self.labels = labels
        self.vision = VisionTransformer(replace(config, pooling="class"))
        self.summarise = class_and_mean if with_mean else class_only
        self.head = nn.Linear(config.dim * (2 if with_mean else 1), len(labels))

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch labels"]:
        out = self.vision(pixels)
        return self.head(self.summarise(out.pooled, out.tokens))

    @classmethod
    def open(
        cls,
        config: ViTConfig,
        data: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
        table: KeyTable,
        where: str,
        with_mean: bool = False,
    ) -> "VisionClassifier":
        """From a published checkpoint; `data` is its configuration, whose `id2label` names the classes."""
        if "classifier.weight" not in tensors:
            raise CheckpointError(f"{where}: there is no classifier in this checkpoint; load the tower alone")
        named = data.get("id2label") or {}
        labels = tuple(str(named.get(str(i), f"LABEL_{i}")) for i in range(len(tensors["classifier.weight"])))
        return open_module(lambda: cls(config, labels, with_mean), tensors, {**table, **HEAD}, where)


def class_only(pooled: Float[Tensor, "batch dim"], tokens: Float[Tensor, "batch tokens dim"]) -> Tensor:
    return pooled


def class_and_mean(pooled: Float[Tensor, "batch dim"], tokens: Float[Tensor, "batch tokens dim"]) -> Tensor:
    return torch.cat([pooled, tokens.mean(dim=1)], dim=1)  # (batch, 2 * dim)
