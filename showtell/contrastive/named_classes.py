"""What a classifier says, as a place among words: ConSE (Norouzi et al. 2014), "convex combination of semantics".

    pooled -> classifier -> softmax over 1,000 names -> sum of p_c * vector of name c -> / length

A picture of a lynx that the classifier half takes for a tabby and half for a leopard lands between the words "tabby"
and "leopard", which is where "lynx" is. It needs no pairs at all and knows only what its classes span, which is why it
is good on photographs and on things no pair ever named, and poor on everything that ImageNet has no word for. The
classifier is kept as a product of two thin matrices. Not here: the other half of a picture's place, the trained matrix
(`pocket_pair.py`).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class NamedClasses(nn.Module):
    """Pooled features to unit vectors.

    Args:
        width: of the features.
        rank: of the classifier.
        classes: how many names it knows.
        out: width of the space of names.
    """

    def __init__(self, width: int, rank: int, classes: int, out: int):
        super().__init__()
        self.down = nn.Linear(width, rank, bias=False)
        self.up = nn.Linear(rank, classes)
        self.names = nn.Linear(classes, out, bias=False)

    def forward(self, pooled: Float[Tensor, "images width"]) -> Float[Tensor, "images out"]:
        return F.normalize(self.names(self.up(self.down(pooled)).softmax(dim=-1)), dim=-1)

    @torch.no_grad()
    def fill(self, classifier: nn.Linear, names: Float[Tensor, "classes out"]) -> None:
        """The best product of that rank for a classifier, and the vectors of its names."""
        centred = classifier.weight - classifier.weight.mean(dim=0)  # a softmax does not see what all classes share
        u, s, v = torch.linalg.svd(centred, full_matrices=False)
        rank = self.down.out_features
        self.down.weight.copy_(s[:rank, None].sqrt() * v[:rank])
        self.up.weight.copy_(u[:, :rank] * s[:rank].sqrt())
        self.up.bias.copy_(classifier.bias)
        self.names.weight.copy_(names.T)
