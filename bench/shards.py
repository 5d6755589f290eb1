"""Reading tar shards in a shuffled order: ours against webdataset, the same tars in the same run.

    python bench/shards.py [--json] [--shards 8] [--samples 400] [--blocks 5]

    ours     data.shards.TarShards[order(position)]: one read a sample, an exact permutation, resumable at any position
    theirs   webdataset.WebDataset(shardshuffle).shuffle(1000).decode(): a stream of each tar through a buffer

A sample is a JPEG of the made-up world, a caption and a small JSON; both sides give the picture's bytes and the parsed
JSON, and neither decodes the picture, which would be the same work twice. Ours also hashes each sample for its id.
Blocks of one epoch alternate, the side that goes first too; processor time is compared, since on a shared machine the
wall clock measures the neighbours. The files are in the page cache; our index is built before, and its time is shown.
"""

import io
import json
import tarfile
import tempfile
import time
import warnings
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _report import Ratio, make_parser, report
from PIL import Image

from showtell.data.order import Windowed
from showtell.data.shards import TarShards
from showtell.worlds.cutouts import load_pack
from showtell.worlds.scene import Scene, SceneConfig

SIDE = 128


def write_shards(folder: Path, shards: int, samples: int) -> list[Path]:
    """Tars of so many samples each."""
    scene, paths = Scene(SceneConfig(image_size=SIDE), load_pack()), []
    pictures = [jpeg(scene.sample(1, position)[0]) for position in range(64)]  # drawing more would only take longer
    for shard in range(shards):
        paths.append(folder / f"shard-{shard:03d}.tar")
        with tarfile.open(paths[-1], "w") as tar:
            for number in range(samples):
                facts = {"number": shard * samples + number, "source": "world", "size": [SIDE, SIDE]}
                members = {"jpg": pictures[number % 64], "txt": b"a red star left of a blue cup", "json": dumped(facts)}
                for suffix, content in members.items():
                    member = tarfile.TarInfo(f"{number:06d}.{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return paths


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def dumped(facts: dict[str, object]) -> bytes:
    return json.dumps(facts).encode()


def ours(paths: list[Path], epoch: int) -> int:
    """Sum of the numbers of all samples of an epoch, which is how one sees that none is missing."""
    shards = TarShards(paths)
    order = Windowed(seed=1, groups=tuple(shards.groups), window=4)
    total = 0
    for position in range(epoch * len(shards), (epoch + 1) * len(shards)):
        record = shards[order(position)]
        assert record.images[0]
        total += record.facts["number"]
    return total


def theirs(paths: list[Path], epoch: int) -> int:
    import webdataset

    urls = [str(path) for path in paths]
    dataset = webdataset.WebDataset(urls, shardshuffle=len(urls), seed=epoch).shuffle(1000).decode()
    total = 0
    for sample in dataset:
        assert sample["jpg"]
        total += sample["json"]["number"]
    return total


def timed(side: Callable[[list[Path], int], int], paths: list[Path], epoch: int) -> tuple[int, float]:
    began = time.process_time()
    total = side(paths, epoch)
    return total, time.process_time() - began


def options() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--samples", type=int, default=400, help="of each shard")
    parser.add_argument("--blocks", type=int, default=5, help="epochs of each side")
    return parser


def main() -> None:
    given = options().parse_args()
    warnings.filterwarnings("ignore", module="webdataset")
    count = given.shards * given.samples
    with tempfile.TemporaryDirectory() as folder:
        paths = write_shards(Path(folder), given.shards, given.samples)
        began = time.process_time()
        TarShards(paths)
        indexing = time.process_time() - began
        spent: dict[str, list[float]] = {"ours": [], "theirs": []}
        for block in range(given.blocks):
            for side in (ours, theirs) if block % 2 else (theirs, ours):
                total, seconds = timed(side, paths, block)
                assert total == count * (count - 1) // 2, f"{side.__name__} did not give every sample once"
                spent[side.__name__].append(seconds)
        size = sum(path.stat().st_size for path in paths)
    rates = {name: count / float(np.median(seconds)) for name, seconds in spent.items()}
    report(
        f"{count:,} samples in {given.shards} tars of {size / given.shards / 1e6:.1f} MB, shuffled",
        [Ratio.rate("samples a second of one core", rates["ours"], rates["theirs"])],
        as_json=given.json,
        columns=("ours", "webdataset"),
        beside=[("building our index once, ms a shard", 1000 * indexing / given.shards, None)],
    )


if __name__ == "__main__":
    main()
