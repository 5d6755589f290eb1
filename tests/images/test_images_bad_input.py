"""Bad input: whatever the file, the answer is a picture or one clear sentence that names it."""

import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from showtell.core.errors import ImageError
from showtell.images.decode import Limits, decode

Encode = Callable[..., bytes]


def refusal(source: object, **options: object) -> str:
    """The sentence; checked to be one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError) as caught:
            decode(source, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert ": " in sentence and ";" in sentence  # what it is: what is wrong; what to do
    return sentence


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_that_announces(width: int, height: int, extra: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + chunk(b"IEND", b"")


def test_a_missing_file(tmp_path: Path):
    path = tmp_path / "nowhere.png"
    assert refusal(path) == f"{path}: no such file; check the path"


def test_a_directory(tmp_path: Path):
    assert refusal(tmp_path) == f"{tmp_path}: is a directory; name one picture inside it"


def test_an_empty_file(tmp_path: Path):
    path = tmp_path / "empty.jpg"
    path.touch()
    assert "the file is empty" in refusal(path)


def test_text_called_a_picture(tmp_path: Path):
    path = tmp_path / "notes.png"
    path.write_text("a cat sat on a mat\n" * 9)
    assert refusal(path).startswith(f"{path}: is not a picture in a format that is known here")


def test_a_format_that_starts_another_program(encoded: Encode):
    assert "is not a picture in a format that is known here" in refusal(encoded(Image.new("RGB", (20, 20)), "EPS"))


def test_things_that_are_no_path(tmp_path: Path):
    assert "web address" in refusal("https://example.org/cat.png")
    assert "cannot be read" in refusal("x" * 5000)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "not a regular file" in refusal(pipe)  # reading it would wait for ever


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file(noise: np.ndarray, encoded: Encode, tmp_path: Path, kind: str, share: float):
    data = encoded(Image.fromarray(noise), kind)
    path = tmp_path / "half"
    path.write_bytes(data[: int(share * len(data))])
    assert refusal(path).startswith(f"{path}: ")


def test_a_header_of_gigabytes(tmp_path: Path):
    path = tmp_path / "huge.png"
    path.write_bytes(png_that_announces(60_000, 60_000))
    assert refusal(path) == (
        f"{path}: its header announces 3,600,000,000 pixels, more than the limit of 128,000,000; "
        "scale the picture down first"
    )


def test_a_header_beyond_our_limit_but_not_pillows(tmp_path: Path):
    assert "12000 x 12000 pixels" in refusal(png_that_announces(12_000, 12_000))
    assert "more than the limit of 400" in refusal(np.zeros((21, 20, 3), np.uint8), limits=Limits(max_pixels=400))


def test_the_jpeg_header_is_believed_before_decoding(encoded: Encode):
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG"))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", 60_000, 60_000)
    assert "3,600,000,000 pixels" in refusal(bytes(data))


def test_compressed_text_that_unpacks_to_gigabytes():
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 80_000_000, 9))
    assert "damaged" in refusal(png_that_announces(16, 16, text))


def test_the_byte_limit_is_checked_before_reading(noise: np.ndarray, encoded: Encode, tmp_path: Path):
    path = tmp_path / "long.png"
    path.write_bytes(encoded(Image.fromarray(noise), "PNG"))
    assert "more than the limit of 100" in refusal(path, limits=Limits(max_bytes=100))
    assert "more than the limit of 100" in refusal(path.read_bytes(), limits=Limits(max_bytes=100))


def test_pillows_own_limits_and_warnings_are_left_alone():
    filters, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for size in (60_000, 12_000):
            with pytest.raises(ImageError):
                decode(png_that_announces(size, size))
    assert heard == []
    assert list(warnings.filters) == filters
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("extent", [(1, 1), (7, 400), (400, 7)])
def test_too_few_pixels(encoded: Encode, extent: tuple[int, int]):
    sentence = refusal(encoded(Image.new("RGB", extent), "PNG"))
    assert f"{extent[0]} x {extent[1]} pixels are too few" in sentence
    assert decode(np.zeros((8, 8, 3), np.uint8)).pixels.shape == (8, 8, 3)


def test_an_animation_without_a_frame(noise: np.ndarray, encoded: Encode, tmp_path: Path):
    path = tmp_path / "cat.gif"
    frames = [Image.fromarray(noise), Image.fromarray(255 - noise)]
    path.write_bytes(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert refusal(path) == (
        f'{path}: holds 2 frames and one picture is wanted; name one by adding "#frame=0" to its path, or pass frame=0'
    )
    assert "no frame 2" in refusal(f"{path}#frame=2")
    assert "no frame -1" in refusal(path, frame=-1)
    assert "no frame 1" in refusal(encoded(frames[0], "PNG"), frame=1)


def test_a_later_page_that_is_too_large(encoded: Encode):
    pages = [Image.new("L", (20, 20)), Image.new("L", (90, 90))]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert "90 x 90 pixels" in refusal(data, limits=Limits(max_pixels=1000), frame=1)


def test_values_without_a_white(encoded: Encode):
    for dtype in (np.float32, np.int32):
        image = Image.fromarray(np.zeros((9, 9), dtype=dtype))
        assert "no agreed white" in refusal(encoded(image, "TIFF"))


@pytest.mark.parametrize("shape", [(9, 9, 2), (9,), (3, 9, 9), (0, 9, 3)])
def test_arrays_that_are_no_picture(shape: tuple[int, ...]):
    assert refusal(np.zeros(shape, np.uint8)).startswith("<array>: ")


def test_arrays_of_unknown_range():
    assert "float32[9, 9, 3] is not uint8" in refusal(np.zeros((9, 9, 3), np.float32))


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "ICO", "MPO", "TGA"]))
def test_damaged_bytes_give_a_picture_or_an_image_error(data: st.DataObject, kind: str):
    from io import BytesIO

    buffer = BytesIO()
    Image.fromarray(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)).save(buffer, kind)
    damaged = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = decode(bytes(damaged), limits=Limits(max_pixels=1_000_000))
    except ImageError as error:
        assert str(error).startswith("<bytes>: ")
    else:
        assert picture.pixels.shape == (picture.frame.height, picture.frame.width, 3)
