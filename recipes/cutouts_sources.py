"""The three collections behind the cut-out pack: what the table names, opened as pictures with source and licence.

A stamp is found by its stem, clip art by globs, a pictogram by its Unicode name. Every function stops with the line of
the table that names something the collection does not have.
"""

import fnmatch
import io
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

TABLE = Path(__file__).with_name("cutouts_table.txt")
STAMP_LICENSE = "GPL-2.0-or-later"
STAMP_AUTHOR = "Tux Paint contributors, collected by Bill Kendrick"
# Stamps for which the package's changelog names another licence (GFDL and kin) or leaves doubt stay out.
STAMPS_OUT = {
    "Christmas_pudding", "German_Christmas_toy", "Lightbulb", "Apricot_whole", "Cherry_Stella", "Strawberry2",
    "Woodlouse", "Brown_slug", "helmeted_guineafowl", "guineafowl", "cement_mixer",
}  # fmt: skip
STAMPS_CC = {
    "pelican": ("CC-BY-SA-2.5", "Erinn Lynch"),
    "heron_greatblue": ("CC-BY-SA-2.5", "Erinn Lynch"),
    "firetruck": ("CC-BY-2.5", "Aaron M. Lang"),
    "Mince_Pie": ("CC-BY-2.5", "Jmb"),
    "Roast_turkey": ("CC-BY-2.0", "Patrick Fitzgerald"),
    "Candy_cane_photo_1": ("Public-Domain", "Kathleen French"),
    "Candy_cane_photo_2": ("Public-Domain", "Kathleen French"),
    "Christmas_Tree_photo": ("Public-Domain", "Jorge Barrios"),
}
DRAWN_FOLDERS = {"easter", "halloween", "newyears", "hats", "flags", "monuments", "naturalforces", "clothes"}


@dataclass(kw_only=True)
class Candidate:
    """One picture on its way into the pack."""

    category: str
    source: str
    """stamps, clipart or openmoji"""
    file: str
    """path inside the source package"""
    style: str
    license: str
    author: str
    open: Callable[[], Image.Image | None]
    """reads or renders the picture; None for a drawing that cannot be rendered"""
    image: Image.Image = field(default_factory=lambda: Image.new("RGBA", (1, 1)))
    group: int = -1
    split: str = "train"
    style_twin: bool = False
    data: bytes = b""
    hashes: list[np.ndarray] = field(default_factory=list)

    @property
    def stem(self) -> str:
        return Path(self.file).stem


def read_table(path: Path) -> dict[str, tuple[bool, list[str], list[str], list[str]]]:
    """{category: (keep even if small, stamp stems, clip-art globs, Unicode names)}."""
    table = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")] + [""] * 3
        name = cells[0].lstrip("+ ")
        if name in table:
            sys.exit(f"{path.name} line {number}: category {name!r} appears twice; join the two lines")
        names = [part.strip() for part in cells[3].split(";") if part.strip()]
        table[name] = (cells[0].startswith("+"), cells[1].split(), cells[2].split(), names)
    return table


def render(svg: str, width: int = 256) -> Image.Image | None:
    """A picture of an SVG text; None for a drawing without a usable size."""
    try:
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, skip_system_fonts=True))
    except ValueError:
        return None
    return Image.open(io.BytesIO(png)).convert("RGBA")


def outline(svg: str) -> Image.Image | None:
    """The line layer of a pictogram over a white body with the outline of the whole."""
    whole = render(svg)
    lines = render(re.sub(r'<g id="(color|hair|skin|skin-shadow)"', r'<g id="\1" display="none"', svg))
    if whole is None or lines is None:
        return None
    body = Image.new("RGBA", whole.size, (255, 255, 255, 0))
    body.putalpha(whole.getchannel("A"))
    body.alpha_composite(lines)
    return body


def read(path: Path) -> Image.Image | None:
    """A PNG or SVG as RGBA, at most 512 px: enough for a 96 px cut-out and quick to label."""
    if path.suffix == ".svg":
        return render(path.read_text(errors="replace"))
    image = Image.open(path)
    if image.width * image.height > 40_000_000:  # nine posters take longer than all the rest
        return None
    image = image.convert("RGBA")
    image.thumbnail((512, 512), Image.Resampling.LANCZOS)
    return image


@cache
def listing(root: Path, marker: str) -> tuple[Path, list[Path]]:
    """(folder in which `marker` lies, all pictures below it)."""
    base = next(root.rglob(marker)).parent
    return base, sorted(path for path in base.rglob("*") if path.suffix in (".png", ".svg"))


def stamps(root: Path, category: str, names: list[str]) -> list[Candidate]:
    base, files = listing(root, "stamps/animals")
    found = []
    for name in names:
        wanted = "/" + name.removesuffix(".svg")
        hits = [path for path in files if str(path.with_suffix("")).endswith(wanted)]
        hits = [path for path in hits if path.suffix == ".svg" or not name.endswith(".svg")]
        if not hits:
            sys.exit(f"{TABLE.name}, {category}: no stamp is called {name!r}")
        path = min(hits, key=lambda hit: ("cartoon" in str(hit), hit.suffix, len(str(hit)), str(hit)))
        if path.stem in STAMPS_OUT:
            continue
        drawn = path.suffix == ".svg" or "cartoon" in path.parts or path.parent.name in DRAWN_FOLDERS
        license, author = STAMPS_CC.get(path.stem, (STAMP_LICENSE, STAMP_AUTHOR))
        found.append(
            Candidate(category=category, source="stamps", file=str(path.relative_to(base)), license=license,
                      author=author, style="drawing" if drawn else "photo", open=partial(read, path))
        )  # fmt: skip
    return found


def clipart(root: Path, category: str, globs: list[str]) -> list[Candidate]:
    base, files = listing(root, "png/animals")
    found = {}
    wrong = [glob[1:] for glob in globs if glob.startswith("!")]
    for glob in (glob for glob in globs if not glob.startswith("!")):
        folder, _, stem = glob.rpartition("/")
        hits = [f for f in files if fnmatch.fnmatch(f.stem, stem) and (not folder or f.parent.name == folder)]
        if not hits:
            sys.exit(f"{TABLE.name}, {category}: no clip art matches {glob!r}")
        for path in hits:
            if any(fnmatch.fnmatch(path.stem, pattern) for pattern in wrong):
                continue
            if "flat-theme" in path.parts or "lemon-theme" in path.parts:
                continue
            found.setdefault(path.stem + "/" + str(path.stat().st_size), path)
    return [
        Candidate(category=category, source="clipart", file=str(path.relative_to(base)), license="Public-Domain",
                  author="Open Clip Art Library contributor", open=partial(read, path),
                  style="line" if re.search(r"_bw(_|$)|outline|contour", path.stem) else "drawing")
        for path in found.values()
    ]  # fmt: skip


def emoji(root: Path, category: str, names: list[str]) -> list[Candidate]:
    """Two renderings per pictogram: in colour, and as an outline."""
    found = []
    folder, _ = listing(root, "svg/1F415.svg")
    for name in names:
        try:
            code = name[2:] if name.startswith("U+") else f"{ord(unicodedata.lookup(name.upper())):04X}"
            svg = (folder / f"{code}.svg").read_text()
        except (KeyError, FileNotFoundError):
            sys.exit(f"{TABLE.name}, {category}: no pictogram is called {name!r}")
        for style, picture in (("pictogram", partial(render, svg)), ("line", partial(outline, svg))):
            found.append(Candidate(category=category, source="openmoji", file=f"svg/{code}.svg", style=style,
                                   license="CC-BY-SA-4.0", author="OpenMoji", open=picture))  # fmt: skip
    return found
