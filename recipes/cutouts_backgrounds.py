"""Photographic backgrounds of the cut-out pack: square crops without a nameable object.

Crops come from the photographs that scikit-image and scikit-learn install, all public domain, CC0 or CC BY (checked in
the packages' own docstrings and read-me files). Grey textures are tinted (grass green, brick red), because a world of
grey walls would tell the model that colour means object. The split is by photograph: no crop of a held-out photograph
is seen in training.
"""

import io
from pathlib import Path

import numpy as np
import skimage
import sklearn
from PIL import Image

SIDE = 192
SKIMAGE = Path(skimage.__file__).parent / "data"
SKLEARN = Path(sklearn.__file__).parent / "datasets" / "images"

# file: (source, license, author, split, [(left, top, side, mirrored)], [tints over grey])
PHOTOGRAPHS = {
    "brick.png": ("scikit-image", "CC0-1.0", "CC0Textures", "train",
                  [(0, 0, 256), (256, 0, 256), (0, 256, 256), (256, 256, 256)],
                  [None, (196, 110, 84), (214, 180, 150), (150, 160, 190)]),
    "grass.png": ("scikit-image", "CC0-1.0", "linolafett", "train",
                  [(0, 0, 256), (256, 0, 256), (0, 256, 256), (256, 256, 256)],
                  [(120, 180, 80), (90, 140, 60), (180, 180, 100), (140, 190, 120)]),
    "gravel.png": ("scikit-image", "CC0-1.0", "CC0Textures", "heldout",
                   [(0, 0, 256), (256, 0, 256), (0, 256, 256), (256, 256, 256)],
                   [None, (210, 180, 140), (150, 140, 130), (170, 180, 200)]),
    "coffee.png": ("scikit-image", "CC0-1.0", "Rachel Michetti", "train",
                   [(0, 0, 150), (0, 250, 150), (450, 0, 150), (460, 260, 140)], [None]),
    "chelsea.png": ("scikit-image", "CC0-1.0", "Stefan van der Walt", "train",
                    [(0, 180, 110), (330, 180, 110), (340, 20, 110)], [None]),
    "hubble_deep_field.jpg": ("scikit-image", "Public-Domain", "NASA, ESA", "train",
                              [(0, 0, 300), (350, 0, 300), (700, 0, 300), (0, 560, 300), (350, 560, 300),
                               (690, 560, 300)], [None]),
    "ihc.png": ("scikit-image", "Public-Domain", "Center for Microscopy and Molecular Imaging", "train",
                [(0, 0, 200), (300, 0, 200), (0, 300, 200), (300, 300, 200)], [None]),
    "rocket.jpg": ("scikit-image", "Public-Domain", "SpaceX", "heldout", [(0, 0, 200), (430, 0, 200)], [None]),
    "camera.png": ("scikit-image", "CC0-1.0", "Lav Varshney", "train",
                   [(0, 0, 120), (0, 380, 130), (380, 380, 130)], [None, (150, 180, 220)]),
    "retina.jpg": ("scikit-image", "CC0-1.0", "Mikael Haggstrom", "train",
                   [(350, 250, 300), (700, 900, 250)], [None]),
    "china.jpg": ("scikit-learn", "CC-BY-2.0", "danielbuechele", "train",
                  [(0, 0, 100), (500, 0, 120), (270, 330, 90), (0, 180, 110)], [None]),
    "flower.jpg": ("scikit-learn", "CC-BY-2.0", "vultilion", "heldout",
                   [(0, 0, 140), (0, 280, 140), (500, 290, 137), (500, 0, 120)], [None]),
}  # fmt: skip


def backgrounds() -> list[dict]:
    """Index rows (with the encoded picture under `data`), in a fixed order."""
    rows = []
    for file, (source, license, author, split, crops, tints) in PHOTOGRAPHS.items():
        folder = SKIMAGE if source == "scikit-image" else SKLEARN
        whole = Image.open(folder / file).convert("RGB")
        for number, (left, top, side) in enumerate(crops):
            tint = tints[number % len(tints)]
            tile = whole.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            if tint is not None:
                grey = np.asarray(tile.convert("L"), dtype=np.float32)[..., None] / 255
                tile = Image.fromarray((np.clip(grey * np.array(tint) * 1.25, 0, 255)).astype(np.uint8))
            buffer = io.BytesIO()
            tile.save(buffer, "WEBP", quality=85, method=4)
            rows.append({"instance": f"ground-{Path(file).stem}-{number}", "source": source, "file": file,
                         "license": license, "author": author, "split": split,
                         "note": f"crop {left},{top} {side} px" + (", tinted" if tint else ""),
                         "data": buffer.getvalue()})  # fmt: skip
    return rows
