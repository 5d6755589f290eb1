"""Detection without anchors: boxes as a set (DETR), and boxes named by any words (OWL).

    SetHead    queries --attend to--> image tokens    each query: a box, and a class or "nothing"   (Carion et al. 2020)
    WordHead   every image token: a box near its own place, and a vector to compare with words    (Minderer et al. 2022)

    WordHead   box   = sigmoid(MLP(token) + bias of the token's place)                 cx, cy, width, height
               score = (cos(W token, words) + shift(token)) * (elu(scale(token)) + 1)

Both read tokens of any tower. `WordHead` takes text vectors of the contrastive part, so that what it detects is a list
of words and may change with every picture. Boxes come out xyxy as fractions of the view. Not here: which prediction
answers for which truth (`matching.py`), the losses (`detection_loss.py`).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from showtell.core.attention import Attention, AttentionConfig
from showtell.core.cross_attention import CrossAttention
from showtell.core.mlp import MLP


@dataclass(frozen=True)
class Detections:
    """boxes: (batch, n, 4) xyxy in fractions.    logits: (batch, n, classes), last class of a SetHead = nothing."""

    boxes: Tensor
    logits: Tensor


@dataclass(frozen=True, kw_only=True)
class SetHeadConfig:
    """dim: width of the image tokens. queries: most things in a picture. classes: without "nothing"."""

    dim: int
    classes: int
    queries: int = 16
    depth: int = 2
    heads: int = 4


class SetLayer(nn.Module):
    """Queries look at each other, then at the picture."""

    def __init__(self, config: SetHeadConfig):
        super().__init__()
        shape = AttentionConfig(dim=config.dim, heads=config.heads)
        self.norm1, self.attn = nn.LayerNorm(config.dim), Attention(shape)
        self.norm2, self.look = nn.LayerNorm(config.dim), CrossAttention(shape)
        self.norm3, self.mlp = nn.LayerNorm(config.dim), MLP(config.dim, 4 * config.dim)

    def forward(
        self, queries: Float[Tensor, "batch queries dim"], tokens: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch queries dim"]:
        queries = queries + self.attn(self.norm1(queries))
        queries = queries + self.look(self.norm2(queries), tokens)
        return queries + self.mlp(self.norm3(queries))


class SetHead(nn.Module):
    """A fixed number of guesses, each of which may say "nothing"."""

    def __init__(self, config: SetHeadConfig):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.queries, config.dim) * 0.5)
        self.layers = nn.ModuleList(SetLayer(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim)
        self.box = nn.Sequential(MLP(config.dim, config.dim, "relu"), nn.ReLU(), nn.Linear(config.dim, 4))
        self.label = nn.Linear(config.dim, config.classes + 1)

    def forward(self, tokens: Float[Tensor, "batch tokens dim"]) -> Detections:
        queries = self.queries.expand(len(tokens), -1, -1)
        for layer in self.layers:
            queries = layer(queries, tokens)
        queries = self.norm(queries)
        return Detections(corners(self.box(queries).sigmoid()), self.label(queries))


class WordHead(nn.Module):
    """A box and a vector for every image token; module names are those of the published checkpoints."""

    def __init__(self, dim: int, word_dim: int):
        super().__init__()
        self.box_head = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, 4))
        self.dense0 = nn.Linear(dim, word_dim)
        self.logit_shift, self.logit_scale = nn.Linear(dim, 1), nn.Linear(dim, 1)

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens dim"],
        words: Float[Tensor, "batch words word_dim"],
        grid: tuple[int, int],
    ) -> Detections:
        """`words` are the vectors of what is looked for; `grid` is (rows, cols) of the tokens."""
        boxes = corners((self.box_head(tokens) + place_bias(*grid).to(tokens)).sigmoid())
        likeness = unit(self.dense0(tokens)) @ unit(words).transpose(1, 2)  # (batch, tokens, words)
        return Detections(boxes, (likeness + self.logit_shift(tokens)) * (F.elu(self.logit_scale(tokens)) + 1))


def unit(x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
    """Length one, with the published models' guard against zero."""
    return x / (x.norm(dim=-1, keepdim=True) + 1e-6)


def place_bias(rows: int, cols: int) -> Float[Tensor, "tokens 4"]:
    """Before the sigmoid: the far corner of each token's own patch, and a patch's size."""
    y, x = torch.meshgrid(torch.arange(1, rows + 1) / rows, torch.arange(1, cols + 1) / cols, indexing="ij")
    place = torch.stack([x.flatten(), y.flatten()], dim=1)
    size = torch.tensor([1 / cols, 1 / rows]).expand_as(place)
    values = torch.cat([place, size], dim=1)
    return torch.log(values + 1e-4) - torch.log1p(-values + 1e-4)


def corners(boxes: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4"]:
    """Centre, width and height to xyxy."""
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([center - half, center + half], dim=-1)
