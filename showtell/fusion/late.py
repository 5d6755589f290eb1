"""Late fusion: picture and words go their own ways to the end, and meet once.

    picture -> tower -> one vector v -----------------------+
                                                            +--> h + mlp(norm [h ; v]) --> next-token logits
    words -> embedding table -> decoder, blind -> hidden h -+

What v holds was decided before any question was read, so it must hold the answer to all of them; nothing in the stream
of words can look again. It is the cheapest fusion (the decoder reads no image token, v is computed once a picture),
and the baseline that the others must beat: the "merge" architecture of captioning (Mao et al. 2015; Tanti et al. 2017,
"What is the role of recurrent neural networks (RNNs) in an image caption generator?") and of the first visual question
answering (Antol et al. 2015). The join's last layer starts at zero, so the decoder is at first exactly what it was.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from showtell.core.mlp import MLP
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.kv_cache import KVCache
from showtell.vision.vit import VisionTransformer, ViTConfig


@dataclass(frozen=True, kw_only=True)
class LateVLMConfig:
    """A tower, a decoder, and the join after both.

    vision: the tower; its `pooled` vector is all that is kept of a picture.
    decoder: the language model.
    hidden: hidden width of the join's MLP.
    norm_eps: of its norm.
    """

    vision: ViTConfig
    decoder: DecoderConfig
    hidden: int
    norm_eps: float = 1e-6


class LateVLM(nn.Module):
    """Pictures and ids to hidden states."""

    def __init__(self, config: LateVLMConfig):
        super().__init__()
        self.config = config
        self.vision = VisionTransformer(config.vision)
        self.decoder = Decoder(config.decoder)
        both = config.decoder.dim + config.vision.dim
        self.norm = nn.LayerNorm(both, eps=config.norm_eps)
        self.join = MLP(both, config.hidden, "gelu", out=config.decoder.dim)
        for parameter in self.join.down.parameters():
            nn.init.zeros_(parameter)

    def image_vector(self, pixels: Float[Tensor, "images 3 height width"]) -> Float[Tensor, "images vision_dim"]:
        """All that is kept of each picture."""
        return self.vision(pixels).pooled

    def seeing(self, vectors: Float[Tensor, "batch vision_dim"]) -> "Seeing":
        """The decoder before these pictures, one a row."""
        return Seeing(self, vectors)


class Seeing:
    """A decoder that is shown a picture at the end; usable wherever a `Decoder` is (`text/generate.py`)."""

    def __init__(self, model: LateVLM, vectors: Float[Tensor, "batch vision_dim"]):
        self.model, self.vectors = model, vectors
        self.embed, self.logits, self.new_cache = model.decoder.embed, model.decoder.logits, model.decoder.new_cache

    def __call__(
        self,
        embeddings: Float[Tensor, "batch tokens dim"],
        positions: Int[Tensor, "#batch tokens"],
        mask: Tensor | None,
        cache: KVCache | None = None,
        unwindowed: Tensor | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """`Decoder.forward`, and the join."""
        hidden = self.model.decoder(embeddings, positions, mask, cache, unwindowed)
        vectors = self.vectors.to(hidden.dtype)[:, None].expand(-1, hidden.shape[1], -1)  # (batch, tokens, vision_dim)
        return hidden + self.model.join(self.model.norm(torch.cat([hidden, vectors], dim=-1)))
