"""Stage 5 of `dual_encoder.py`: how good a pair is on what it never saw, beside what needs no training at all.

    instance    new pictures of known categories, among all 377 names of the pack
    category    pictures of 56 categories that no caption of a training pair names, among those 56 and among all 377
    retrieval   up to a thousand held-out pictures and their captions, none of which was trained on, both ways
    style       the projection trained without one style, on pictures in that style

Beside it: MiniLM on the *captions alone* (the words that lie beside a picture, against the names), which is what search
by file name can do; ConSE (Norouzi et al. 2014), the mean of ImageNet's class names weighted by what the classifier
says, which needs no pairs; and chance.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.dual_encoder_data import Prepared
from recipes.pairs import held_categories
from showtell.contrastive.locked import LockedPair
from showtell.contrastive.pocket_pair import PairFolder, PocketPair, captions_of_pair, root_features
from showtell.contrastive.zero_shot import TEMPLATES, classifier
from showtell.metrics.intervals import wilson
from showtell.text.tokenizer import Tokenizer
from showtell.worlds.cutouts import Cutout

Rows = Callable[[Tensor], Tensor]
Texts = Callable[[list[str]], Tensor]
MOST = 1000


@cache
def memory() -> dict[str, Tensor]:
    return {}


def remembered(data: Prepared) -> Texts:
    """MiniLM, each text once."""

    def texts(words: list[str]) -> Tensor:
        fresh = [word for word in dict.fromkeys(words) if word not in memory()]
        if fresh:
            with torch.autocast("cpu", torch.bfloat16):
                memory().update(zip(fresh, data.encoder(fresh), strict=True))
        return torch.stack([memory()[word] for word in words])

    return texts


def top(scores: Tensor, truth: Tensor, k: int) -> dict[str, float]:
    hits = int((scores.topk(k, dim=1).indices == truth[:, None]).any(dim=1).sum())
    return {"n": len(truth), **{name: round(value, 4) for name, value in vars(wilson(hits, len(truth))).items()}}


def cutouts(data: Prepared, kind: str) -> list[Cutout]:
    """Held-out pictures of the pack."""
    held = held_categories(data.pack)
    if kind == "category":
        return [cutout for cutout in data.pack.instances if cutout.category in held]
    fresh = [cutout for cutout in data.pack.instances if cutout.split == "heldout" and not cutout.style_twin]
    return [cutout for cutout in fresh if cutout.category not in held]


def zero_shot(data: Prepared, images: Rows, texts: Texts, kind: str, among: str = "all") -> dict[str, Any]:
    """Top-1 and top-5 with the templates of the library."""
    shown = cutouts(data, kind)
    names = list(data.pack.categories) if among == "all" else sorted(held_categories(data.pack))
    weights = classifier(texts, names, TEMPLATES).weights
    rows = images(data.pack_features[[cutout.index for cutout in shown]])
    truth = torch.tensor([names.index(cutout.category) for cutout in shown])
    return {f"top{k}": top(rows @ weights.T, truth, k) for k in (1, 5)}


def retrieval_rows(data: Prepared) -> list[int]:
    """Held-out pairs with a caption of their own."""
    seen, chosen = set(), []
    for i in data.rows("instance"):
        caption = data.pairs[i].captions[0].lower()
        if data.pairs[i].style != "line" and caption not in seen:
            seen.add(caption)
            chosen.append(i)
    return chosen[:MOST]


def retrieval(data: Prepared, images: Rows, texts: Texts) -> dict[str, Any]:
    rows = retrieval_rows(data)
    scores = images(data.features[rows]) @ texts([data.pairs[i].captions[0] for i in rows]).T
    right = torch.arange(len(rows))
    return {
        f"{name} R@{k}": top(matrix, right, k)
        for name, matrix in (("image to text", scores), ("text to image", scores.T))
        for k in (1, 5, 10)
    }


def report(data: Prepared, images: Rows, texts: Texts) -> dict[str, Any]:
    """The scores of one pair of functions."""
    return {
        "instance, of 377 names": zero_shot(data, images, texts, "instance"),
        "category, of 56 names": zero_shot(data, images, texts, "category", "held"),
        "category, of 377 names": zero_shot(data, images, texts, "category"),
        "retrieval": retrieval(data, images, texts),
    }


def caption_only(data: Prepared) -> dict[str, Any]:
    """MiniLM on the words beside the pictures: no picture is looked at."""
    said = {(pair.source, pair.file): pair.captions[0] for pair in data.pairs if pair.captions}

    texts = remembered(data)
    found = {}
    for kind, among in (("instance", "all"), ("category", "held"), ("category", "all")):
        shown = [cutout for cutout in cutouts(data, kind) if (cutout.source, cutout.file) in said]
        names = list(data.pack.categories) if among == "all" else sorted(held_categories(data.pack))
        weights = classifier(texts, names, TEMPLATES).weights
        rows = texts([said[cutout.source, cutout.file] for cutout in shown])
        truth = torch.tensor([names.index(cutout.category) for cutout in shown])
        where = f"{kind}, of {377 if among == 'all' else 56} names"
        found[where] = {f"top{k}": top(rows @ weights.T, truth, k) for k in (1, 5)}
    return found


def conse(data: Prepared, most: int = 10) -> Rows:
    """The mean of class names, weighted by the classifier."""

    def images(pooled: Tensor) -> Tensor:
        with torch.no_grad():
            sure, which = data.tower.logits(pooled).softmax(dim=1).topk(most, dim=1)
        return F.normalize((sure[..., None] * data.class_vectors[which]).sum(dim=1), dim=-1)

    return images


def reader(model: PocketPair, tokenizer: Tokenizer) -> Texts:
    captions = captions_of_pair(model, tokenizer)

    @torch.inference_mode()
    def texts(words: list[str]) -> Tensor:
        ids, valid = captions(words)
        assert valid is not None
        return model.encode_texts(ids, valid)

    return texts


def heldout_logits(model: PocketPair, tokenizer: Tokenizer, data: Prepared) -> tuple[Tensor, Tensor]:
    """Cosines and truths of held-out instances, to fit the temperature on."""
    names = list(data.pack.categories)
    shown = cutouts(data, "instance")
    weights = classifier(reader(model, tokenizer), names, TEMPLATES).weights
    rows = model.project(data.pack_features[[cutout.index for cutout in shown]])
    return rows @ weights.T, torch.tensor([names.index(cutout.category) for cutout in shown])


def score_pair(pair: PairFolder, locked: LockedPair, data: Prepared, say: Callable[[str], None]) -> dict[str, Any]:
    """The card."""
    with torch.inference_mode():
        ours = report(data, pair.model.project, reader(pair.model, pair.tokenizer))
        teacher = report(data, lambda pooled: locked.images(root_features(pooled)), remembered(data))
        untrained = report(data, conse(data), remembered(data))
        found = {"pocket-clip": ours, "locked to MiniLM": teacher, "ConSE": untrained}
        found["MiniLM on captions alone"] = caption_only(data)
    for name, scores in found.items():
        for where, values in scores.items():
            told = ", ".join(f"{key} {value['value']:.1%}" for key, value in values.items())
            say(f"{name:28s} {where:24s} {told}")
    return found


def score_styles(
    data: Prepared, without: dict[str, Rows], with_all: Rows, say: Callable[[str], None]
) -> dict[str, Any]:
    """Pictures of a style for a matrix that never saw it, and for one that did (least squares, MiniLM's words)."""
    held = held_categories(data.pack)
    names = list(data.pack.categories)
    weights = classifier(remembered(data), names, TEMPLATES).weights
    found = {}
    for style, images in without.items():
        fresh = [cutout for cutout in data.pack.instances if cutout.style == style and cutout.split == "heldout"]
        shown = [cutout for cutout in fresh if cutout.category not in held]
        features = root_features(data.pack_features[[cutout.index for cutout in shown]])
        truth = torch.tensor([names.index(cutout.category) for cutout in shown])
        with torch.no_grad():
            scores = {"never seen": images(features) @ weights.T, "seen": with_all(features) @ weights.T}
        found[style] = {f"{name}, top{k}": top(rows, truth, k) for name, rows in scores.items() for k in (1, 5)}
        say(f"style {style}: " + ", ".join(f"{key} {value['value']:.1%}" for key, value in found[style].items()))
    return found
