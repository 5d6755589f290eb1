"""The dual encoder inside the package: a few megabytes that put pictures and words into one space.

    224 x 224 -> EfficientNet-Lite0 -> pooled 1280 -+-> matrix ----------------> / length -- sum --> / length --+
                       (frozen)                     +-> ImageNet's class names -> / length --^ * classes_weight +-->
    caption   -> byte-level BPE -> word vectors -> mean -> matrix -> / length ----------------------------------+

Real parts, locked: the image tower is frozen and what comes after it was fitted to captions ("locked-image tuning",
Zhai et al. 2022); the text tower learned to put a caption where MiniLM, a sentence encoder ten times its size, puts it
(`recipes/dual_encoder.py`). It has the two methods of `DualEncoder`, and is used like one.

On disk (a folder): config.json, tokenizer.json, card.json, and model.safetensors with large matrices as bytes, one
scale a row (`core/int8_file.py`). Not here: published pairs (`clip.py`, `siglip.py`), what to do with a pair
(`embedder.py`).
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from showtell.contrastive.dual_encoder import Similarity
from showtell.contrastive.embedder import Captions
from showtell.contrastive.named_classes import NamedClasses
from showtell.contrastive.word_tower import WordTower, WordTowerConfig
from showtell.core.checkpoint import write_atomically
from showtell.core.config import from_dict, to_dict
from showtell.core.errors import CheckpointError, ConfigError
from showtell.core.hf_folder import read_json
from showtell.core.int8_file import load_bytes, save_bytes
from showtell.core.trace import Tap
from showtell.images.fixed import FixedConfig, FixedProcessor
from showtell.images.steps import LongestEdge, PadSquare
from showtell.text.tokenizer import Tokenizer
from showtell.vision.efficientnet import EfficientNet, EfficientNetConfig

PADDING, WHITE = "<pad>", (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class PocketPairConfig:
    """What config.json holds.

    vision, text: the towers; `text.out` is the width of the space.
    class_rank, classes: of the classifier whose names take part, see `NamedClasses`.
    classes_weight: of what they say, beside the matrix.
    image_size: side of the square the image tower sees, the whole picture in it, on white.
    alphabet: letters the text tower was taught.
    """

    architecture: Literal["showtell-pocket-pair"] = "showtell-pocket-pair"
    vision: EfficientNetConfig = field(default_factory=lambda: EfficientNetConfig(classes=1))
    text: WordTowerConfig
    class_rank: int = 256
    classes: int = 1000
    classes_weight: float = 0.5
    image_size: int = 224
    alphabet: str = ""


class PocketPair(nn.Module):
    """An image tower and a text tower in one space."""

    def __init__(self, config: PocketPairConfig):
        super().__init__()
        self.config = config
        self.vision = EfficientNet(config.vision)
        self.image_projection = nn.Linear(config.vision.head_width, config.text.out)
        self.named = NamedClasses(config.vision.head_width, config.class_rank, config.classes, config.text.out)
        self.text = WordTower(config.text)
        self.similarity = Similarity(biased=False)
        self.images, self.texts = Tap(), Tap()

    def encode_images(self, pixels: Float[Tensor, "images 3 height width"]) -> Float[Tensor, "images dim"]:
        """Pictures as unit vectors."""
        return self.images(self.project(self.vision(pixels).pooled))

    def project(self, pooled: Float[Tensor, "images width"]) -> Float[Tensor, "images dim"]:
        """What the image tower pooled, as unit vectors."""
        fitted = F.normalize(self.image_projection(root_features(pooled)), dim=-1)
        return F.normalize(fitted + self.config.classes_weight * self.named(pooled), dim=-1)

    def encode_texts(
        self, ids: Int[Tensor, "texts tokens"], valid: Bool[Tensor, "texts tokens"]
    ) -> Float[Tensor, "texts dim"]:
        """Captions as unit vectors."""
        return self.texts(F.normalize(self.text(ids, valid), dim=-1))


@dataclass(frozen=True)
class PairFolder:
    """Everything in such a folder."""

    config: PocketPairConfig
    model: PocketPair
    tokenizer: Tokenizer
    card: dict[str, Any]

    @property
    def processor(self) -> FixedProcessor:
        steps = (LongestEdge(longest=self.config.image_size), PadSquare(fill=WHITE))
        return FixedProcessor(FixedConfig(steps=steps))


def captions_of_pair(model: PocketPair, tokenizer: Tokenizer) -> Captions:
    """Lower case, like the teacher of the text tower, and no letter it was never shown."""
    config = model.config
    padding_id = tokenizer.id(PADDING)
    return Captions(tokenizer, config.text.max_tokens, padding_id=padding_id, clean=tidy, alphabet=config.alphabet)


def root_features(pooled: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
    """Unit vectors of the roots: single strong channels are kept from shouting (Arandjelovic and Zisserman 2012)."""
    return F.normalize(pooled.clamp_min(0).sqrt(), dim=-1)


def tidy(text: str) -> str:
    """Single spaces, lower case, no full stop at the end."""
    return " ".join(text.lower().split()).rstrip(" .")


def save_pair(pair: PairFolder, folder: Path) -> None:
    """Write the four files; each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    save_bytes(pair.model, folder / "model.safetensors")
    pair.tokenizer.save(folder / "tokenizer.json")
    for name, content in (("config.json", to_dict(pair.config)), ("card.json", pair.card)):
        write_atomically(folder / name, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def load_pair(folder: Path) -> PairFolder:
    """Read a folder written by `save_pair`; raises CheckpointError naming the file that is missing or does not fit."""
    try:
        config = from_dict(PocketPairConfig, read_json(folder / "config.json"))
    except ConfigError as error:
        raise CheckpointError(f"{folder / 'config.json'}: {error}") from error
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    if len(tokenizer) != config.text.vocab_size:
        raise CheckpointError(
            f"{folder / 'tokenizer.json'}: {len(tokenizer)} tokens where the model has {config.text.vocab_size}; "
            "the files are of different models"
        )
    model = PocketPair(config)
    load_bytes(model, folder / "model.safetensors")
    card = read_json(folder / "card.json") if (folder / "card.json").is_file() else {}
    return PairFolder(config, model.eval(), tokenizer, card)
