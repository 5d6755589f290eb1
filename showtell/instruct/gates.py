"""Gates of instruction tuning: does the model look at its pictures, and do the labels cover answers and nothing else.

    right     [ picture A | question about A ]   -> loss
    swapped   [ picture B | question about A ]   -> loss must be higher, logits must differ
    blank     [ grey      | question about A ]   -> the same: with pictures must be better than without
    shuffled  [ A's pixels in another order | question about A ]   the same

A loss that falls proves nothing: a trainer that drops the pictures (mlx-vlm #824) or a library that stops passing them
on (openvla-oft #108) trains a fluent blind model. Every figure goes into the log, so one sees *when* a model begins to
see. When gates run is `engine/gates.py`.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from showtell.core.errors import ConfigError, DataError
from showtell.core.masks import branch_mask
from showtell.engine.gradient import device_of
from showtell.engine.step import TrainingError, to_device
from showtell.fusion.prefix_vlm import Prefix
from showtell.instruct.losses import answer_loss
from showtell.instruct.packing import IGNORE, PackedBatch
from showtell.instruct.step import SupervisedStep
from showtell.text.chat import Rendered


@dataclass(frozen=True, kw_only=True)
class BlindnessConfig:
    """What counts as blind.

    margin: nats a token by which the right pictures must beat each kind of wrong ones.
    patience: checks before the margin is asked for; a model does not see anything yet at step 0.
    least_change: of any answer logit when the pictures are others; asked for from the first check on, because even a
        random model passes its pictures on.
    starts_blind: the model is built to ignore pictures at first (gated cross-attention, zero-initialised): the change
        is asked for after `patience` checks too.
    """

    margin: float = 0.02
    patience: int = 2
    least_change: float = 1e-6
    starts_blind: bool = False


class Blindness:
    """The check: `Gate(check=Blindness(step, batch), every=500, name="blindness")`.

    Args:
        step: whose loss is compared.
        batch: held-out rows with at least two different pictures.
        model_of: from the module in training to its vision-language model.
    """

    def __init__(
        self,
        step: SupervisedStep,
        batch: PackedBatch,
        config: BlindnessConfig = BlindnessConfig(),
        model_of: Callable[[nn.Module], Prefix] = lambda model: model,  # type: ignore[assignment, return-value]
    ):
        if len(batch.pixels) < 2 or torch.equal(batch.pixels, batch.pixels.roll(1, 0)):
            raise ConfigError("the blindness gate swaps pictures; give it a batch with at least two different ones")
        self.step, self.batch, self.config, self.model_of = step, batch, config, model_of
        self.wrong = {name: dataclasses.replace(batch, pixels=p) for name, p in wrong_pictures(batch.pixels).items()}
        self.checks = 0

    def __call__(self, trained: nn.Module) -> Mapping[str, float]:
        """The figures of a check; raises TrainingError, in a sentence that says so, when the model is blind."""
        model = self.model_of(trained)
        self.checks += 1
        right, loss = self._answers(model, self.batch)
        values = {"loss": loss}
        for name, batch in self.wrong.items():
            logits, values[f"loss_{name}"] = self._answers(model, batch)
            values[f"change_{name}"] = float((logits - right).abs().max())
        late = self.checks > self.config.patience
        for name in self.wrong:
            if values[f"change_{name}"] <= self.config.least_change and (late or not self.config.starts_blind):
                raise TrainingError(
                    f"the model is blind: with {name} pictures every answer logit is the same; the pictures do not "
                    "reach the decoder"
                )
            gap = values[f"loss_{name}"] - loss
            if late and not gap >= self.config.margin:
                raise TrainingError(
                    f"the model is blind: with {name} pictures its loss is only {gap:.4f} nats a token worse "
                    f"(asked for: {self.config.margin}); it answers from the questions alone"
                )
        return values

    def _answers(self, model: Prefix, batch: PackedBatch) -> tuple[Tensor, float]:
        """Logits of the trained tokens, and their mean loss."""
        batch = to_device(batch, device_of(model))
        mask = branch_mask(batch.documents, batch.branches)
        hidden = model.read(model.image_tokens(batch.pixels), batch.ids, batch.positions, mask)
        trained = batch.targets != IGNORE
        logits = model.decoder.logits(hidden[trained])
        losses = answer_loss(logits, batch.targets[trained], self.step.first_location, self.step.ordinal)
        return logits.float(), float(losses.mean())


def wrong_pictures(pixels: Tensor) -> dict[str, Tensor]:
    """Somebody else's pictures, no pictures (the grey that normalising maps to zero), and scrambled ones."""
    order = torch.randperm(pixels.shape[-2] * pixels.shape[-1], generator=torch.Generator().manual_seed(0))
    scrambled = pixels.flatten(-2)[..., order.to(pixels.device)].view_as(pixels)
    return {"swapped": pixels.roll(1, 0), "blank": torch.zeros_like(pixels), "shuffled": scrambled}


def labels_cover_answers(rows: Iterable[Rendered]) -> Mapping[str, float]:
    """That each row trains on something, and only on what an assistant says.

    Raises DataError naming the first row that does not. Silent masking is the field's commonest defect of instruction
    tuning (LLaVA #661, #1166): labels gone, loss 0.0, nobody looks; its mirror image trains on the questions.
    """
    trained = total = 0
    for number, row in enumerate(rows):
        taught = [role for role, mask in zip(row.roles, row.loss_mask, strict=True) if mask]
        if not taught:
            raise DataError(f"row {number}: no token of it is trained on; it needs an answer that fits")
        if others := {role for role in taught if role != "assistant"}:
            raise DataError(f"row {number}: tokens of {', '.join(sorted(others))} are trained on; only answers may be")
        if "assistant" in [role for role, mask in zip(row.roles, row.loss_mask, strict=True) if not mask]:
            raise DataError(f"row {number}: a part of its answer is not trained on; render it with the template")
        trained, total = trained + len(taught), total + len(row.ids)
    if not total:
        raise DataError("there is no row to look at; check the data")
    return {"trained_share": trained / total}
