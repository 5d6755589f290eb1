"""The numbers of chapter 3: what CLIP cost, counted from its published shapes, and what the small pairs measure."""

import math
from collections.abc import Callable
from functools import cache

import torch

from showtell.contrastive.clip import VIT_B_32, VIT_L_14
from showtell.contrastive.dual_encoder import DualEncoderConfig
from showtell.contrastive.duets import read, see
from showtell.contrastive.losses import info_nce, sigmoid_loss
from showtell.contrastive.space import modality_gap
from showtell.studio.demos.bag import all_swaps
from showtell.studio.demos.ceiling import State as CeilingState
from showtell.studio.demos.ceiling import estimate
from showtell.studio.demos.classifier import everything, written
from showtell.studio.demos.cones import made
from showtell.studio.series.tools import Tools
from showtell.vision.costs import block_cost, embedding_cost
from showtell.worlds.dice import keyed
from showtell.worlds.duets import COLORS, SHAPES, plain, sample

PAIRS, EPOCHS, BATCH = 400_000_000, 32, 32_768
V100, CARDS, DAYS = 125e12, 256, 12
"""Radford et al. 2021: ViT-L/14 took 12 days on 256 V100 cards, each of 125 TFLOP/s at most."""


def contrastive_numbers(tools: Tools) -> dict[str, Callable[[], str]]:
    """Name -> how to compute it."""
    total = 3 * PAIRS * EPOCHS * sum(forward(VIT_L_14))
    scores = 3 * 2 * BATCH**2 * 768
    return {
        "clip.parameters": lambda: f"{parameters(VIT_B_32) / 1e6:.0f}",
        "clip.large.parameters": lambda: f"{parameters(VIT_L_14) / 1e6:.0f}",
        "clip.picture": lambda: f"{forward(VIT_L_14)[0] / 1e9:.0f}",
        "clip.caption": lambda: f"{forward(VIT_L_14)[1] / 1e9:.0f}",
        "clip.seen": lambda: f"{PAIRS * EPOCHS / 1e9:.1f}",
        "clip.total": lambda: f"{total / 1e21:.1f}",
        "clip.used": lambda: f"{100 * total / (V100 * CARDS * DAYS * 86400):.0f}",
        "clip.years": lambda: f"{total / (0.4 * V100) / 86400 / 365:.1f}",
        "clip.scores.share": lambda: f"{100 * scores / (3 * BATCH * sum(forward(VIT_L_14))):.3f}",
        "clip.scores.bytes": lambda: f"{4 * BATCH**2 / 1e9:.1f}",
        "clip.steps": lambda: f"{PAIRS * EPOCHS // BATCH:,}",
        "clip.imagenet": lambda: f"{80_000 * forward(VIT_L_14)[1] / 1e15:.1f}",
        "clip.log": lambda: f"{math.log(BATCH):.1f}",
        "clip.warm": lambda: f"{math.log(1 + (BATCH - 1) * math.exp(-2)):.1f}",
        "equal.loss": lambda: f"{equal()[0]:.3f}",
        "sigmoid.unbiased": lambda: f"{equal()[1]:.0f}",
        "sigmoid.biased": lambda: f"{equal()[2]:.2f}",
        "ceiling.certified": lambda: f"{estimate(CeilingState(information=10.0), 16):.2f}",
        "duets.parameters": lambda: f"{sum(p.numel() for p in tools.duets('plain').parameters()):,}",
        "duets.tau": lambda: f"{1 / float(tools.duets('plain').similarity.scale.exp()):.3f}",
        "duets.named": lambda: f"{100 * tools.remember('named', lambda: named(tools, False)):.0f}",
        "duets.unseen": lambda: f"{100 * tools.remember('unseen', lambda: named(tools, True)):.0f}",
        "duets.negation": lambda: f"{100 * denied(tools):.0f}",
        "gap.untrained": lambda: f"{gap('untrained', tools):.2f}",
        "gap.trained": lambda: f"{gap('plain', tools):.2f}",
        "cone.pictures": lambda: f"{cone(0, tools):.2f}",
        "cone.captions": lambda: f"{cone(1, tools):.2f}",
        "swaps.plain.colours": lambda: f"{100 * all_swaps(tools)['plain', 'colours exchanged']:.0f}",
        "swaps.plain.sides": lambda: f"{100 * all_swaps(tools)['plain', 'sides exchanged']:.0f}",
        "swaps.twins.colours": lambda: f"{100 * all_swaps(tools)['twins', 'colours exchanged']:.0f}",
        "swaps.twins.sides": lambda: f"{100 * all_swaps(tools)['twins', 'sides exchanged']:.0f}",
    }


def parameters(config: DualEncoderConfig) -> int:
    """Of a CLIP pair, counted from its shapes."""
    vision, text, out = config.vision, config.text, config.projection_dim or 0
    patches = vision.grid[0] * vision.grid[1]
    picture = vision.dim * (3 * vision.patch_size**2 + patches + 2 + 4 + out)  # patches, class, positions, two norms
    caption = text.dim * (text.vocab_size + text.max_tokens + 2 + out)
    blocks = sum(t.depth * (t.dim * (4 * t.dim + 2 * t.mlp_dim + 9) + t.mlp_dim) for t in (vision, text))
    return picture + caption + blocks + 1


def forward(config: DualEncoderConfig) -> tuple[int, int]:
    """FLOPs of one picture and of one caption."""
    vision, text = config.vision, config.text
    patches = vision.grid[0] * vision.grid[1]
    picture = vision.depth * block_cost(patches + 1, vision.dim, vision.mlp_dim).total
    picture += embedding_cost(patches, 3 * vision.patch_size**2, vision.dim)
    return picture, text.depth * block_cost(text.max_tokens, text.dim, text.mlp_dim).total


@cache
def equal(pairs: int = 1000) -> tuple[float, float, float]:
    """Loss per pair when all embeddings are one point: InfoNCE, sigmoid without bias, sigmoid as SigLIP starts it."""
    one = torch.ones(pairs, 1, dtype=torch.float64)
    ten, zero = torch.tensor(10.0, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    apart = torch.zeros(pairs, 2, dtype=torch.float64)
    softmax = float(info_nce(one, one, ten)) / pairs
    unbiased, biased = (float(sigmoid_loss(apart, apart, ten, bias)) / pairs for bias in (zero, -ten))
    return softmax, unbiased, biased


def named(tools: Tools, held_out: bool) -> float:
    """How often a single thing is named right among all 36 names; `held_out`: things that training never drew."""
    return tools.remember(("named", held_out), lambda: name_all(tools, held_out))


def name_all(tools: Tools, held_out: bool, pictures: int = 240) -> float:
    dice, model = keyed(10**9, 3, stream=34), tools.duets("plain")
    duets = [sample(dice, pairs=0.0, held_out=held_out) for _ in range(pictures)]
    names = [f"a {color} {shape}" for color in COLORS for shape in SHAPES]
    best = (see(model, duets) @ read(model, names).T).argmax(dim=1).tolist()
    return sum(names[k] == plain(duet) for k, duet in zip(best, duets, strict=True)) / pictures


def denied(tools: Tools) -> float:
    """How often "circle and no star" and "star and no circle" are told apart, on the pictures of Figure 3.4."""
    words = written(("circle and no star", "star and no circle"), ("a {}",), tools)
    images = [see(tools.duets("plain"), everything(shape)) for shape in ("circle", "star")]
    right = [words.probabilities(rows).argmax(dim=1) == k for k, rows in enumerate(images)]
    return float(torch.cat(right).double().mean())


def gap(name: str, tools: Tools) -> float:
    return float(modality_gap(*tools.remember(("cones", name), lambda: made(name, tools))).norm())


def cone(which: int, tools: Tools) -> float:
    """Mean cosine between two different pictures (0) or captions (1) of the untrained pair."""
    rows = tools.remember(("cones", "untrained"), lambda: made("untrained", tools))[which]
    count = len(rows)
    return float(((rows @ rows.T).sum() - count) / (count * (count - 1)))
