"""Dense supervision: every patch says what covers it, in which colour, and where that thing's box is.

    patch features -> linear -> name (names + background)      cross-entropy on every patch
                             -> colour                          cross-entropy where the thing has one
                             -> box, 4 x bins                   cross-entropy with ordinal targets, on the foreground
                             -> 2 letters                       cross-entropy where something is written

A tower that must explain 64 patches a picture gets 64 lessons a picture, where a question about the picture is one.
This is what lets a small tower see within minutes on a CPU; a question-only start stays blind for a long time (figures
in `docs/LOG.md`). Boxes are classified into bins rather than regressed, so that the features carry a location the way
the decoder will have to say it: as one of `bins` words. The head is thrown away after training.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from showtell.engine.step import Loss
from showtell.vision.vit import VisionTransformer

IGNORE = -100
LETTERS = 27  # none, A to Z


@dataclass(frozen=True)
class DenseBatch:
    """Pictures and what covers each patch.

    pixels: (batch, 3, height, width).
    names: (batch, patches) 0 = background, else 1 + number of the name.
    colors: (batch, patches) number of the colour, IGNORE where there is none.
    boxes: (batch, patches, 4) bin of x1, y1, x2, y2, IGNORE on the background.
    letters: (batch, patches, 2) letter at a quarter and at three quarters of the patch's width, 0 = none, 1 = A, ...;
        IGNORE away from words.
    """

    pixels: Tensor
    names: Tensor
    colors: Tensor
    boxes: Tensor
    letters: Tensor


class DenseLogits(NamedTuple):
    """What the head reads from each patch.

    names: (batch, patches, names + 1).    colors: (batch, patches, colors).
    boxes: (batch, patches, 4, bins).      letters: (batch, patches, 2, 27).
    """

    names: Tensor
    colors: Tensor
    boxes: Tensor
    letters: Tensor


class DenseHead(nn.Linear):
    """One linear layer that reads name, colour, box and letters from each patch."""

    def __init__(self, dim: int, names: int, colors: int, bins: int):
        self.sizes = (names + 1, colors, 4 * bins, 2 * LETTERS)
        super().__init__(dim, sum(self.sizes))

    def read(self, tokens: Float[Tensor, "batch patches dim"]) -> DenseLogits:
        names, colors, boxes, letters = self(tokens).float().split(self.sizes, dim=-1)
        return DenseLogits(names, colors, boxes.unflatten(-1, (4, -1)), letters.unflatten(-1, (2, -1)))


class DenseTower(nn.Module):
    """A tower with the dense head on top."""

    def __init__(self, vision: VisionTransformer, head: DenseHead):
        super().__init__()
        self.vision, self.head = vision, head

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> DenseLogits:
        return self.head.read(self.vision(pixels).tokens)


def dense_loss(
    logits: DenseLogits, batch: DenseBatch, ordinal: Float[Tensor, "bins bins"]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Summed losses of names, colours, boxes (mean over the four sides) and letters."""
    names, colors, boxes, letters = logits
    name = F.cross_entropy(names.flatten(0, 1), batch.names.flatten(), reduction="sum")
    color = F.cross_entropy(colors.flatten(0, 1), batch.colors.flatten(), reduction="sum", ignore_index=IGNORE)
    foreground = batch.boxes[..., 0] != IGNORE  # (batch, patches)
    log_p = boxes[foreground].log_softmax(dim=-1)  # (foreground, 4, bins)
    box = -(ordinal.to(log_p)[batch.boxes[foreground]] * log_p).sum() / 4
    letter = F.cross_entropy(letters.flatten(0, 2), batch.letters.flatten(), reduction="sum", ignore_index=IGNORE)
    return name, color, box, letter


def accuracy(logits: Float[Tensor, "*batch classes"], targets: Int[Tensor, "*batch"], ignore: int) -> float:
    """Share of right answers where `targets != ignore`."""
    asked = targets != ignore
    return float((logits.argmax(dim=-1)[asked] == targets[asked]).float().mean()) if bool(asked.any()) else 0.0


@dataclass(frozen=True)
class DenseStep:
    """`step(model, batch) -> Loss`, per patch; colours, boxes and letters weigh half as much as names."""

    ordinal: Tensor
    color_weight: float = 0.5
    box_weight: float = 0.5
    letter_weight: float = 0.5

    def __call__(self, model: DenseTower, batch: DenseBatch) -> Loss:
        return self.loss(model(batch.pixels), batch)

    def loss(self, logits: DenseLogits, batch: DenseBatch) -> Loss:
        """Of logits that are already there."""
        name, color, box, letter = dense_loss(logits, batch, self.ordinal)
        total = name + self.color_weight * color + self.box_weight * box + self.letter_weight * letter
        seen = {
            "name_accuracy": accuracy(logits.names, batch.names, ignore=0),
            "color_accuracy": accuracy(logits.colors, batch.colors, ignore=IGNORE),
            "box_within_one": float(within_one(logits.boxes, batch.boxes)),
            "letter_accuracy": accuracy(logits.letters, torch.where(batch.letters == 0, IGNORE, batch.letters), IGNORE),
        }
        return Loss(total, float(batch.names.numel()), seen)


def within_one(boxes: Float[Tensor, "batch patches 4 bins"], targets: Int[Tensor, "batch patches 4"]) -> Tensor:
    """Share of box sides whose most probable bin is at most one off."""
    asked = targets != IGNORE
    off = (boxes.argmax(dim=-1)[asked] - targets[asked]).abs()
    return (off <= 1).float().mean() if off.numel() else torch.zeros(())
