"""One contrastive step: pictures and captions in, summed loss out, at any batch size the data can fill.

    batch --pieces--> embeddings of all --> info_nce or sigmoid_loss --> Loss(sum over pairs, pairs)

The loss of a contrastive batch is not a sum over its pieces, so `micro_batches` of the loop would change what is
learned. The batch is cut *here*, where pieces can be encoded apart and still meet (`accumulate.py`); processes meet in
the loss (`exchange.py`).
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from showtell.contrastive.accumulate import encode_in_pieces
from showtell.contrastive.dual_encoder import DualEncoder
from showtell.contrastive.exchange import ALONE, Ring
from showtell.contrastive.losses import Spread, info_nce, sigmoid_loss
from showtell.engine.step import Loss


@dataclass(frozen=True)
class PairBatch:
    """Pair i is picture i and caption i.

    pixels: (pairs, 3, height, width).
    ids: (pairs, tokens).
    valid: (pairs, tokens) True where a caption has a token.
    """

    pixels: Tensor
    ids: Tensor
    valid: Tensor


@dataclass(frozen=True)
class ContrastiveStep:
    """`step(model, batch) -> Loss` of a dual encoder: the sigmoid loss where it has a bias, InfoNCE where it has none.

    piece: pairs encoded at one time; None = the whole batch.
    block: rows of the score matrix held at one time; None = all.
    smoothing: of InfoNCE's targets.
    spread: how processes meet.
    """

    piece: int | None = None
    block: int | None = None
    smoothing: float = 0.0
    spread: Spread = "ring"
    ring: Ring = ALONE

    def __call__(self, model: DualEncoder, batch: PairBatch) -> Loss:
        piece = self.piece or len(batch.pixels)
        images = encode_in_pieces(model.encode_images, batch.pixels.split(piece))
        captions = list(zip(batch.ids.split(piece), batch.valid.split(piece), strict=True))
        texts = encode_in_pieces(lambda caption: model.encode_texts(*caption), captions)
        images, texts = images.float(), texts.float()  # a softmax over thousands of scores wants float32
        similarity = model.similarity
        scale = similarity.scale.exp().squeeze(0)
        if similarity.bias is None:
            value = info_nce(
                images, texts, scale, smoothing=self.smoothing, block=self.block, ring=self.ring, spread=self.spread
            )
        else:
            bias = similarity.bias.squeeze(0)
            value = sigmoid_loss(images, texts, scale, bias, block=self.block, ring=self.ring, spread=self.spread)
        with torch.no_grad():
            right = ((images @ texts.T).argmax(dim=1) == torch.arange(len(images), device=images.device)).float().mean()
        return Loss(value, float(len(images)), {"local_accuracy": float(right), "scale": float(scale.detach())})


def ring_of_this_process() -> Ring:
    """The ring of all processes of the run, or a ring of one."""
    return Ring(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else ALONE
