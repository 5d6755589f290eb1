"""The cross-attention vision-language model, Flamingo-style (Alayrac et al. 2022): the decoder looks aside at pictures.

    picture -> tower -> resampler -> 64 vectors ─────────────┐ keys and values
                                                             ▼
    words -> embedding table -> [ gated look ] block block [ gated look ] block block ... -> next-token logits

Pictures take no place in the sequence: a row of text may have any number of them, and each token has its own list of
those it may look at. The blocks are a language model's own, unchanged; the looks stand before every k-th of them
(`gated_xattn.py`). Reading is told from the side of the text, with the same decoder, cache and generation as
everywhere; `Looking` is that decoder with its eyes on given pictures.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from showtell.core.errors import ConfigError
from showtell.fusion.gated_xattn import GatedCrossBlock, GatedCrossConfig
from showtell.fusion.resampler import Resampler, ResamplerConfig
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.kv_cache import KVCache
from showtell.vision.vit import VisionTransformer, ViTConfig


@dataclass(frozen=True, kw_only=True)
class CrossVLMConfig:
    """A tower, perhaps a resampler, a decoder and the looks between its blocks.

    vision: the tower; its class token is looked at like its patches.
    resampler: what brings a picture down to a few vectors; None = all tokens are looked at.
    cross: one look.
    every: a look stands before blocks 0, k, 2k, ...
    decoder: the language model.
    """

    vision: ViTConfig
    resampler: ResamplerConfig | None
    cross: GatedCrossConfig
    every: int
    decoder: DecoderConfig

    def __post_init__(self) -> None:
        if self.decoder.depth % self.every:
            raise ConfigError(f"a look before every {self.every} of {self.decoder.depth} blocks does not come out even")


class CrossVLM(nn.Module):
    """Pictures, ids, and who looks at what, to hidden states."""

    def __init__(self, config: CrossVLMConfig):
        super().__init__()
        self.config = config
        self.vision = VisionTransformer(config.vision)
        self.resampler = nn.Identity() if config.resampler is None else Resampler(config.resampler)
        self.cross = nn.ModuleList(GatedCrossBlock(config.cross) for _ in range(config.decoder.depth // config.every))
        self.decoder = Decoder(config.decoder)

    def image_tokens(self, pixels: Float[Tensor, "images 3 height width"]) -> Float[Tensor, "images tokens dim"]:
        """What the decoder looks at, picture by picture."""
        seen = self.vision(pixels)
        return self.resampler(torch.cat([seen.prefix, seen.tokens], dim=1))

    def looking(
        self, image_tokens: Float[Tensor, "batch images tokens dim"], looks: Bool[Tensor, "batch text images"]
    ) -> "Looking":
        """The decoder before these pictures.

        Args:
            image_tokens: of each row's pictures; rows with fewer are filled with anything.
            looks: which pictures each token of the text may look at. Tokens after these look as the last one does.
        """
        return Looking(self, image_tokens.flatten(1, 2), looks.repeat_interleave(image_tokens.shape[2], dim=2))


class Looking:
    """A decoder that sees; usable wherever a `Decoder` is (`text/generate.py`)."""

    def __init__(
        self,
        model: CrossVLM,
        context: Float[Tensor, "batch image_tokens dim"],
        looks: Bool[Tensor, "batch text image_tokens"],
    ):
        self.model, self.context, self.looks = model, context, looks
        self.embed, self.logits, self.new_cache = model.decoder.embed, model.decoder.logits, model.decoder.new_cache

    def __call__(
        self,
        embeddings: Float[Tensor, "batch tokens dim"],
        positions: Int[Tensor, "#batch tokens"],
        mask: Tensor | None,
        cache: KVCache | None = None,
        unwindowed: Tensor | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """`Decoder.forward`, with looks."""
        decoder, every = self.model.decoder, self.model.config.every
        past, count = cache.length if cache else 0, embeddings.shape[1]
        rows = torch.arange(past, past + count, device=embeddings.device).clamp(max=self.looks.shape[1] - 1)
        looks, rotation = self.looks[:, rows], decoder.rotation(positions)
        masks = decoder.layer_masks(mask, count, past, unwindowed)
        x = embeddings
        for i, block in enumerate(decoder.blocks):
            if i % every == 0:
                x = self.model.cross[i // every](x, self.context, looks)
            x = block(x, masks[i], rotation, cache.layers[i] if cache else None)
        return decoder.hidden(decoder.norm(x))
