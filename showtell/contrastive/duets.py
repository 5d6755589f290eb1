"""A dual encoder small enough for a page: half a megabyte, for the duets of `worlds/duets.py`.

    pixels (pictures, 3, 32, 32) -> ViT, 16 patches -> mean -> 48 numbers, length one
    words  (captions, tokens)    -> causal text tower       -> 48 numbers, length one

Everything in it is the library's own `DualEncoder`; only the vocabulary is special: one id a word, because the world's
language has 27 words. Trained by `recipes/duets.py`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from showtell.contrastive.dual_encoder import DualEncoder, DualEncoderConfig
from showtell.contrastive.text_tower import TextTowerConfig
from showtell.core.checkpoint import load_module
from showtell.core.errors import DataError
from showtell.vision.vit import ViTConfig
from showtell.worlds.duets import VOCABULARY, Duet, draw

SIDE, MOST_TOKENS, DIM = 32, 16, 48
END = len(VOCABULARY)
IDS = {word: i for i, word in enumerate(VOCABULARY)}
CONFIG = DualEncoderConfig(
    vision=ViTConfig(image_size=(SIDE, SIDE), patch_size=8, dim=64, depth=3, heads=4, mlp_dim=192),
    text=TextTowerConfig(vocab_size=END + 1, max_tokens=MOST_TOKENS, dim=48, depth=2, heads=4, mlp_dim=144, eos_id=END),
    projection_dim=DIM,
)


def open_duets(path: str | Path) -> DualEncoder:
    """The trained pair in `path`."""
    model = DualEncoder(CONFIG)
    load_module(model, path)
    return model.eval().requires_grad_(False)


def pixels_of(pictures: Sequence[UInt8[np.ndarray, "32 32 3"]]) -> Float[Tensor, "pictures 3 32 32"]:
    """-1..1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def ids_of(captions: Sequence[str]) -> tuple[Int[Tensor, "captions tokens"], Bool[Tensor, "captions tokens"]]:
    """Ids with the end-of-text token after each caption, padded with it, and where they are valid.

    Raises DataError for a word the model has never read, or a caption that is too long.
    """
    split = [caption.lower().replace(",", " ").split() for caption in captions]
    for words in split:
        for word in words:
            if word not in IDS:
                raise DataError(f"this model has never read the word {word!r}; it knows {', '.join(VOCABULARY)}")
        if not 0 < len(words) < MOST_TOKENS:
            raise DataError(f"a caption has one to {MOST_TOKENS - 1} words, not {len(words)}")
    longest = max(map(len, split)) + 1
    ids = torch.tensor([[IDS[w] for w in words] + [END] * (longest - len(words)) for words in split])
    lengths = torch.tensor([len(words) + 1 for words in split])
    return ids, torch.arange(longest) < lengths[:, None]


def see(model: DualEncoder, duets: Sequence[Duet]) -> Float[Tensor, "duets dim"]:
    """Duets as unit vectors."""
    with torch.no_grad():
        return model.encode_images(pixels_of([draw(duet, SIDE) for duet in duets]))


def read(model: DualEncoder, captions: Sequence[str]) -> Float[Tensor, "captions dim"]:
    """Captions as unit vectors."""
    with torch.no_grad():
        return model.encode_texts(*ids_of(captions))
