"""The prefix vision-language model, LLaVA-style (Liu et al. 2023): pictures become words of the sequence.

    picture -> tower -> connector -> 64 vectors --+
                                                  +--> decoder -> next-token logits
    question -> embedding table ------------------+

Everything the decoder knows about the picture stands in the sequence before the question; attention does the rest.
`Prefix` joins any three parts, wherever they come from; `PrefixVLM` builds them from one configuration. How the decoder
reads the vectors is in `reader.py`. Loss, freezing, tokenizer and template are elsewhere.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

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


class Prefix(Reader):
    """Pictures and ids to hidden states, by a tower, a bridge and a decoder that may have been made apart."""

    def __init__(self, vision: nn.Module, connector: nn.Module, decoder: Decoder, image_token_id: int):
        super().__init__()
        self.image_token_id = image_token_id
        self.vision, self.connector, self.decoder = vision, connector, decoder

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


class PrefixVLM(Prefix):
    """The three parts of one configuration, with a ViT for a tower."""

    def __init__(self, config: PrefixVLMConfig):
        vision = VisionTransformer(config.vision)
        connector = make_connector(config.connector, config.vision.dim, config.decoder.dim)
        super().__init__(vision, connector, Decoder(config.decoder), config.image_token_id)
        self.config = config
