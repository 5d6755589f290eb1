"""The arms of the fusion comparison: the library's own parts behind one signature, `arm(batch) -> hidden of the words`.

    prefix   [ image tokens | words ]   one decoder reads both; image tokens see each other, words see all of them
    aside    [ words ]                  and looks at image tokens between its blocks
    late     [ words ]                  and one vector after the last block
    blind    [ words ]

Questions of a picture are packed in one row and do not see each other (`core.masks.branch_mask`), so the image tokens
of the prefix arms are paid for once a picture, as they are in real training. The tower stands outside: its features
come with the batch.
"""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recipes.fusion_pictures import Pictures
from showtell.core.masks import branch_mask
from showtell.engine.profile import cost_of
from showtell.engine.step import Loss
from showtell.fusion.connectors import ConnectorConfig, make_connector
from showtell.fusion.early import EarlyVLM, EarlyVLMConfig
from showtell.fusion.gated_xattn import GatedCrossConfig
from showtell.fusion.late import LateVLM, LateVLMConfig
from showtell.fusion.qformer import QFormer, QFormerConfig
from showtell.fusion.resampler import Resampler, ResamplerConfig
from showtell.fusion.xattn_vlm import CrossVLM, CrossVLMConfig
from showtell.instruct.bundle import Bundle
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.vision.vit import VisionTransformer, ViTConfig

if TYPE_CHECKING:
    from recipes.fusion_comparison import FusionRun


class Arm(nn.Module):
    """A decoder that sees in its own way.

    image_tokens: how many it reads or looks at.
    uses_tower: whether the features of the frozen tower are used, and charged.
    """

    decoder: Decoder
    image_tokens: int = 0
    uses_tower: bool = True

    def forward(self, batch: Pictures) -> Float[Tensor, "rows length dim"]:
        raise NotImplementedError


class Blind(Arm):
    """Sees nothing."""

    uses_tower = False

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, batch: Pictures) -> Tensor:
        mask = branch_mask(batch.documents, batch.branches)
        return self.decoder(self.decoder.embed(batch.ids), batch.positions, mask)


class Prefix(Arm):
    """Reads what `bridge` makes of the picture before the words."""

    def __init__(self, decoder: Decoder, bridge: nn.Module, image_tokens: int):
        super().__init__()
        self.decoder, self.bridge, self.image_tokens = decoder, bridge, image_tokens

    def see(self, batch: Pictures) -> Tensor:
        return self.bridge(batch.features.float())

    def forward(self, batch: Pictures) -> Tensor:
        tokens = self.see(batch)
        rows, count = tokens.shape[:2]
        front = batch.branches.new_zeros(rows, count)
        documents, branches = torch.cat([front, batch.documents], dim=1), torch.cat([front, batch.branches], dim=1)
        mask = branch_mask(documents, branches)
        mask[..., :count, :count] = True
        places = torch.arange(count, device=tokens.device).expand(rows, -1)
        positions = torch.cat([places, batch.positions + count], dim=1)
        stream = torch.cat([tokens, self.decoder.embed(batch.ids)], dim=1)  # (rows, count + length, dim)
        return self.decoder(stream, positions, mask)[:, count:]


class PixelPrefix(Prefix):
    """A prefix made from the pixels, with nothing frozen before it."""

    uses_tower = False

    def see(self, batch: Pictures) -> Tensor:
        return self.bridge(batch.pixels)


class Aside(Arm):
    """Looks at the tower's tokens between its blocks."""

    def __init__(self, model: CrossVLM, image_tokens: int):
        super().__init__()
        self.model, self.decoder, self.image_tokens = model, model.decoder, image_tokens

    def forward(self, batch: Pictures) -> Tensor:
        looks = torch.ones_like(batch.ids, dtype=torch.bool)[..., None]
        looking = self.model.looking(batch.features.float()[:, None], looks)
        mask = branch_mask(batch.documents, batch.branches)
        return looking(looking.embed(batch.ids), batch.positions, mask)


class Late(Arm):
    """Is shown the mean of the tower's tokens at the end."""

    image_tokens = 1

    def __init__(self, model: LateVLM):
        super().__init__()
        self.model, self.decoder = model, model.decoder

    def forward(self, batch: Pictures) -> Tensor:
        seeing = self.model.seeing(batch.features.float().mean(dim=1))
        mask = branch_mask(batch.documents, batch.branches)
        return seeing(seeing.embed(batch.ids), batch.positions, mask)


class Tokens(nn.Module):
    """A tower as a bridge: only its tokens go on."""

    def __init__(self, tower: VisionTransformer):
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> Tensor:
        return self.tower(pixels).tokens


def make_arm(run: "FusionRun", bundle: Bundle, name: str, seed: int) -> Arm:
    """One arm. The decoder is drawn first, so that it starts the same in every arm of a seed."""
    torch.manual_seed(seed)
    config = DecoderConfig(
        vocab_size=len(bundle.template.tokenizer),
        dim=run.dim,
        depth=run.depth,
        heads=run.heads,
        mlp_dim=run.dim * 8 // 3,
    )
    decoder, vision = Decoder(config), bundle.config.model.vision
    patches = vision.grid[0] * vision.grid[1]
    match name:
        case "blind":
            return Blind(decoder)
        case "late":
            return Late(
                with_decoder(LateVLM(LateVLMConfig(vision=vision, decoder=config, hidden=4 * run.dim)), decoder)
            )
        case "linear" | "mlp":
            return Prefix(decoder, make_connector(ConnectorConfig(kind=name), vision.dim, run.dim), patches)
        case "resampler" | "qformer":
            return Prefix(decoder, make_picker(run, name, vision), run.latents)
        case "gated":
            cross = GatedCrossConfig(dim=run.dim, heads=run.heads, mlp_dim=run.dim * 8 // 3, context_dim=vision.dim)
            flamingo = CrossVLMConfig(vision=vision, resampler=None, cross=cross, every=2, decoder=config)
            return Aside(with_decoder(CrossVLM(flamingo), decoder), patches)
        case "early":
            early = EarlyVLMConfig(
                image_size=vision.image_size, patch_size=vision.patch_size, decoder=config, image_token_id=0
            )
            return PixelPrefix(decoder, Patches(EarlyVLM(early)), patches)
        case "scratch":
            bridge = make_connector(ConnectorConfig(kind="linear"), vision.dim, run.dim)
            return PixelPrefix(decoder, nn.Sequential(Tokens(VisionTransformer(vision)), bridge), patches)
    raise ValueError(f"there is no arm {name!r}")


class Patches(nn.Module):
    """The patches of early fusion, without its own copy of the decoder."""

    def __init__(self, model: EarlyVLM):
        super().__init__()
        del model.decoder
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model.image_tokens(pixels)


def make_picker(run: "FusionRun", name: str, vision: ViTConfig) -> nn.Module:
    """A bridge that chooses `latents` tokens; both kinds have two layers that look at the picture."""
    picker: nn.Module
    if name == "resampler":
        shape = ResamplerConfig(
            dim=vision.dim, latents=run.latents, depth=2, heads=vision.heads, mlp_dim=2 * vision.dim
        )
        picker, width = Resampler(shape), vision.dim
    else:
        picker, width = QFormer(
            QFormerConfig(dim=run.dim, depth=3, heads=run.heads, mlp_dim=4 * run.dim, queries=run.latents,
                          context_dim=vision.dim)
        ), run.dim  # fmt: skip
    return nn.Sequential(picker, nn.Linear(width, run.dim))


def with_decoder(model: Any, decoder: Decoder) -> Any:
    """The model with this decoder and without its tower, whose features are cached."""
    model.decoder, model.vision = decoder, nn.Identity()
    return model


class _Priced(nn.Module):
    """A frozen tower with one parameter behind it, so that a step exists whose cost is the tower's forward pass."""

    def __init__(self, tower: nn.Module):
        super().__init__()
        self.tower, self.scale = tower, nn.Parameter(torch.ones(()))


def tower_flops(tower: nn.Module, pixels: Tensor) -> float:
    """Operations of one forward pass of a frozen tower over these pictures."""

    def step(priced: _Priced, batch: Tensor) -> Loss:
        with torch.no_grad():
            seen = priced.tower(batch).tokens
        return Loss((seen.mean() * priced.scale), float(len(batch)))

    return sum(cost_of(_Priced(tower), step, pixels).flops.values())
