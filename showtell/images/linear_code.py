"""Patches as a linear code: what a patch embedding keeps, and how to read it back.

    token = W x + b          x: the 3 P^2 numbers of a patch, W: (dim, 3 P^2)
    x'    = W^+ (token - b)  the smallest x' that has this token

W^+ W is a projection onto the row space of W: what lies in it comes back exactly, what lies outside is gone. If W has
rank 3 P^2 (which needs dim >= 3 P^2) nothing is lost. The best W of `dim` < 3 P^2 rows for given patches, in squared
error, are their first principal components (Eckart and Young 1936); a random W keeps a random subspace.

Not here: the embedding itself, which is a convolution (`vision/patch_embed.py`); its weight, flattened, is W.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def read_back(
    tokens: Float[Tensor, "patches dim"], weight: Float[Tensor, "dim values"], bias: Float[Tensor, "dim"]
) -> Float[Tensor, "patches values"]:
    """The minimum-norm patches that have these tokens, in double precision inside.

    Raises torch.linalg.LinAlgError when W has not full rank.
    """
    rows, columns = weight.shape
    W, residual = weight.double(), (tokens - bias).double().T  # (dim, values), (dim, patches)
    if rows <= columns:
        solved = W.T @ torch.cholesky_solve(residual, torch.linalg.cholesky(W @ W.T))
    else:
        solved = torch.cholesky_solve(W.T @ residual, torch.linalg.cholesky(W.T @ W))
    return solved.T.to(tokens.dtype)


def principal_components(
    patches: Float[Tensor, "patches values"], count: int
) -> tuple[Float[Tensor, "count values"], Float[Tensor, "count"]]:
    """The `count` orthonormal directions that hold most of the patches, as a weight and a zero bias.

    Uncentred: the mean patch is nearly always the first direction.
    """
    _, directions = torch.linalg.eigh(patches.double().T @ patches.double())  # in columns, the weakest first
    weight = directions.T.flip(0)[:count].to(patches.dtype)
    return weight, weight.new_zeros(len(weight))


def signal_to_noise_db(original: Float[Tensor, "*shape"], copy: Float[Tensor, "*shape"]) -> float:
    """Peak signal-to-noise ratio of values in 0..1, in decibels; infinite for an exact copy."""
    error = (original.double() - copy.double()).square().mean()
    return float("inf") if error == 0 else float(-10 * torch.log10(error))
