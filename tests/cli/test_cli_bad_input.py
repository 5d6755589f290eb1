"""Bad input: one clear sentence that names the thing, exit code 2, never a traceback, never a silent wrong answer."""

import io
import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from showtell.core.checkpoint import load_tensors, save_tensors


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
    red, green, blue = assistant.asked[0][0].pixels.reshape(-1, 3).mean(0)
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


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def test_a_whole_checkpoint_answers(showtell, copy, picture) -> None:
    """The control: what is refused below is refused for its damage alone."""
    ran = showtell("ask", picture, "what is this?", "--model", str(copy), "--json")
    assert ran.code == 0 and json.loads(ran.out)["model"] == "copy"


def key_too_many(folder: Path) -> str:
    weights = folder / "model.safetensors"
    save_tensors(load_tensors(weights) | {"vision.stowaway": torch.zeros(3)}, weights)
    return "vision.stowaway"


def key_too_few(folder: Path) -> str:
    tensors = load_tensors(folder / "model.safetensors")
    gone = sorted(tensors)[0]
    save_tensors({name: tensor for name, tensor in tensors.items() if name != gone}, folder / "model.safetensors")
    return gone


def weights_cut(folder: Path) -> str:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    return "model.safetensors"


def weights_garbage(folder: Path) -> str:
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)
    return "model.safetensors"


def weights_gone(folder: Path) -> str:
    (folder / "model.safetensors").unlink()
    return "model.safetensors"


def config_garbage(folder: Path) -> str:
    (folder / "config.json").write_text('{"architecture": ')
    return "config.json"


def config_gone(folder: Path) -> str:
    (folder / "config.json").unlink()
    return "config.json"


def config_of_another_size(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text())
    config["model"]["decoder"]["mlp_dim"] = 40
    (folder / "config.json").write_text(json.dumps(config))
    return "shape"


def config_with_an_unknown_field(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text())
    config["model"]["decoder"]["dropuot"] = 0.1
    (folder / "config.json").write_text(json.dumps(config))
    return "dropuot"


def unknown_architecture(folder: Path) -> str:
    (folder / "config.json").write_text('{"architecture": "somebody-elses"}')
    return "somebody-elses"


def tokenizer_garbage(folder: Path) -> str:
    (folder / "tokenizer.json").write_text("[]")
    return "tokenizer.json"


DAMAGE: list[Callable[[Path], str]] = [
    key_too_many, key_too_few, weights_cut, weights_garbage, weights_gone, config_garbage, config_gone,
    config_of_another_size, config_with_an_unknown_field, unknown_architecture, tokenizer_garbage,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("command", ["ask", "card"])
def test_a_damaged_checkpoint_is_refused(showtell, copy, picture, damage, command) -> None:
    word = damage(copy)
    words = ("card", str(copy)) if command == "card" else ("ask", picture, "what is this?", "--model", str(copy))
    refused(showtell(*words, "--json"), word)


def test_a_model_that_is_a_file_or_nothing_is_refused(showtell, picture, tmp_path) -> None:
    for name in (picture, str(tmp_path / "nowhere")):
        refused(showtell("ask", picture, "what is this?", "--model", name, "--json"), name)
