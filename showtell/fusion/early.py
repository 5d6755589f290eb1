"""Early fusion: one stream from the first layer. Patches are words, and nobody saw them before the decoder.

    picture -> patches -> one matrix, + positions --+
                                                    +--> decoder: every block mixes both --> next-token logits
    question -> embedding table --------------------+

There is no tower, no connector and nothing to freeze: what a tower would compute alone, the blocks compute while
they already read the question. Fuyu (Bavishi et al. 2023) projects patches as here; Chameleon (2024) turns them into a
codebook's words first. It is the simplest model and the hungriest: the decoder learns to see from the loss on words
alone, and every layer works on every patch. The decoder's rotary positions count along the row of patches; a learned
vector a grid cell says where in the picture a patch is. Whether patches see each other both ways is the caller's mask
(`core.masks.prefix_mask`).
"""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor, nn

from showtell.fusion.reader import Reader
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.vision.patch_embed import PatchEmbed
from showtell.vision.pos_embed import sincos_2d


@dataclass(frozen=True, kw_only=True)
class EarlyVLMConfig:
    """Patches and a decoder.

    image_size: (height, width) in pixels.
    patch_size: side of a patch in pixels.
    decoder: the only network there is.
    image_token_id: placeholder id that patches replace.
    """

    image_size: tuple[int, int]
    patch_size: int
    decoder: DecoderConfig
    image_token_id: int

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, cols) of patches."""
        return self.image_size[0] // self.patch_size, self.image_size[1] // self.patch_size


class EarlyVLM(Reader):
    """Pictures and ids to hidden states."""

    def __init__(self, config: EarlyVLMConfig):
        super().__init__()
        self.config = config
        self.image_token_id = config.image_token_id
        self.decoder = Decoder(config.decoder)
        self.patches = PatchEmbed(config.patch_size, config.decoder.dim)
        self.places = nn.Parameter(sincos_2d(*config.grid, config.decoder.dim) * 0.1)
        self.norm = nn.LayerNorm(config.decoder.dim)

    def image_tokens(self, pixels: Float[Tensor, "images 3 height width"]) -> Float[Tensor, "images tokens dim"]:
        """Projected patches with their places, at the scale of the embedding table."""
        patches = self.patches(pixels).flatten(2).transpose(1, 2)  # (images, tokens, dim)
        return self.norm(patches) * 0.1 + self.places

    def forward(
        self,
        pixels: Float[Tensor, "images 3 height width"],
        ids: Int[Tensor, "batch tokens"],
        positions: Int[Tensor, "batch tokens"],
        mask: Tensor,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Hidden states of every token; `self.decoder.logits` scores the ones that are needed."""
        return self.read(self.image_tokens(pixels), ids, positions, mask)
