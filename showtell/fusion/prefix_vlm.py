"""The prefix vision-language model, LLaVA-style (Liu et al. 2023): pictures become words of the sequence.

    picture -> tower -> connector -> 64 vectors --+
                                                  +--> decoder -> next-token logits
    question -> embedding table ------------------+

Everything the decoder knows about the picture stands in the sequence before the question; attention does the rest. This
file builds and joins the three parts; how the decoder reads them is in `reader.py`. Loss, freezing, tokenizer and
template are elsewhere.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from showtell.core.masks import causal_mask
from showtell.fusion.connectors import ConnectorConfig, make_connector
from showtell.fusion.reader import Reader
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.kv_cache import KVCache
from showtell.vision.vit import VisionTransformer, ViTConfig


@dataclass(frozen=True, kw_only=True)
class PrefixVLMConfig:
    """A tower, a bridge and a decoder.

    vision: the tower.
    connector: the bridge.
    decoder: the language model.
    image_token_id: placeholder id that image tokens replace.
    """

    vision: ViTConfig
    connector: ConnectorConfig
    decoder: DecoderConfig
    image_token_id: int


class PrefixVLM(Reader):
    """Pictures and ids to hidden states."""

    def __init__(self, config: PrefixVLMConfig):
        super().__init__()
        self.config = config
        self.image_token_id = config.image_token_id
        self.vision = VisionTransformer(config.vision)
        self.connector = make_connector(config.connector, config.vision.dim, config.decoder.dim)
        self.decoder = Decoder(config.decoder)

    def image_tokens(self, pixels: Float[Tensor, "images 3 height width"]) -> Float[Tensor, "images tokens dim"]:
        """Connected tokens of each picture, in the decoder's space."""
        return self.connector(self.vision(pixels).tokens)

    def forward(
        self,
        pixels: Float[Tensor, "images 3 height width"],
        ids: Int[Tensor, "batch tokens"],
        positions: Int[Tensor, "batch tokens"],
        mask: Tensor,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Hidden states of every token; `self.decoder.logits` scores the ones that are needed."""
        return self.read(self.image_tokens(pixels), ids, positions, mask)

    @torch.no_grad()
    def read_images(self, pixels: Float[Tensor, "images 3 height width"]) -> KVCache:
        """The decoder's keys and values of the picture prefix, one picture a row; questions continue from them."""
        tokens = self.image_tokens(pixels)
        length = tokens.shape[1]
        cache = self.decoder.new_cache()
        positions = torch.arange(length, device=tokens.device)[None]
        self.decoder(tokens, positions, causal_mask(length, length, tokens.device), cache)
        return cache
