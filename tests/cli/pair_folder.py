"""Models for the commands on pairs: one that knows colours, and a tiny random one on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from showtell.contrastive.pocket_pair import PADDING, PairFolder, PocketPair, PocketPairConfig, save_pair
from showtell.contrastive.word_tower import WordTowerConfig
from showtell.images.decode import Picture
from showtell.text.tokenizer import train_tokenizer
from showtell.vision.efficientnet import EfficientNetConfig, Stage

COLORS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "white": (250, 250, 250)}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class MeanColor:
    """An embedder anybody can check: the mean colour of a picture, and the first colour word of a text."""

    name: str = "mean colour"
    key: str = "0123456789ab"
    dim: int = 3
    scale: float = 10.0

    def pictures(self, pictures: Sequence[Picture]) -> Tensor:
        means = np.stack([picture.pixels.mean((0, 1)) for picture in pictures])
        return F.normalize(torch.tensor(means).float() - 110, dim=-1)

    def texts(self, texts: Sequence[str]) -> Tensor:
        named = [next(rgb for word, rgb in COLORS.items() if word in text) for text in texts]
        return F.normalize(torch.tensor(named).float() - 110, dim=-1)


def paint(path: Path, color: str, shift: int = 0) -> Path:
    """A picture in one colour; `shift` makes it another file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20 + shift, 12), COLORS[color]).save(path)
    return path


def tiny_pair(seed: int = 0) -> PairFolder:
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(["a photo of a red green blue white dog cat"] * 3, 280, (PADDING,))
    text = WordTowerConfig(vocab_size=len(tokenizer), max_tokens=24, dim=12, depth=1, heads=2, mlp_dim=20, out=10)
    stages = (Stage(kernel=3, stride=2, expand=1, width=8, repeats=1),)
    vision = EfficientNetConfig(stages=stages, stem_width=6, head_width=20, classes=1)
    config = PocketPairConfig(vision=vision, text=text, class_rank=3, classes=5, image_size=20, alphabet=LETTERS)
    return PairFolder(config, PocketPair(config).eval(), tokenizer, {"edition": 7})


def save_tiny_pair(folder: Path, seed: int = 0) -> Path:
    save_pair(tiny_pair(seed), folder)
    return folder
