"""The pictures of `smol_llava`, looked at once: a frozen tower always says the same about the same picture.

    Scene.sample -> Stretch 224 -> EfficientNet-Lite0 -> features    (pictures, 49, 1728) in half precision
                 -> Facts -> captions, questions and answers in words                     a line of JSON a picture

    FOLDER/shard-0003.safetensors   shard-0003.jsonl       so many pictures each; a shard that exists is not made again

A step of training then costs the decoder alone. Questions that need a place (boxes, points) are left out: this model
speaks in words. A question begins with a capital letter half of the time, because people write them so.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn

from showtell.core.checkpoint import save_tensors, write_atomically
from showtell.data.sample import sample_rng
from showtell.images.decode import decode
from showtell.images.fixed import FixedProcessor
from showtell.instruct.chat_documents import chat_document
from showtell.instruct.packing import Document, PackedBatch, PackedRow, pack_row, stack_rows
from showtell.text.chat import ChatFormat
from showtell.text.tokenizer import Tokenizer
from showtell.worlds.facts import Facts
from showtell.worlds.language import Exchange, exchanges
from showtell.worlds.scene import Scene

CAPTIONS = ("caption", "list", "name")
WRITING = (" text", " word", "writing", "written", "to read", "letters")
SKILLS = ("caption", "list", "name", "color", "count", "exists", "relation", "compare")


def asked(
    facts: Facts, rng: np.random.Generator, skills: Sequence[str], most: int, wording: str = "train"
) -> list[Exchange]:
    """Up to `most` exchanges in words alone, and none about writing: these pictures hold none."""
    found = exchanges(facts, rng, phrasings=wording, most=3 * most, skills=skills)
    in_words = [e for e in found if all(isinstance(part, str) for part in (*e.question, *e.answer))]
    return [e for e in in_words if not any(word in str(e.question[0]) for word in WRITING)][:most]


def question_of(exchange: Exchange, rng: np.random.Generator) -> str:
    """The question in words, its first letter a capital one half of the time."""
    text = "".join(str(part) for part in exchange.question)
    return text[:1].upper() + text[1:] if rng.random() < 0.5 else text


def written(exchange: Exchange, rng: np.random.Generator) -> list[str]:
    """[skill, question, answer]"""
    return [exchange.skill, question_of(exchange, rng), "".join(str(part) for part in exchange.answer)]


@torch.inference_mode()
def look(
    scene: Scene, seed: int, positions: Sequence[int], tower: nn.Module, processor: FixedProcessor
) -> tuple[Tensor, list[Facts]]:
    """Features and facts of some pictures."""
    drawn = [scene.sample(seed, position) for position in positions]
    pixels = torch.stack([processor(decode(pixels)).pixels for pixels, _ in drawn])
    return tower(pixels).tokens, [facts for _, facts in drawn]


def remember(
    folder: Path,
    scene: Scene,
    seed: int,
    pictures: int,
    tower: nn.Module,
    processor: FixedProcessor,
    shard: int = 250,
    on_shard: Callable[[int, int], None] = lambda done, all: None,
) -> None:
    """Look at pictures 0 ... `pictures` - 1 of a seed and keep what was seen; goes on where it stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = -(-pictures // shard)
    for number in range(shards):
        words = folder / f"shard-{number:04d}.jsonl"
        if not words.is_file():
            features, lines = [], []
            for first in range(number * shard, min((number + 1) * shard, pictures), 25):
                positions = range(first, min(first + 25, (number + 1) * shard, pictures))
                seen, facts = look(scene, seed, positions, tower, processor)
                features.append(seen.half())
                lines += [json.dumps(conversation(seed, p, fact)) for p, fact in zip(positions, facts, strict=True)]
            save_tensors({"features": torch.cat(features)}, words.with_suffix(".safetensors"))
            write_atomically(words, ("\n".join(lines) + "\n").encode())
        on_shard(number + 1, shards)


def conversation(seed: int, position: int, facts: Facts) -> dict[str, Any]:
    """What is said about a picture in each stage."""
    rng = sample_rng(seed, position)
    said = {"captions": asked(facts, rng, CAPTIONS, 3), "questions": asked(facts, rng, SKILLS, 10)}
    return {"position": position} | {stage: [written(e, rng) for e in found] for stage, found in said.items()}


class Remembered:
    """What `remember` has written, read when needed."""

    def __init__(self, folder: Path):
        self.folder = folder
        files = sorted(folder.glob("shard-*.jsonl"))
        lines = [file.read_text(encoding="utf-8").splitlines() for file in files]
        self.words = [json.loads(line) for file in lines for line in file]
        self.places = [
            (file.with_suffix(".safetensors"), i)
            for file, shard in zip(files, lines, strict=True)
            for i in range(len(shard))
        ]

    def __len__(self) -> int:
        return len(self.words)

    def features(self, picture: int) -> Tensor:
        """(tokens, width) in half precision."""
        path, i = self.places[picture]
        row: Tensor = opened(path).get_slice("features")[i]
        return row


@lru_cache(maxsize=256)
def opened(path: Path) -> Any:
    """A shard, its tensors not yet read."""
    return safe_open(path, framework="pt")


@dataclass(frozen=True)
class Row:
    """A packed row and what the tower said about its picture."""

    packed: PackedRow
    features: Tensor


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Packed rows for `data.loader.Batches`: position -> picture and some of its questions, in another order each time.

    stage: "captions" or "questions".
    length: tokens of a row.
    image_tokens: placeholders of a picture; 0 = the questions alone, to train a blind model.
    first, pictures, start: which of the remembered pictures, and with which of these the first row begins.
    """

    memory: Remembered
    format: ChatFormat
    tokenizer: Tokenizer
    image_id: int
    stage: str
    length: int
    image_tokens: int
    seed: int
    first: int = 0
    pictures: int
    start: int = 0

    def picture(self, position: int) -> int:
        """Which picture a row is about."""
        return self.first + (self.start + position) % self.pictures

    def make(self, position: int) -> Row:
        rng = sample_rng(self.seed, position)
        picture = self.picture(position)
        document = self.document(picture, rng)
        features = self.memory.features(picture)[: self.image_tokens]
        return Row(pack_row([document], self.length, padding_id=0), features)

    def document(self, picture: int, rng: np.random.Generator) -> Document:
        """The picture and its questions in random order."""
        pairs = [(question, answer) for _, question, answer in self.memory.words[picture][self.stage]]
        order = rng.permutation(len(pairs))
        placeholders = [self.image_id] * self.image_tokens
        return chat_document(self.format, self.tokenizer, placeholders, [pairs[i] for i in order])

    def collate(self, rows: Sequence[Row]) -> PackedBatch:
        features = torch.stack([row.features for row in rows]).float()
        return stack_rows([row.packed for row in rows], features)
