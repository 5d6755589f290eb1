"""The image tower of SigLIP 2 at native size, "NaFlex" (Tschannen et al. 2025): any shape, a bounded number of patches.

    picture, resized to whole patches, at most n of them  ->  list of flattened patches, padded to n; its (rows, cols)

    patches (batch, n, patch^2 * 3) -> linear -> + positions of that picture's grid -> blocks that do not see padding

It differs from SigLIP (`siglip.py`) in two places. Patches arrive as a list, so that pictures of different shapes share
a batch; a patch is flattened row by row with its colours innermost, and the linear layer is stored for that order. And
the one square table of positions is resampled for every picture, bilinearly and with the kernel widened where the grid
shrinks. SigLIP 2 at a fixed size *is* a SigLIP and declares itself as one. Cutting a picture into the list is
`patch_list`; resizing it before is the image processor's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from showtell.core.errors import ConfigError
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, open_module, read_tensors
from showtell.core.keymap import Target, without_prefix
from showtell.vision import siglip
from showtell.vision.hf_vision import read_vision_config, shape_of, side, tower_to_hf
from showtell.vision.vit import VisionOutput, VisionTransformer, ViTConfig

PREFIX = siglip.PREFIX
KEYS: dict[str, Target] = siglip.KEYS


@dataclass(frozen=True)
class PatchList:
    """Pictures of any shape as lists of patches.

    patches: (batch, n, patch^2 * 3); behind the last patch of a picture its values do not matter.
    grids: (rows, cols) of each picture, rows * cols <= n.
    """

    patches: Tensor
    grids: tuple[tuple[int, int], ...]

    @property
    def valid(self) -> Bool[Tensor, "batch n"]:
        """False at padding."""
        counts = torch.tensor([rows * cols for rows, cols in self.grids], device=self.patches.device)
        return torch.arange(self.patches.shape[1], device=self.patches.device) < counts[:, None]


def patch_list(pictures: Sequence[Float[Tensor, "3 _ _"]], patch_size: int, length: int) -> PatchList:
    """Cut pictures, whose sides are whole patches, into lists of `length` patches.

    Raises ConfigError when a picture has more patches than that.
    """
    patches = torch.zeros(len(pictures), length, patch_size * patch_size * 3)
    grids = tuple((picture.shape[1] // patch_size, picture.shape[2] // patch_size) for picture in pictures)
    for row, picture, (rows, cols) in zip(patches, pictures, grids, strict=True):
        if rows * cols > length:
            raise ConfigError(f"a picture of {rows} x {cols} patches does not fit into a list of {length}")
        cells = picture.unflatten(2, (cols, patch_size)).unflatten(1, (rows, patch_size))  # (3, rows, p, cols, p)
        row[: rows * cols] = cells.permute(1, 3, 2, 4, 0).flatten(2).flatten(0, 1)  # (rows * cols, p * p * 3)
    return PatchList(patches, grids)


class PatchLinear(nn.Module):
    """A patch that is already cut out, to a token."""

    def __init__(self, patch_size: int, dim: int):
        super().__init__()
        self.projection = nn.Linear(patch_size * patch_size * 3, dim)

    def forward(self, patches: Float[Tensor, "batch n values"]) -> Float[Tensor, "batch n dim"]:
        return self.projection(patches)


class NaFlexTransformer(VisionTransformer):
    """The vision transformer over lists of patches; `grid` of its output is (1, n), the list."""

    def __init__(self, config: ViTConfig):
        super().__init__(config)
        self.patches = PatchLinear(config.patch_size, config.dim)

    def forward(self, pictures: PatchList) -> VisionOutput:  # type: ignore[override]  # a list is not a picture
        x = self.patches(pictures.patches)  # (batch, n, dim)
        x = x + torch.stack([self.padded_positions(grid, x.shape[1]) for grid in pictures.grids])
        return self.encode(x, (1, x.shape[1]), pictures.valid)

    def padded_positions(self, grid: tuple[int, int], length: int) -> Float[Tensor, "length dim"]:
        """Positions of one picture's grid; padding repeats the first, as the reference does."""
        positions = self.positions_for(grid)
        return torch.cat([positions, positions[:1].expand(length - len(positions), -1)])


def config_from_hf(data: Mapping[str, Any], feature_layer: int | None = None) -> ViTConfig:
    """Of a `Siglip2VisionConfig`; raises ConfigError for a value this library does not have."""
    fields = Fields(data)
    fields.only("num_channels", 3)
    patch, count = side(data, "patch_size", 16), fields.size("num_patches", 256)
    if isqrt(count) ** 2 != count:
        raise ConfigError(f"num_patches: {count} is not the number of cells of a square table of positions")
    return ViTConfig(
        image_size=(isqrt(count) * patch, isqrt(count) * patch),
        patch_size=patch,
        mlp_dim=fields.size("intermediate_size", 3072),
        activation=fields.choice("hidden_act", ACTIVATIONS, "gelu_pytorch_tanh"),
        norm_eps=fields.number("layer_norm_eps", 1e-6),
        position_kernel="bilinear_antialias",
        pooling="attention" if fields.flag("vision_use_head", True) else "mean",
        feature_layer=feature_layer,
        **shape_of(fields),
    )


BASE_16 = config_from_hf({})
SO400M_16 = config_from_hf(
    {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
)


def load(folder: str | Path, feature_layer: int | None = None) -> NaFlexTransformer:
    """The tower of a folder that holds it alone or inside a whole SigLIP 2."""
    folder = Path(folder)
    config = config_from_hf(read_vision_config(folder), feature_layer)
    return open_module(
        lambda: NaFlexTransformer(config), without_prefix(read_tensors(folder), PREFIX), KEYS, str(folder)
    )


def to_hf(model: NaFlexTransformer, prefix: str = PREFIX) -> dict[str, Tensor]:
    """The published names; `prefix=""` for a file that holds the tower alone."""
    return tower_to_hf(model, KEYS, prefix)
