"""What flows through the loader: samples made one by one from their position, collated into batches.

    position --make--> Sample --collate([...])--> Batch --step(model, batch)--> Loss

A sample is whatever a task needs (pixels and facts, ids and masks, two crops); the loader never looks inside. What it
does need is that both functions are pure: the same position gives the same sample in any process at any time, with
randomness drawn from `sample_rng(seed, position)` and never from a global generator.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Sample: TypeAlias = Any
Batch: TypeAlias = Any
Make: TypeAlias = Callable[[int], Sample]
Collate: TypeAlias = Callable[[list[Sample]], Batch]


def sample_rng(seed: int, position: int) -> np.random.Generator:
    """The random generator of one sample: augmentation, choice of questions, layout."""
    return np.random.default_rng((seed, position))
