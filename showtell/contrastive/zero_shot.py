"""Classification without training: the class names are the weights (Radford et al. 2021).

    "a photo of a {}." x class names --text tower--> unit vectors --mean over templates, length one again--> W
    picture --image tower--> unit vector x      scores = scale * x W^T      softmax over classes

Averaging the vectors of several phrasings and giving the mean unit length again steadies a classifier for nothing: the
quirks of single phrasings cancel. Probabilities of a softmax over *these* classes say nothing about pictures of none
of them, and are too sure or too shy until their temperature is fitted on labelled pictures (`fit_temperature`; Guo et
al. 2017).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from showtell.core.errors import DataError

TEMPLATES = ("a photo of a {}.", "a picture of a {}.", "a drawing of a {}.", "a {}.")


@dataclass(frozen=True)
class ZeroShot:
    """A classifier made of words.

    labels: class names.
    weights: (classes, dim), of length one.
    scale: inverse temperature of the softmax.
    """

    labels: tuple[str, ...]
    weights: Tensor
    scale: float

    def probabilities(self, images: Float[Tensor, "images dim"]) -> Float[Tensor, "images classes"]:
        """Softmax over the classes for unit vectors of pictures."""
        return (self.scale * images @ self.weights.T).softmax(dim=-1)


def classifier(
    encode_texts: Callable[[list[str]], Tensor],
    labels: Sequence[str],
    templates: Sequence[str] = TEMPLATES,
    scale: float = 100.0,
) -> ZeroShot:
    """Weights of class names: for each class, the mean over the templates of unit vectors, made a unit vector again.

    Args:
        encode_texts: captions to unit vectors (captions, dim).
        templates: captions with one `{}` for the name.

    Raises DataError for no labels, an empty or repeated label, or a template without its place.
    """
    names = tuple(label.strip() for label in labels)
    if not names:
        raise DataError("there are no labels; give at least two class names")
    for i, name in enumerate(names):
        if not name:
            raise DataError(f"label {i + 1} is empty")
        if name in names[:i]:
            raise DataError(f"label {i + 1} repeats {name!r}; two classes of one name cannot be told apart")
    for template in templates:
        if template.count("{}") != 1:
            raise DataError(f"the template {template!r} needs exactly one {{}} for the name of the class")
    captions = [template.format(name) for name in names for template in templates]
    vectors = encode_texts(captions).unflatten(0, (len(names), len(templates)))
    return ZeroShot(names, F.normalize(vectors.mean(dim=1), dim=-1), scale)


def fit_temperature(
    scores: Float[Tensor, "pictures classes"], labels: Int[Tensor, " pictures"], steps: int = 60
) -> float:
    """The factor on `scores` whose softmax has the smallest log loss on labelled pictures (golden-section search)."""
    low, high = -5.0, 7.0  # of the logarithm
    ratio = (5**0.5 - 1) / 2

    def loss(log_scale: float) -> float:
        return float(F.cross_entropy(scores.double() * torch.tensor(log_scale).exp(), labels))

    a, b = high - ratio * (high - low), low + ratio * (high - low)
    loss_a, loss_b = loss(a), loss(b)
    for _ in range(steps):
        if loss_a < loss_b:
            high, b, loss_b = b, a, loss_a
            a = high - ratio * (high - low)
            loss_a = loss(a)
        else:
            low, a, loss_a = a, b, loss_b
            b = low + ratio * (high - low)
            loss_b = loss(b)
    return float(torch.tensor((low + high) / 2).exp())
