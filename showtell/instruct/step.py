"""One supervised step of instruction tuning: pictures and packed questions in, summed answer loss out.

Only the hidden states that predict a trained token are turned into logits: in a row of 64 image tokens and six
questions that is one position in five, and the vocabulary projection is paid for those alone.
"""

from dataclasses import dataclass

from torch import Tensor

from showtell.core.masks import branch_mask
from showtell.engine.step import Loss
from showtell.fusion.prefix_vlm import Prefix
from showtell.instruct.losses import answer_loss
from showtell.instruct.packing import IGNORE, PackedBatch


@dataclass(frozen=True)
class SupervisedStep:
    """`step(model, batch) -> Loss`, with the ordinal targets of the model's location tokens.

    first_location: id of `<loc_0>`.
    ordinal: see `instruct.losses.ordinal_targets`; None = plain cross-entropy.
    """

    first_location: int = 0
    ordinal: Tensor | None = None

    def __call__(self, model: Prefix, batch: PackedBatch) -> Loss:
        return self.loss(model, model.image_tokens(batch.pixels), batch)

    def loss(self, model: Prefix, image_tokens: Tensor, batch: PackedBatch) -> Loss:
        """Of image tokens that are already there."""
        mask = branch_mask(batch.documents, batch.branches)
        hidden = model.read(image_tokens, batch.ids, batch.positions, mask)
        trained = batch.targets != IGNORE
        logits = model.decoder.logits(hidden[trained])
        targets = batch.targets[trained]
        losses = answer_loss(logits, targets, self.first_location, self.ordinal)
        right = (logits.argmax(dim=-1) == targets).float().sum()
        return Loss(losses.sum(), float(len(targets)), {"token_accuracy": float(right) / max(len(targets), 1)})
