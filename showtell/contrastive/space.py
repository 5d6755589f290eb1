"""Measures of a shared space: what contrastive training did to it, in numbers.

    alignment    mean ||image_i - text_i||^2 of pairs                          small = pairs lie together
    uniformity   log mean exp(-2 ||x_i - x_j||^2) of all i != j                small = the sphere is used evenly
    gap          || mean image - mean text ||                                  CLIP's two modalities form two cones
    CKA          ||X^T Y||^2 / (||X^T X|| ||Y^T Y||), columns centred          1 = alike up to rotation and scale

Alignment and uniformity: Wang and Isola 2020, whose point is that InfoNCE with many negatives asks for just these two.
The gap: Liang et al. 2022. Linear CKA: Kornblith et al. 2019. All take embeddings as rows; the first three want unit
length. Not here: drawing a map of the space.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def alignment(images: Float[Tensor, "pairs dim"], texts: Float[Tensor, "pairs dim"]) -> float:
    """Mean squared distance of the two halves of a pair, 0..4."""
    return float((images - texts).square().sum(dim=1).mean())


def uniformity(rows: Float[Tensor, "rows dim"], t: float = 2.0) -> float:
    """Logarithm of the mean Gaussian potential of all pairs of different rows; 0 when all rows are one point.

    Raises ValueError for fewer than two rows.
    """
    if len(rows) < 2:
        raise ValueError("uniformity compares different rows; give two at least")
    return float((-t * torch.pdist(rows.double()).square()).exp().mean().log())


def modality_gap(images: Float[Tensor, "images dim"], texts: Float[Tensor, "texts dim"]) -> Float[Tensor, " dim"]:
    """The vector from the mean text to the mean picture; its length is the gap."""
    return images.mean(dim=0) - texts.mean(dim=0)


def linear_cka(x: Float[Tensor, "rows dim_x"], y: Float[Tensor, "rows dim_y"]) -> float:
    """Likeness of two representations of the same things, 0..1, whatever their widths."""
    x, y = (rows.double() - rows.double().mean(dim=0) for rows in (x, y))
    return float((x.T @ y).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm()))


def ranks(scores: Float[Tensor, "queries candidates"], right: Int[Tensor, " queries"]) -> Int[Tensor, " queries"]:
    """How many candidates score better than the right one, for each query; 0 = it comes first.

    Of candidates that score the same, half count as better: a model that says the same of everything is at chance.
    """
    own = scores.gather(1, right[:, None])
    better, same = (scores > own).sum(dim=1), (scores == own).sum(dim=1) - 1
    return better + same // 2


def swap_accuracy(scores: Float[Tensor, "pictures 2"]) -> float:
    """Share of pictures whose true caption (column 0) beats its words in another order (column 1); ties are half."""
    true, swapped = scores.unbind(dim=1)
    return float((true > swapped).double().mean() + (true == swapped).double().mean() / 2)
