"""The pictures a reader can ask about: the samples that ship with the model, and the ones added in this session.

    samples/    a.jpg  b.jpg  samples.json       key "a", "b": stable, so that a link can be shared
    added       bytes -> sha-256 -> key          the same file always gets the same key; bounded, oldest goes first

The page never draws the reader's own bytes: it draws a copy encoded here from the *decoded* pixels, so that
orientation, colour space and frame are those the model saw and a box lands where it should. Nothing is written to disk.
"""

import hashlib
import io
import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from showtell.core.errors import DataError, ImageError
from showtell.images.decode import Limits, Picture, decode
from showtell.studio.limits import RequestError, StudioLimits

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture that ships with the model, with what the page says about it."""

    file: str
    """File name inside the samples folder."""
    title: str
    """What the picture shows; also its text alternative."""
    license: str = ""
    """Author and licence, shown beside the picture."""
    questions: tuple[str, ...] = ()
    """Questions worth asking about it."""
    phrases: tuple[str, ...] = ()
    """Phrases worth finding in it."""

    @property
    def key(self) -> str:
        """The name used in URLs: the file name without its suffix."""
        return Path(self.file).stem


@dataclass(kw_only=True)
class HeldPicture:
    """A decoded picture and the copies of it that were already encoded for the page."""

    key: str
    title: str
    picture: Picture
    copies: dict[int, bytes] = field(default_factory=dict)

    def jpeg(self, longest_side: int) -> bytes:
        """JPEG of the decoded pixels, shrunk so that the longer side is at most `longest_side`."""
        if longest_side not in self.copies:
            image = Image.fromarray(self.picture.pixels)
            image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=90)
            self.copies[longest_side] = buffer.getvalue()
        return self.copies[longest_side]


def read_samples(folder: Path) -> tuple[Sample, ...]:
    """The samples of a folder, from its `samples.json` or, without one, from the picture files in it.

    Raises:
        DataError: `samples.json` is not a list of objects with a `file` that exists.
    """
    index = folder / "samples.json"
    if not index.is_file():
        files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
        return tuple(Sample(file=path.name, title=path.stem.replace("_", " ").replace("-", " ")) for path in files)
    rows = json.loads(index.read_text(encoding="utf-8"))
    if not isinstance(rows, list):
        raise DataError(f"{index}: a list of samples was expected; write a list of objects with file and title.")
    return tuple(_sample(row, number, folder) for number, row in enumerate(rows, start=1))


def _sample(row: object, number: int, folder: Path) -> Sample:
    if not isinstance(row, dict) or not isinstance(row.get("file"), str):
        raise DataError(f"{folder / 'samples.json'}: entry {number} has no 'file'; add the name of a picture.")
    name = row["file"]
    if Path(name).name != name or not (folder / name).is_file():
        raise DataError(f"{folder / 'samples.json'}: entry {number} names '{name}', which is not in the folder.")
    return Sample(
        file=name,
        title=str(row.get("title") or Path(name).stem),
        license=str(row.get("license") or ""),
        questions=tuple(str(question) for question in row.get("questions") or ()),
        phrases=tuple(str(phrase) for phrase in row.get("phrases") or ()),
    )


class PictureShelf:
    """Samples by name and added pictures by content hash; the latter in a bounded, least-recently-used store."""

    def __init__(self, samples_folder: Path, limits: StudioLimits) -> None:
        self.folder = samples_folder
        self.limits = limits
        self.samples = {sample.key: sample for sample in read_samples(samples_folder)}
        self._decoded_samples: dict[str, HeldPicture] = {}
        self._added: OrderedDict[str, HeldPicture] = OrderedDict()
        self._lock = threading.RLock()

    def add(self, data: bytes) -> HeldPicture:
        """Decode and keep an added picture; the same bytes give the same key and are decoded once.

        Raises:
            ImageError: the bytes are no picture, or a picture outside the limits.
        """
        key = hashlib.sha256(data).hexdigest()
        with self._lock:  # one decode at a time also bounds memory while several readers add pictures
            if key not in self._added:
                self._added[key] = HeldPicture(key=key, title="Your picture", picture=self._decode_added(data))
            self._added.move_to_end(key)
            self._shrink()
            return self._added[key]

    def get(self, key: str) -> HeldPicture:
        """The picture of a key.

        Raises:
            RequestError: 404, no sample has that name and no added picture with that hash is held any more.
        """
        with self._lock:
            if key in self._added:
                self._added.move_to_end(key)
                return self._added[key]
            if key not in self.samples:
                raise RequestError("The server no longer holds this picture; add it again or choose a sample.", 404)
            if key not in self._decoded_samples:
                sample = self.samples[key]
                picture = decode(self.folder / sample.file)
                self._decoded_samples[key] = HeldPicture(key=key, title=sample.title, picture=picture)
            return self._decoded_samples[key]

    def _decode_added(self, data: bytes) -> Picture:
        limits = Limits(max_bytes=self.limits.upload_bytes, max_pixels=self.limits.upload_pixels)
        try:
            return decode(data, limits)
        except ImageError as error:  # the decoder can only call it "<bytes>"; its reader knows which file it was
            raise ImageError(str(error).replace("<bytes>", "Your picture")) from error

    def _shrink(self) -> None:
        held = sum(entry.picture.pixels.nbytes for entry in self._added.values())
        while len(self._added) > 1 and (len(self._added) > self.limits.kept_pictures or held > self.limits.kept_bytes):
            _, gone = self._added.popitem(last=False)
            held -= gone.picture.pixels.nbytes
