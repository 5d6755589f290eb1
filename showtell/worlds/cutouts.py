"""The cut-out pack: pictures of everyday things with exact masks, and photographic grounds to put them on.

    index.json ──> CutoutPack.instances ──> pack.rgba(cutout): uint8[H, W, 4], tight, longest side <= 96 px
                                    └─────> pack.split(cutout): "train" | "heldout", fixed when the pack was built

Because a picture is cut out (it has an alpha channel), pasting it into a scene gives its mask, its box and its centre
exactly. A category holds several instances in several styles:

    photo       a real thing, photographed and cut out
    drawing     clip art and drawn stamps
    pictogram   an emoji in colour
    line        an outline on a white body (the same emoji without its colours, or black-and-white clip art)

Held-out instances never appear in training scenes, and near twins are always on one side (`recipes/cutouts_pack.py`
builds the pack and states the sources). The one exception is marked: a held-out `line` cut-out with `style_twin` has
its colour rendering in train, which tests a new *rendering* of a known picture.

Pictures are decoded when first asked for and kept in a bounded cache. A pack can be pickled: it travels as its folder's
path and is opened again on the other side. Not here: pasting (`scene.py`), and saying what a scene shows (`facts.py`).
"""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from showtell.core.errors import DataError

Split = Literal["train", "heldout"]
ADVICE = "install showtell again or rebuild the pack"
CACHED_PICTURES = 4096  # a decoded cut-out is about 25 KB, so a full cache stays near 100 MB
OPTIONAL_ARCHIVE = "cutouts-gpl.zip"  # may be removed; its instances then leave the pack


@dataclass(frozen=True, kw_only=True)
class Cutout:
    """One cut-out picture."""

    category: str
    """what it shows, a lower-case common noun"""
    instance: str
    """unique name, also its file name inside the archive"""
    style: Literal["photo", "drawing", "pictogram", "line"]
    """how it is drawn"""
    source: str
    """collection it comes from: stamps, clipart or openmoji"""
    license: str
    """SPDX-like licence name"""
    index: int
    """position in `CutoutPack.instances`"""
    split: Split
    """side it is on"""
    file: str = ""
    """path inside the source collection"""
    author: str = ""
    """who drew or photographed it, as far as the source says"""
    group: str = ""
    """near twins share a group, and a group is never divided between splits (`style_twin` aside)"""
    style_twin: bool = False
    """held-out line rendering whose colour twin is in train"""
    archive: str = "cutouts.zip"
    """file that holds it"""


@dataclass(frozen=True, kw_only=True)
class Background:
    """One square photographic ground, 192 px, without a nameable object."""

    instance: str
    """unique name"""
    source: str
    """package it comes from"""
    license: str
    """SPDX-like licence name"""
    index: int
    """position in `CutoutPack.backgrounds`"""
    split: Split
    """side it is on; the crops of one photograph are on one side"""
    file: str = ""
    """photograph it was cropped from"""
    author: str = ""
    """who took the photograph"""
    note: str = ""
    """where it was cropped, and whether it was tinted"""
    archive: str = "cutouts.zip"
    """file that holds it"""


class CutoutPack:
    """The instances of one pack folder, and their pixels on demand. Use `load_pack`."""

    def __init__(self, folder: Path):
        self.folder = folder
        index = _read_index(folder / "index.json")
        self._archives = {
            name: archive
            for name in sorted({row.get("archive", "cutouts.zip") for row in index["instances"]} | {"cutouts.zip"})
            if (archive := _find_archive(folder / name)) is not None
        }
        present = [row for row in index["instances"] if row.get("archive", "cutouts.zip") in self._archives]
        self.instances: tuple[Cutout, ...] = _rows(Cutout, present, folder)
        self.backgrounds: tuple[Background, ...] = _rows(Background, index["backgrounds"], folder)
        self.categories: tuple[str, ...] = tuple(sorted({cutout.category for cutout in self.instances}))
        self._decode: Callable[[str, str], np.ndarray] = lru_cache(maxsize=CACHED_PICTURES)(self._decode_now)

    def __reduce__(self) -> tuple[Callable[[Path], "CutoutPack"], tuple[Path]]:
        return load_pack, (self.folder,)

    def rgba(self, picture: Cutout | Background) -> np.ndarray:
        """uint8[H, W, 4], straight alpha, read-only because the cache shares it.

        A cut-out is cropped to what is visible; a background is opaque, 192 x 192.
        """
        return self._decode(picture.archive, picture.instance)

    def split(self, picture: Cutout | Background) -> Split:
        return picture.split

    def by_category(self, split: Split | None = None, *, style_twins: bool = True) -> dict[str, tuple[Cutout, ...]]:
        """{category: its instances} of one split (all for None), without categories that have none there.

        With `style_twins=False` the held-out side keeps only pictures of which no rendering was trained on.
        """
        kept: dict[str, list[Cutout]] = {}
        for cutout in self.instances:
            if (split is None or cutout.split == split) and (style_twins or not cutout.style_twin):
                kept.setdefault(cutout.category, []).append(cutout)
        return {category: tuple(kept[category]) for category in sorted(kept)}

    def grounds(self, split: Split | None = None) -> tuple[Background, ...]:
        return tuple(ground for ground in self.backgrounds if split is None or ground.split == split)

    def _decode_now(self, archive: str, instance: str) -> np.ndarray:
        where = f"{self.folder / archive}, {instance}.webp"
        try:
            data = self._archives[archive][f"{instance}.webp"]
            with Image.open(io.BytesIO(data)) as picture:
                pixels = np.array(picture.convert("RGBA"))
        except KeyError:
            raise DataError(f"{where}: not in the pack; {ADVICE}") from None
        except OSError as error:
            raise DataError(f"{where}: damaged picture ({error}); {ADVICE}") from error
        pixels.setflags(write=False)
        return pixels


class _Archive:
    """Stored (not deflated) zip members, read by name; opened at the first picture, because listing a zip is slow.

    The bytes stay in memory, so that forked workers never share a file position.
    """

    def __init__(self, path: Path):
        self._path = path
        self._zip: zipfile.ZipFile | None = None

    def __getitem__(self, name: str) -> bytes:
        try:
            if self._zip is None:
                self._zip = zipfile.ZipFile(io.BytesIO(self._path.read_bytes()))
            return self._zip.read(name)
        except zipfile.BadZipFile as error:
            raise OSError(str(error)) from error


def _find_archive(path: Path) -> _Archive | None:
    if not path.exists():
        if path.name == OPTIONAL_ARCHIVE:
            return None
        raise DataError(f"{path}: the cut-out pack is missing; {ADVICE}")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: damaged archive; {ADVICE}")
    return _Archive(path)


def _read_index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: the cut-out pack is missing; {ADVICE}") from None
    except ValueError as error:
        raise DataError(f"{path}: not a readable index ({error}); {ADVICE}") from None
    if not isinstance(index, dict) or index.get("version") != 1 or not {"instances", "backgrounds"} <= set(index):
        raise DataError(f"{path}: not an index of version 1; rebuild the pack with recipes/cutouts_pack.py")
    return index


def _rows(kind: type[Any], rows: list[dict[str, Any]], folder: Path) -> tuple[Any, ...]:
    try:
        return tuple(kind(index=index, **row) for index, row in enumerate(rows))
    except TypeError as error:
        raise DataError(f"{folder / 'index.json'}: an entry is incomplete ({error}); {ADVICE}") from error


@lru_cache(maxsize=8)
def _load(folder: Path) -> CutoutPack:
    return CutoutPack(folder)


def load_pack(path: str | Path | None = None) -> CutoutPack:
    """The pack in a folder, by default the one inside the package; opened once per process.

    Raises:
        DataError: the folder holds no pack, or a damaged one.
    """
    folder = Path(str(files("showtell.worlds") / "assets")) if path is None else Path(path).resolve()
    return _load(folder)
