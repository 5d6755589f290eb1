"""Which map of a word to believe: hide patches in the order that the map gives them, and watch the word go.

    chance of the words, as a share of what it was
    1 ┤●╮                                  a map that ranks what matters first makes the chance fall at once: the area
      │ ╰●╮    random order                under its curve is small. The same patches in random order are the measure
      │   ╰──●────────╮                    of it. What a map looks like does not enter.
    0 ┤ ●───●───●──────●
      └──────────────────► share of the picture that is hidden

(Petsiuk et al. 2018, "deletion".) A patch is hidden by what surrounds it, so that the end of the curve is a blank
picture of the same colours, and what remains there was guessed. Not here: the maps (`word_maps.py`).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from showtell.grounding.word_maps import Words, log_chances, spoken_chance

SHARES = (0.0, 1 / 64, 2 / 64, 4 / 64, 6 / 64, 8 / 64, 12 / 64, 16 / 64, 24 / 64, 32 / 64, 48 / 64, 1.0)


@dataclass(frozen=True)
class Curve:
    """Share of the picture hidden, and what is left of the chance of the words."""

    hidden: tuple[float, ...]
    chance: tuple[float, ...]

    @property
    def area(self) -> float:
        """Under the curve; 0 would be a word that is gone with the first patch. Chances above the first one count 1."""
        kept = np.minimum(np.asarray(self.chance), 1.0)
        return float(np.trapezoid(kept, self.hidden))


def deletion_curve(words: Words, ranking: Float[Tensor, "patches"]) -> Curve:
    """Hide the patches with the highest values first; ties in the order of the picture."""
    order = torch.argsort(ranking, descending=True, stable=True).tolist()
    counts = sorted({round(share * words.patches) for share in SHARES})
    chances = spoken_chance(log_chances(words, [order[:count] for count in counts]), words.span)
    return Curve(tuple(count / words.patches for count in counts), tuple((chances / chances[0]).tolist()))


def random_ranking(patches: int, seed: int) -> Float[Tensor, "patches"]:
    """The order that knows nothing."""
    return torch.from_numpy(np.random.default_rng(seed).permutation(patches).astype(np.float32))
