"""Bad input: one clear sentence that names the thing, exit code 2, never a traceback, never a silent wrong answer."""

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def noise(height: int, width: int, channels: int = 3) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(pixels, mode="CMYK" if channels == 4 else None)


def missing(folder: Path) -> Path:
    return folder / "nowhere.jpg"


def directory(folder: Path) -> Path:
    (folder / "album.jpg").mkdir()
    return folder / "album.jpg"


def truncated(folder: Path) -> Path:
    buffer = io.BytesIO()
    noise(120, 160).save(buffer, "JPEG")
    (folder / "cut.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    return folder / "cut.jpg"


def huge_header(folder: Path) -> Path:
    """A PNG of a few bytes that says it has 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    data = b"".join(struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    (folder / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return folder / "huge.png"


def one_pixel(folder: Path) -> Path:
    noise(1, 1).save(folder / "dot.png")
    return folder / "dot.png"


def animated(folder: Path) -> Path:
    frames = [noise(30, 40) for _ in range(3)]
    for shade, frame in enumerate(frames):
        frame.paste((shade * 80, 0, 0), (0, 0, 20, 20))
    frames[0].save(folder / "film.gif", save_all=True, append_images=frames[1:])
    return folder / "film.gif"


def not_a_picture(folder: Path) -> Path:
    (folder / "notes.jpg").write_text("not a picture at all\n" * 20)
    return folder / "notes.jpg"


BAD_PICTURES: list[Callable[[Path], Path]] = [
    missing, directory, truncated, huge_header, one_pixel, animated, not_a_picture,
]  # fmt: skip


def refused(ran, *words: str) -> str:
    """The sentence of a refusal, checked for its form."""
    assert ran.code == 2
    sentence = json.loads(ran.out)["error"]
    assert "\n" not in sentence and "Traceback" not in ran.err
    assert " ".join(ran.err.split()) == sentence, "people and programs read the same sentence"
    assert 20 <= len(sentence) <= 400
    for word in words:
        assert word in sentence
    return sentence


@pytest.mark.parametrize("make", BAD_PICTURES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("command", ["ask", "ground", "caption", "chat"])
def test_a_bad_picture_is_refused(showtell, assistant, tmp_path, make, command) -> None:
    path = make(tmp_path)
    question = ["what is this?"] if command in ("ask", "ground") else []
    ran = showtell(command, str(path), *question, "--json")
    refused(ran, path.name)
    assert not assistant.asked and not assistant.encoded


def test_a_cmyk_tiff_is_read_rightly(showtell, assistant, tmp_path) -> None:
    """Cyan ink absorbs red: full cyan on paper is (0, 255, 255) or near it, never its negative."""
    path = tmp_path / "press.tif"
    Image.new("CMYK", (40, 30), (255, 0, 0, 0)).save(path)
    assert showtell("ask", str(path), "what is this?", "--json").code == 0
    red, green, blue = assistant.asked[0][0].reshape(-1, 3).mean(0)
    assert red < 60 and green > 130 and blue > 180


@pytest.mark.parametrize("command", ["ask", "ground"])
@pytest.mark.parametrize(
    ("question", "word"),
    [("", "empty"), ("   \n", "empty"), ("why " * 10_000, "10,000 words")],
    ids=["", "space", "long"],
)
def test_a_bad_question_is_refused(showtell, assistant, picture, command, question, word) -> None:
    refused(showtell(command, picture, question, "--json"), word)
    assert not assistant.asked


def test_a_question_without_a_picture_is_explained(showtell, assistant) -> None:
    refused(showtell("ask", "what is this?", "--json"), "picture")
