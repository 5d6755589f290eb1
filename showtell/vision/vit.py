"""The Vision Transformer (Dosovitskiy et al. 2021), the one architecture behind every tower of this library.

    pixels -> patches -> + positions -> [class | registers | patches] -> depth x block -> norm -> tokens, pooled

What families change is a switch of `ViTConfig`, consumed in `__init__`; `forward` has no branches. Not here: the
training objectives (`dense.py` and, later, self-distillation, masked), and the loading tables (one thin file a family:
`vit_hf.py`, `clip_vit.py`, `siglip.py`, `siglip2.py`, `dinov2.py`, `dinov3.py`, `vit_mae.py`).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from showtell.core.attention import AttentionConfig
from showtell.core.block import Block, BlockConfig
from showtell.core.errors import ConfigError
from showtell.core.mlp import Activation
from showtell.core.norms import make_norm
from showtell.core.rope import Rotation
from showtell.core.trace import Tap
from showtell.vision.patch_embed import ConvStem, PatchEmbed
from showtell.vision.pooling import Pooling, make_pooling
from showtell.vision.pos_embed import AxialRotary, NoRotary, PositionKernel, resample_positions, sincos_2d


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """Shape and switches of a vision transformer.

    image_size: (height, width) in pixels that the learned positions belong to.
    patch_size: side of a square patch in pixels.
    dim, depth, heads, mlp_dim: width, number of blocks, attention heads, hidden width of the MLP.
    stem: "linear" patches or a "conv" stem.
    patch_bias: whether linear patches have a bias.
    positions: "learned", fixed "sincos", or "rope": nothing is added, queries and keys are rotated by row and column.
    position_kernel: how learned positions reach another grid; see `resample_positions`.
    rope_base: base of the rotary frequencies.
    class_token: whether a learned token is put first.
    registers: number of learned tokens after it, which the network may write on (Darcet et al. 2023).
    mask_token: whether the tower carries the token that stands for a hidden patch in masked training.
    pre_norm: a norm between the embeddings and the first block.
    pooling: what `pooled` is, see `pooling.py`; None = the class token if there is one, else the mean of the patches.
    feature_layer: which hidden state `tokens` are, counted like Python indices over [embeddings, block 1, ..., block
        `depth`]; the last norm is then left out, and later blocks keep their weights but do not run. -2 is LLaVA's
        choice. None = after the last block and the norm.
    qkv_bias, key_bias: biases of q, k, v, and of k where it differs.
    activation, gated, mlp_bias, norm_eps, layer_scale: see `BlockConfig`.
    """

    image_size: tuple[int, int]
    patch_size: int
    dim: int
    depth: int
    heads: int
    mlp_dim: int
    stem: Literal["linear", "conv"] = "linear"
    patch_bias: bool = True
    positions: Literal["learned", "sincos", "rope"] = "learned"
    position_kernel: PositionKernel = "bicubic"
    rope_base: float = 100.0
    class_token: bool = False
    registers: int = 0
    mask_token: bool = False
    pre_norm: bool = False
    pooling: Pooling | None = None
    feature_layer: int | None = None
    qkv_bias: bool = True
    key_bias: bool | None = None
    activation: Activation = "gelu"
    gated: bool = False
    mlp_bias: bool = True
    norm_eps: float = 1e-6
    layer_scale: float | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, cols) of patches of a picture of `image_size`."""
        return self.image_size[0] // self.patch_size, self.image_size[1] // self.patch_size

    @property
    def running(self) -> int:
        """How many blocks run; raises ConfigError when `feature_layer` is not one of depth + 1 hidden states."""
        if self.feature_layer is None:
            return self.depth
        if not -self.depth - 1 <= self.feature_layer <= self.depth:
            raise ConfigError(f"feature_layer: {self.feature_layer} is not a hidden state of {self.depth} blocks")
        return self.feature_layer % (self.depth + 1)

    @property
    def block(self) -> BlockConfig:
        attention = AttentionConfig(
            dim=self.dim, heads=self.heads, bias=self.qkv_bias, key_bias=self.key_bias, out_bias=True
        )
        return BlockConfig(
            attention=attention,
            mlp_dim=self.mlp_dim,
            activation=self.activation,
            gated=self.gated,
            mlp_bias=self.mlp_bias,
            norm_eps=self.norm_eps,
            layer_scale=self.layer_scale,
        )


@dataclass(frozen=True)
class VisionOutput:
    """What a tower says about a picture.

    tokens: (batch, rows * cols, dim), row-major, without class token and registers.
    pooled: (batch, pooled_dim), one vector a picture.
    grid: (rows, cols).
    prefix: (batch, 0 or more, dim), class token and registers.
    """

    tokens: Tensor
    pooled: Tensor
    grid: tuple[int, int]
    prefix: Tensor


class IdleBlock(Block):
    """A block beyond the feature layer: its weights are kept, so that the checkpoint stays whole, and do nothing."""

    def forward(self, x: Tensor, *_: object) -> Tensor:
        return x


class IdleNorm(nn.LayerNorm):
    """The last norm of a tower that is read before it."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Registers(nn.Module):
    """Puts learned tokens between the first `after` tokens and the rest."""

    def __init__(self, count: int, dim: int, after: int):
        super().__init__()
        self.tokens, self.after = nn.Parameter(torch.zeros(count, dim)), after

    def forward(self, x: Float[Tensor, "batch before dim"]) -> Float[Tensor, "batch tokens dim"]:
        registers = self.tokens.expand(len(x), -1, -1)  # (batch, count, dim)
        return torch.cat([x[:, : self.after], registers, x[:, self.after :]], dim=1)


class VisionTransformer(nn.Module):
    """Pixels to tokens."""

    def __init__(self, config: ViTConfig):
        super().__init__()
        self.config = config
        self.patches = make_stem(config)
        classes = 1 if config.class_token else 0
        self.prefix = classes + config.registers
        self.class_token = nn.Parameter(torch.zeros(classes, config.dim))
        self.mask_token = nn.Parameter(torch.zeros(1, config.dim)) if config.mask_token else None
        self._start_positions(classes)
        self.rotary = make_rotary(config, self.prefix)
        self.registers = Registers(config.registers, config.dim, classes) if config.registers else nn.Identity()
        self.pre_norm = make_norm("layer", config.dim, config.norm_eps) if config.pre_norm else nn.Identity()
        kinds = [Block] * config.running + [IdleBlock] * (config.depth - config.running)
        self.blocks = nn.ModuleList(kind(config.block) for kind in kinds)
        self.norm = make_last_norm(config)
        self.pool = make_pooling(
            config.pooling or ("class" if classes else "mean"), config.dim, config.heads, config.mlp_dim,
            config.activation, config.norm_eps, self.prefix,
        )  # fmt: skip
        self.embedded, self.tokens = Tap(), Tap()

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> VisionOutput:
        """Height and width may differ from `image_size` by whole patches; learned positions are then resampled."""
        patches = self.patches(pixels)  # (batch, dim, rows, cols)
        grid = (patches.shape[2], patches.shape[3])
        x = patches.flatten(2).transpose(1, 2)  # (batch, tokens, dim)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1)
        x = self.registers(self.add_positions(x, grid))
        return self.encode(x, grid, rotation=self.rotary(grid, x.device))

    def encode(
        self,
        x: Float[Tensor, "batch tokens dim"],
        grid: tuple[int, int],
        valid: Bool[Tensor, "batch tokens"] | None = None,
        rotation: Rotation | None = None,
    ) -> VisionOutput:
        """From embeddings (prefix first) to the output; `valid` is False for tokens that are padding."""
        mask = None if valid is None else valid[:, None, None, :]  # (batch, 1, 1, tokens)
        x = self.pre_norm(self.embedded(x))
        for block in self.blocks:
            x = block(x, mask, rotation)
        x = self.tokens(self.norm(x))
        return VisionOutput(x[:, self.prefix :], self.pool(x, valid), grid, x[:, : self.prefix])

    def add_positions(self, x: Float[Tensor, "batch tokens dim"], grid: tuple[int, int]) -> Tensor:
        """`x` with the learned or fixed positions; as it is where positions are rotations."""
        return x if self.positions is None else x + self.positions_for(grid)

    def positions_for(self, grid: tuple[int, int]) -> Float[Tensor, "tokens dim"]:
        first = len(self.class_token)
        resampled = resample_positions(self.positions[first:], self.config.grid, grid, self.config.position_kernel)
        return torch.cat([self.positions[:first], resampled])

    def _start_positions(self, classes: int) -> None:
        config = self.config
        if config.positions == "rope":
            self.register_parameter("positions", None)
            return
        with torch.device("cpu"):  # counting without memory (`without_memory`) would import a compiler
            fixed = torch.cat([torch.zeros(classes, config.dim), sincos_2d(*config.grid, config.dim)])
        fixed = fixed.to(torch.get_default_device())
        if config.positions == "learned":
            self.positions = nn.Parameter(fixed)  # learned, from a start that already tells places apart
        else:
            self.register_buffer("positions", fixed, persistent=False)


def make_stem(config: ViTConfig) -> nn.Module:
    if config.stem == "conv":
        return ConvStem(config.patch_size, config.dim)
    return PatchEmbed(config.patch_size, config.dim, bias=config.patch_bias)


def make_rotary(config: ViTConfig, prefix: int) -> nn.Module:
    if config.positions == "rope":
        return AxialRotary(config.dim // config.heads, config.rope_base, prefix)
    return NoRotary()


def make_last_norm(config: ViTConfig) -> nn.Module:
    """After the last block; idle before an inner feature layer, absent where only the pooled token is normalised."""
    if config.pooling == "class_norm":
        return nn.Identity()
    kind = nn.LayerNorm if config.feature_layer is None else IdleNorm
    return kind(config.dim, eps=config.norm_eps)
