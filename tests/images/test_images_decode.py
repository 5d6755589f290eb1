"""Decoding good files: every kind gives the same right pixels, the right way up."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from showtell.core.geometry import Frame
from showtell.images.decode import decode

Encode = Callable[..., bytes]


def corner_levels(pixels: np.ndarray) -> np.ndarray:
    """The four corners, a little inside."""
    return pixels[[2, 2, -3, -3], [2, -3, 2, -3]].astype(int)


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("PNG", 0), ("BMP", 0), ("TIFF", 0), ("PPM", 0), ("WEBP", 16), ("JPEG", 4)]
)
def test_common_formats(corners: np.ndarray, encoded: Encode, kind: str, tolerance: int):
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    picture = decode(encoded(Image.fromarray(corners), kind, **options))
    assert picture.frame == Frame(26, 18)
    assert picture.pixels.dtype == np.uint8
    assert abs(corner_levels(picture.pixels) - corner_levels(corners)).max() <= tolerance


def test_sources_agree(corners: np.ndarray, encoded: Encode, tmp_path: Path):
    file = tmp_path / "corners.png"
    file.write_bytes(encoded(Image.fromarray(corners), "PNG"))
    for source in (file, str(file), file.read_bytes(), Image.open(file), Image.fromarray(corners), corners):
        assert np.array_equal(decode(source).pixels, corners)
    assert decode(file).source == str(file)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(corners: np.ndarray, encoded: Encode, orientation: int, kind: str):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = Image.fromarray(corners)
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, kind, exif=exif, **({} if kind in ("PNG", "TIFF") else {"quality": 95}))
    picture = decode(data)
    assert picture.frame == Frame(26, 18)
    assert abs(corner_levels(picture.pixels) - corner_levels(corners)).max() <= 16


def test_an_image_that_is_upright_already_stays_so(corners: np.ndarray, encoded: Encode, tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / "turned.png"
    file.write_bytes(encoded(Image.fromarray(corners).transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif))
    upright = ImageOps.exif_transpose(Image.open(file))
    assert np.array_equal(decode(upright).pixels, corners)


def test_sixteen_bits_of_gray_keep_their_brightness(encoded: Encode):
    levels = np.array([[0, 200, 32768, 65535] * 3] * 9, dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        picture = decode(encoded(Image.fromarray(levels), kind))
        assert picture.pixels[0, :4].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]


def test_gray_bilevel_and_palette(corners: np.ndarray, encoded: Encode):
    gray = Image.fromarray(corners).convert("L")
    assert np.array_equal(decode(encoded(gray, "PNG")).pixels[..., 1], np.array(gray))
    assert set(np.unique(decode(encoded(gray.convert("1"), "PNG")).pixels)) == {0, 255}
    palette = Image.fromarray(corners).quantize(4)
    assert abs(corner_levels(decode(encoded(palette, "PNG")).pixels) - corner_levels(corners)).max() <= 2


def test_transparency_lies_over_white(corners: np.ndarray, encoded: Encode):
    alpha = np.full(corners.shape[:2], 255, dtype=np.uint8)
    alpha[:9, :13], alpha[9:, :13] = 0, 128
    layered = Image.fromarray(np.dstack([corners, alpha]))
    for image in (decode(encoded(layered, "PNG")), decode(np.array(layered))):
        top_left, top_right, bottom_left, _ = corner_levels(image.pixels)
        assert top_left.tolist() == [255, 255, 255]
        assert top_right.tolist() == [20, 200, 30]
        assert abs(bottom_left - [132, 142, 247]).max() <= 1


def test_a_transparent_palette_entry_is_white(encoded: Encode):
    image = Image.new("P", (12, 10), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 6, 10))
    pixels = decode(encoded(image, "PNG", transparency=0)).pixels
    assert pixels[5, 2].tolist() == [255, 255, 255]
    assert pixels[5, 9].tolist() == [0, 0, 255]


@pytest.mark.parametrize("mode", ["RGB", "L", "I;16"])
def test_a_transparent_colour_without_alpha_channel_is_white(encoded: Encode, mode: str):
    image = Image.fromarray(np.full((9, 9), 700, dtype=np.uint16)) if mode == "I;16" else Image.new(mode, (9, 9), 0)
    key: object = (0, 0, 0) if mode == "RGB" else 700 if mode == "I;16" else 0
    assert (decode(encoded(image, "PNG", transparency=key)).pixels == 255).all()


@pytest.mark.parametrize(("kind", "tolerance"), [("TIFF", 0), ("JPEG", 6)])
def test_cmyk_is_not_inverted(corners: np.ndarray, encoded: Encode, kind: str, tolerance: int):
    options = {"quality": 95} if kind == "JPEG" else {}
    picture = decode(encoded(Image.fromarray(corners).convert("CMYK"), kind, **options))
    assert abs(corner_levels(picture.pixels) - corner_levels(corners)).max() <= tolerance


def animation(corners: np.ndarray, encoded: Encode, kind: str) -> bytes:
    frames = [Image.fromarray(level) for level in (corners, 255 - corners, np.zeros_like(corners))]
    options = {"lossless": True} if kind == "WEBP" else {}
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_a_frame_is_chosen_by_number_or_by_name(corners: np.ndarray, encoded: Encode, tmp_path: Path, kind: str):
    data = animation(corners, encoded, kind)
    file = tmp_path / "cat.anim"
    file.write_bytes(data)
    for index, level in enumerate((corners, 255 - corners, np.zeros_like(corners))):
        assert abs(corner_levels(decode(data, frame=index).pixels) - corner_levels(level)).max() <= 8
        assert np.array_equal(decode(f"{file}#frame={index}").pixels, decode(data, frame=index).pixels)


def test_a_file_whose_name_looks_like_a_frame_is_a_file(corners: np.ndarray, encoded: Encode, tmp_path: Path):
    file = tmp_path / "odd.png#frame=7"
    file.write_bytes(encoded(Image.fromarray(corners), "PNG"))
    assert decode(file).frame == Frame(26, 18)


def test_a_phone_photo_with_its_preview_is_one_picture(corners: np.ndarray, encoded: Encode):
    photo, preview = Image.fromarray(corners), Image.new("RGB", (26, 18))
    data = encoded(photo, "MPO", save_all=True, append_images=[preview], quality=95)
    assert abs(corner_levels(decode(data).pixels) - corner_levels(corners)).max() <= 8
