"""What a frozen tower makes of every picture, computed once and kept: training a projection on it then takes minutes.

    pair --paint--> 224 x 224 over white --view--> tower --> pooled (1280)          float16, PART pictures a file

Two views: "plain", and "placed": mirrored at random, smaller, somewhere on a coloured or photographic ground, since not
everything that is to be found stands alone on white. A part that is there is not made again.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from recipes.pairs import SIDE, Pair, hash_of, paint, visible_of
from showtell.core.checkpoint import load_tensors, save_tensors
from showtell.data.sample import sample_rng
from showtell.images.normalize import HALF_MEAN, HALF_STD, normalize, to_float
from showtell.worlds.cutouts import CutoutPack

PART = 256


def features(
    pairs: Sequence[Pair],
    root: Path,
    tower: nn.Module,
    folder: Path,
    pack: CutoutPack,
    view: str = "plain",
    say: Callable[[str], None] = lambda words: None,
) -> dict[str, Tensor]:
    """{"pooled": (pairs, width), "hash": (pairs, bits), "there": (pairs,)}; `there`: whether it can be drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for first in range(0, len(pairs), PART):
        path = folder / f"{view}-{first:06d}.safetensors"
        if not path.is_file():
            save_tensors(one_part(pairs[first : first + PART], first, root, tower, pack, view), path)
            say(f"{view}: {min(first + PART, len(pairs)):,} of {len(pairs):,} pictures")
        parts.append(load_tensors(path))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def one_part(
    pairs: Sequence[Pair], first: int, root: Path, tower: nn.Module, pack: CutoutPack, view: str
) -> dict[str, Tensor]:
    blank = Image.new("RGBA", (SIDE, SIDE), "white")
    drawn = [visible_of(pair, root) for pair in pairs]
    plain = [paint(image or blank) for image in drawn]
    shown = plain
    if view == "placed":
        shown = [placed(image or blank, pack, first + i) for i, image in enumerate(drawn)]
    pixels = torch.stack([normalize(to_float(np.asarray(image)), HALF_MEAN, HALF_STD) for image in shown])
    pooled = [pooled_of(tower, batch) for batch in pixels.split(8)]
    hashes = torch.tensor(np.stack([hash_of(image) for image in plain]))
    there = torch.tensor([image is not None for image in drawn])
    return {"pooled": torch.cat(pooled).half(), "hash": hashes, "there": there}


@torch.inference_mode()
def pooled_of(tower: nn.Module, pixels: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return tower(pixels).pooled.float()


def placed(image: Image.Image, pack: CutoutPack, number: int) -> Image.Image:
    """The picture somewhere on a ground, a function of its number alone."""
    rng = sample_rng(77, number)
    grounds = pack.grounds("train")
    if rng.random() < 0.5:
        ground = Image.fromarray(pack.rgba(grounds[rng.integers(len(grounds))])).convert("RGB").resize((SIDE, SIDE))
    else:
        ground = Image.new("RGB", (SIDE, SIDE), tuple(int(level) for level in rng.integers(40, 256, 3)))
    image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else image
    scale = SIDE * rng.uniform(0.55, 1.0) / max(image.size)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    corner = (int(rng.integers(SIDE - image.width + 1)), int(rng.integers(SIDE - image.height + 1)))
    ground.paste(image, corner, image)
    return ground
