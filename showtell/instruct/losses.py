"""Next-token cross-entropy over the tokens that are answers, with an ordinal option for location tokens.

    loss = - sum over trained tokens  sum over v  q(v | target) log p(v)

For words q is all on the target. Location tokens are different: `<loc_31>` is nearly right when `<loc_30>` is the
target, and plain cross-entropy calls it as wrong as `<loc_63>`. With `spread` > 0 the target of a location token is a
discretised Gaussian over its neighbours (`spread` in bins, renormalised at the border), so that a small model need not
find out from scratch that locations have an order. Sums, not means, are returned: the loop divides by the number of
trained tokens of the whole global batch, so that a batch cut into pieces has the loss of the whole.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def ordinal_targets(bins: int, spread: float) -> Float[Tensor, "bins bins"]:
    """Row b: the smoothed target of bin b."""
    distance = torch.arange(bins)[:, None] - torch.arange(bins)[None, :]
    weights = torch.exp(-0.5 * (distance / spread) ** 2) if spread > 0 else (distance == 0).float()
    return weights / weights.sum(dim=1, keepdim=True)


def answer_loss(
    logits: Float[Tensor, "tokens vocab"],
    targets: Int[Tensor, " tokens"],
    first_location: int = 0,
    ordinal: Float[Tensor, "bins bins"] | None = None,
) -> Float[Tensor, " tokens"]:
    """Loss of each trained token.

    Args:
        first_location: id of the first location token; the others follow it.
        ordinal: smoothed targets of location tokens (`ordinal_targets`), or None for plain cross-entropy.
    """
    log_p = F.log_softmax(logits.float(), dim=-1)
    plain = -log_p.gather(-1, targets[:, None])[:, 0]
    if ordinal is None:
        return plain
    bins = len(ordinal)
    located = (targets >= first_location) & (targets < first_location + bins)
    smoothed = ordinal.to(log_p)[(targets - first_location).clamp(0, bins - 1)]  # (tokens, bins)
    soft = -(smoothed * log_p[:, first_location : first_location + bins]).sum(dim=-1)
    return torch.where(located, soft, plain)
