"""What a transformer block costs, counted: a multiplication and its addition are 2 operations (FLOPs).

    projections  q, k, v, o                    8 N d^2
    attention    scores and mixing             4 N^2 d
    MLP          up and down                   4 N d m          m = mlp_dim; 6 N d m with a gate

N tokens of width d. Halving the patch side makes four times as many tokens: the projections and the MLP cost 4 times as
much, the attention 16 times. The two meet at N = 2 d + m (= 6 d when m = 4 d). Softmax, norms and activations are left
out, as everywhere in the field; they are of order N^2 and N d.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockCost:
    """FLOPs of one block for one picture."""

    projections: int
    attention: int
    mlp: int

    @property
    def total(self) -> int:
        return self.projections + self.attention + self.mlp


def block_cost(tokens: int, dim: int, mlp_dim: int, gated: bool = False) -> BlockCost:
    """Cost of one block with full attention and as many key heads as query heads."""
    return BlockCost(
        projections=8 * tokens * dim**2,
        attention=4 * tokens**2 * dim,
        mlp=(6 if gated else 4) * tokens * dim * mlp_dim,
    )


def embedding_cost(tokens: int, values: int, dim: int) -> int:
    """Cost of a linear patch embedding: `values` numbers a patch (3 P^2) become `dim`."""
    return 2 * tokens * values * dim
