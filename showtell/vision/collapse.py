"""Has a run that nobody supervises found a way to say nothing? Named, and stopped.

    features f of n different pictures, brought to length one
    spread    sqrt(mean |f - mean f|^2)               0 = every picture looks the same             (a point)
    rank      exp(entropy of the singular values)     1 = pictures differ in one way only          (a line)
    used      entropy of the mean answer / log K      0 = one prototype for everything
    unsure    mean entropy of an answer / log K       1 = every prototype for everything

A falling loss shows none of these: a collapsed student agrees with its collapsed teacher perfectly. The first two need
no prototypes, so masked autoencoders are watched by them too. Spread: Chen and He 2021 (SimSiam); rank: Roy and
Vetterli 2007, as Garrido et al. 2023 (RankMe) use it. `used` and `unsure` are `self_distillation.collapse`.

    Gate(check=watch(features, scores), every=200, name="collapse")
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from showtell.engine.step import TrainingError
from showtell.vision.self_distillation import collapse

LEAST_SPREAD, LEAST_RANK = 0.01, 1.5


class Spread(NamedTuple):
    """How different the features of different pictures are.

    spread: in 0..1, distance from their mean on the unit sphere.
    rank: effective number of directions in which they differ, in 0..dim.
    """

    spread: float
    rank: float

    @property
    def name(self) -> str | None:
        """What went wrong, or None."""
        if self.spread < LEAST_SPREAD:
            return f"the features of all pictures are the same (spread {self.spread:.2g})"
        if self.rank < LEAST_RANK:
            return f"the features of all pictures lie on one line (effective rank {self.rank:.2f})"
        return None


@torch.no_grad()
def spread(features: Float[Tensor, "pictures dim"]) -> Spread:
    """Of different pictures. Raises ValueError for fewer than two."""
    if len(features) < 2:
        raise ValueError("one picture alone cannot differ from the others")
    unit = F.normalize(features.double(), dim=-1)
    centred = unit - unit.mean(dim=0)
    deviation = float(centred.square().sum(dim=1).mean().sqrt())
    if deviation < 1e-9:
        return Spread(0.0, 0.0)
    singular = torch.linalg.svdvals(centred)
    return Spread(deviation, float(torch.special.entr(singular / singular.sum()).sum().exp()))


def watch(
    features: Callable[[Any], Float[Tensor, "pictures dim"]],
    answers: Callable[[Any], Float[Tensor, "pictures prototypes"]] | None = None,
    grace: int = 3,
) -> Callable[[Any], Mapping[str, float]]:
    """A gate's check over pictures that stay the same.

    Args:
        features: of a model for those pictures.
        answers: distributions over prototypes, not balanced; None = the method has none.
        grace: first checks of a process that only report: before training nothing is spread out.

    The check raises TrainingError naming what collapsed.
    """
    checks = 0

    def check(model: Any) -> Mapping[str, float]:
        nonlocal checks
        checks += 1
        found = spread(features(model))
        numbers, name = found._asdict(), found.name
        if answers is not None:
            said = collapse(answers(model))
            numbers, name = numbers | said._asdict(), name or said.name
        if name is not None and checks > grace:
            shown = ", ".join(f"{key} {value:.3g}" for key, value in numbers.items())
            raise TrainingError(f"the representation has collapsed: {name}; {shown}")
        return numbers

    return check
