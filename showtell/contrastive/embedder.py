"""Pictures and words in, unit vectors out: a dual encoder with everything that belongs between it and the outside.

    Picture ─ processor ─> pixels | patches ─ image tower ─┐
                                                           ├─> unit vectors of one space   (+ the scale of its softmax)
    text ─ cleaned ─ tokenizer ─> ids, valid ─ text tower ─┘

How captions are laid out follows from which token speaks for them (`text_tower.py`), never from a model's name:

    "last"            to full length, the padding read like any token (SigLIP)
    "eos", "largest"  to the longest caption at hand, the padding masked; the tokenizer must end every caption
    their mean        the same, and nothing need end them (`word_tower.py`)

What a vocabulary cannot write is refused instead of being embedded as if it said nothing. Not here: what is done with
the vectors (`index.py`, `zero_shot.py`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from showtell.contrastive.dual_encoder import Similarity
from showtell.contrastive.siglip import canonicalize, lowercase
from showtell.contrastive.text_tower import TextTowerConfig
from showtell.core.config import to_dict
from showtell.core.errors import CheckpointError, ConfigError, DataError
from showtell.images.decode import Picture
from showtell.images.native import FlexProcessor
from showtell.text.tokenizer import Tokenizer
from showtell.vision.siglip2 import PatchList

PICTURES, TEXTS = 8, 64  # encoded at a time: small batches of pictures stay in the cache of a processor


class Towers(Protocol):
    """What is needed of `DualEncoder` and of `PocketPair`."""

    similarity: Similarity

    def encode_images(self, pictures: Any) -> Tensor: ...
    def encode_texts(self, ids: Tensor, valid: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Captions:
    """Texts to the ids a text tower reads.

    tokenizer: as the checkpoint brings it, its additions at the ends of a text included.
    max_tokens: most that the tower reads.
    pooling: of the text tower; None where it takes the mean.
    eos_id: the end of a caption, for "eos".
    padding_id: what fills a row up.
    clean: the form the tower was trained on.
    alphabet: letters it was trained on; empty = whatever its tokenizer can write.
    """

    tokenizer: Tokenizer
    max_tokens: int
    pooling: str | None = None
    eos_id: int = 0
    padding_id: int = 0
    clean: Callable[[str], str] = str.strip
    alphabet: str = ""

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """(ids, valid); `valid` is None where padding is read. Raises DataError for a text it cannot read."""
        rows = [self._row(text) for text in texts]
        read_padding = self.pooling == "last"
        width = self.max_tokens if read_padding else max(len(row) for row in rows)
        ids = torch.tensor([row + [self.padding_id] * (width - len(row)) for row in rows])
        valid = torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]
        return ids, None if read_padding else valid

    def _row(self, text: str) -> list[int]:
        foreign = sorted({letter for letter in text if letter.isalpha() and letter.lower() not in self.alphabet})
        if self.alphabet and foreign:
            raise DataError(
                f"{text!r} has letters this model was never shown ({' '.join(foreign[:6])}); say it in a language its "
                "card names, or name a model that reads this one with --model"
            )
        ids: list[int] = self.tokenizer.rust.encode(self.clean(text)).ids
        if ids and self._means_nothing(ids):
            raise DataError(
                f"the vocabulary of this model cannot write {text!r}; say it in English, or name a model that reads "
                "this script with --model"
            )
        if self.pooling == "eos" and self.eos_id not in ids:
            raise CheckpointError(
                f"the tokenizer does not end a caption with id {self.eos_id}, where its text tower reads it; "
                "tokenizer and weights are of different models"
            )
        if not ids:
            raise DataError("a text is empty; say what the pictures should show")
        return ids if len(ids) <= self.max_tokens else [*ids[: self.max_tokens - 1], ids[-1]]

    def _means_nothing(self, ids: list[int]) -> bool:
        """Whether nothing but unknown tokens is left between the additions at both ends."""
        rust = self.tokenizer.rust
        unknown = getattr(rust.model, "unk_token", None)
        if unknown is None:
            return False
        said = [id for id in ids if self.tokenizer.control_names.get(id) in (None, unknown)]
        return bool(said) and all(id == rust.token_to_id(unknown) for id in said)


@dataclass(frozen=True)
class PairEmbedder:
    """An `Embedder` (`index.py`) of a loaded dual encoder, or of an image tower alone.

    name: what to call it in messages.
    key: names weights and preprocessing.
    dim: width of the space.
    look: pictures to rows, not yet of length one.
    read: texts to rows; None for a tower that knows no words.
    scale: inverse temperature of the softmax over classes.
    """

    name: str
    key: str
    dim: int
    look: Callable[[Sequence[Picture]], Tensor]
    read: Callable[[Sequence[str]], Tensor] | None = None
    scale: float = 100.0

    @torch.inference_mode()
    def pictures(self, pictures: Sequence[Picture]) -> Float[Tensor, "pictures dim"]:
        """Unit vectors. Raises DataError when the model gives numbers that are none."""
        rows = [self.look(pictures[first : first + PICTURES]) for first in range(0, len(pictures), PICTURES)]
        return self._finite(torch.cat(rows), "pictures")

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """Unit vectors. Raises ConfigError for a model without words, DataError for a text it cannot read."""
        if self.read is None:
            raise ConfigError(
                f"{self.name} has no text side, so words cannot be compared with pictures; search with a picture, or "
                "name a dual encoder with --model"
            )
        rows = [self.read(texts[first : first + TEXTS]) for first in range(0, len(texts), TEXTS)]
        return self._finite(torch.cat(rows), "texts")

    def _finite(self, rows: Tensor, kind: str) -> Tensor:
        bad = int((~rows.isfinite().all(dim=1)).sum())
        if bad:
            raise DataError(
                f"{self.name} gave vectors with NaN or infinity for {bad} of {len(rows)} {kind}; its weights are "
                "damaged, or were saved from a run that diverged"
            )
        return F.normalize(rows.float(), dim=-1)


def pair_embedder(name: str, model: nn.Module, processor: Any, captions: Captions) -> PairEmbedder:
    """The embedder of a dual encoder; `processor` turns a `Picture` into what its image tower takes."""
    towers: Any = model
    dim = int(captions_width(towers, captions))

    def read(texts: Sequence[str]) -> Tensor:
        rows: Tensor = towers.encode_texts(*captions(texts))
        return rows

    key = key_of(model, processor, captions)
    scale = float(towers.similarity.scale.detach().exp())
    return PairEmbedder(name, key, dim, lambda pictures: towers.encode_images(shown(processor, pictures)), read, scale)


def tower_embedder(name: str, model: nn.Module, processor: Any) -> PairEmbedder:
    """The embedder of an image tower alone: pictures find pictures."""

    def look(pictures: Sequence[Picture]) -> Tensor:
        rows: Tensor = model(shown(processor, pictures)).pooled
        return rows

    config: Any = model.config
    dim = getattr(config, "head_width", None) or config.dim
    return PairEmbedder(name, key_of(model, processor), int(dim), look)


@torch.inference_mode()
def captions_width(towers: Towers, captions: Captions) -> int:
    """Width of the shared space, asked of the text side, which is the cheaper one."""
    return towers.encode_texts(*captions(["a"])).shape[1]


def shown(processor: Any, pictures: Sequence[Picture]) -> Tensor | PatchList:
    """A batch for the image tower."""
    views = [processor(picture) for picture in pictures]
    if isinstance(processor, FlexProcessor):
        return PatchList(torch.stack([view.patches for view in views]), tuple(view.grid[1:] for view in views))
    return torch.stack([view.pixels for view in views])


def captions_of(tokenizer: Tokenizer, config: TextTowerConfig, declared: Mapping[str, Any]) -> Captions:
    """The layout of a published pair: `declared` is the text tower's part of its config.json."""
    tokenizer.rust.no_padding()
    tokenizer.rust.no_truncation()
    padding_id = tokenizer.rust.token_to_id("<pad>")
    layout = partial(
        Captions, tokenizer=tokenizer, max_tokens=config.max_tokens, pooling=config.pooling, eos_id=config.eos_id
    )
    if config.pooling != "last":
        return layout(padding_id=config.eos_id if padding_id is None else padding_id)
    if padding_id is not None:  # Gemma's vocabulary: SigLIP 2
        return layout(padding_id=padding_id, clean=lowercase)
    return layout(padding_id=int(declared.get("pad_token_id") or 1), clean=canonicalize)


def key_of(model: nn.Module, processor: Any, captions: Captions | None = None) -> str:
    """Twelve hexadecimal digits that change with any weight and with the preprocessing."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    told: list[Any] = [to_dict(processor.config)]
    if captions is not None:
        told += [captions.pooling, captions.padding_id, captions.tokenizer.rust.to_str()]
    digest.update(json.dumps(told, sort_keys=True).encode())
    return digest.hexdigest()[:12]
