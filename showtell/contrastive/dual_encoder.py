"""Two towers, one space: pictures and captions become unit vectors whose dot product says how well they fit.

    pixels -> image tower -> pooled -> projection -> / length --+
                                                                +--> logits = exp(scale) * image . text + bias
    ids    -> text tower  -> pooled -> projection -> / length --+          (images, texts)

CLIP (Radford et al. 2021) projects both sides, reads a row of logits through a softmax and has no bias; SigLIP (Zhai
et al. 2023) lets its towers end in the common width, reads each logit alone through a sigmoid and needs the bias, for
nearly all pairs of a batch do not fit. Both losses, and the way to use the pair without training, have files of their
own; the published pairs are in `clip.py`, `siglip.py` and `open_clip.py`.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from showtell.contrastive.text_tower import TextTower, TextTowerConfig
from showtell.core.trace import Tap
from showtell.vision.siglip2 import NaFlexTransformer, PatchList
from showtell.vision.vit import VisionTransformer, ViTConfig


@dataclass(frozen=True, kw_only=True)
class DualEncoderConfig:
    """Two towers and how they meet.

    vision, text: the towers.
    projection_dim: width of the common space, reached by a matrix on each side; None = the towers end in it.
    biased: whether the logits have a bias.
    native: whether the image tower takes a list of patches of pictures of any size (`vision/siglip2.py`).
    """

    vision: ViTConfig
    text: TextTowerConfig
    projection_dim: int | None = None
    biased: bool = False
    native: bool = False


@dataclass(frozen=True)
class DualOutput:
    """images: (images, dim) and texts: (texts, dim), of length one.    logits: (images, texts)."""

    images: Tensor
    texts: Tensor
    logits: Tensor


class Similarity(nn.Module):
    """exp(scale) * cosine + bias; the scale is learned as a logarithm, from 1/0.07 as in CLIP."""

    def __init__(self, biased: bool):
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), 2.6592))
        self.bias = nn.Parameter(torch.zeros(1)) if biased else None

    def forward(
        self, images: Float[Tensor, "images dim"], texts: Float[Tensor, "texts dim"]
    ) -> Float[Tensor, "images texts"]:
        logits = images @ texts.T * self.scale.exp()
        return logits if self.bias is None else logits + self.bias


class DualEncoder(nn.Module):
    """An image tower and a text tower in one space."""

    def __init__(self, config: DualEncoderConfig):
        super().__init__()
        self.config = config
        self.vision = (NaFlexTransformer if config.native else VisionTransformer)(config.vision)
        self.text = TextTower(config.text)
        self.image_projection = project(config.vision.dim, config.projection_dim)
        self.text_projection = project(config.text.dim, config.projection_dim)
        self.similarity = Similarity(config.biased)
        self.images, self.texts = Tap(), Tap()

    def forward(
        self,
        pictures: Float[Tensor, "images 3 height width"] | PatchList,
        ids: Int[Tensor, "texts tokens"],
        valid: Bool[Tensor, "texts tokens"] | None = None,
    ) -> DualOutput:
        images, texts = self.encode_images(pictures), self.encode_texts(ids, valid)
        return DualOutput(images, texts, self.similarity(images, texts))

    def encode_images(
        self, pictures: Float[Tensor, "images 3 height width"] | PatchList
    ) -> Float[Tensor, "images dim"]:
        """Pictures as unit vectors."""
        return self.images(F.normalize(self.image_projection(self.vision(pictures).pooled), dim=-1))

    def encode_texts(
        self, ids: Int[Tensor, "texts tokens"], valid: Bool[Tensor, "texts tokens"] | None = None
    ) -> Float[Tensor, "texts dim"]:
        """Captions as unit vectors; see `TextTower` for `valid`."""
        return self.texts(F.normalize(self.text_projection(self.text(ids, valid).pooled), dim=-1))


def project(dim: int, out: int | None) -> nn.Module:
    return nn.Identity() if out is None else nn.Linear(dim, out, bias=False)
