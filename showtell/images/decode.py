"""Decoding: any common picture file becomes the same thing, RGB grey levels 0..255 the right way up.

    file / bytes / PIL / array  ->  limits  ->  one frame  ->  EXIF rotation  ->  RGB  ->  Picture

What each kind of file needs:

    EXIF orientation   applied once; the frame of a `Picture` is the picture as people see it
    alpha, palettes    laid over white (the page a transparent logo was drawn for); palettes are looked up first
    16-bit grey        65535 -> 255; taking the low or high byte instead is the usual silent bug
    CMYK               converted without its colour profile: hues are right, tints may differ from a print shop's
    animations         refused, unless a frame is named: `frame=0`, or "cat.gif#frame=0"

Sizes are checked before anything is decoded, because a file of a few kilobytes may announce gigabytes of pixels. A
truncated file is refused: half a picture with a grey rest looks like an answer. Every refusal is an `ImageError`
with one sentence. Not here: colour profiles (all are ignored), video, vector formats, fetching from the web.
"""

import re
import threading
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from showtell.core.errors import ImageError
from showtell.core.geometry import Frame

# Named, because Pillow's full list holds formats that start other programs (EPS) or that nobody has tried to break.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "ICO", "TGA", "JPEG2000", "AVIF")
WIDE_GREY = ("I;16", "I;16L", "I;16B", "I;16N")
SINGLE_PICTURES = ("MPO", "ICO")  # formats that hold several versions of one picture, a photo's preview for example
EXIF_ORIENTATION = 0x0112
FRAME_SUFFIX = re.compile(r"(?P<path>.+)#frame=(?P<frame>\d+)")
_warnings_lock = threading.Lock()  # Python's warning filters belong to the whole process


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is refused before decoding.

    max_bytes: size of the file.
    max_pixels: width * height that the header announces; Pillow itself stops at 179 million.
    min_side: shorter side in pixels; below it there is nothing to recognise.
    """

    max_bytes: int = 256 * 1024**2
    max_pixels: int = 128_000_000
    min_side: int = 8


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    pixels: RGB grey levels, right way up.
    frame: its extent, the frame of all coordinates that people see.
    source: what to call it in messages: a path, or a description of where it came from.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    frame: Frame
    source: str


Source = str | Path | bytes | Image.Image | np.ndarray


def decode(source: Source, limits: Limits = Limits(), frame: int | None = None) -> Picture:
    """Decode one picture.

    Args:
        source: a path ("cat.gif#frame=3" names one frame), the bytes of a file, a Pillow image, or a uint8 array of
            shape (height, width), (height, width, 3) or (height, width, 4).
        limits: sizes to refuse before decoding.
        frame: which frame of an animation or page of a document, from 0; required when there are several.

    Raises ImageError for everything that is not one readable picture within the limits.
    """
    if isinstance(source, np.ndarray):
        return _from_image(_from_array(source), "<array>", limits, frame)
    if isinstance(source, Image.Image):
        return _from_image(source, getattr(source, "filename", "") or "<Pillow image>", limits, frame)
    if isinstance(source, bytes):
        return _from_bytes(source, "<bytes>", limits, frame)
    path = str(source)
    named = FRAME_SUFFIX.fullmatch(path)
    if named and not Path(path).exists():
        path, frame = named["path"], int(named["frame"])
    return _from_bytes(_read(path, limits), path, limits, frame)


def _read(path: str, limits: Limits) -> bytes:
    if re.match(r"\w+://", path):
        raise ImageError(f"{path}: is a web address; download the picture and pass the file")
    file = Path(path)
    try:
        if not file.exists():
            raise ImageError(f"{path}: no such file; check the path")
        if file.is_dir():
            raise ImageError(f"{path}: is a directory; name one picture inside it")
        if not file.is_file():
            raise ImageError(f"{path}: is not a regular file; save the picture to one first")
        _check_bytes(file.stat().st_size, path, limits)
        return file.read_bytes()
    except (OSError, ValueError) as error:  # no permission, a name too long, a zero byte in the name
        raise ImageError(f"{path}: cannot be read ({error}); check the path and its permissions") from error


def _check_bytes(size: int, name: str, limits: Limits) -> None:
    if size == 0:
        raise ImageError(f"{name}: the file is empty; write or download it again")
    if size > limits.max_bytes:
        raise ImageError(
            f"{name}: {size:,} bytes are more than the limit of {limits.max_bytes:,}; "
            "save the picture smaller or raise Limits.max_bytes"
        )


def _from_bytes(data: bytes, name: str, limits: Limits, frame: int | None) -> Picture:
    _check_bytes(len(data), name, limits)
    try:
        # Pillow warns from half its own limit on; ours is checked next, on every picture. Only the header is read
        # here, so the lock is held for microseconds.
        with _warnings_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            Image.init()  # registers the formats, once; which exist depends on how Pillow was built
            image = Image.open(BytesIO(data), formats=[known for known in FORMATS if known in Image.OPEN])
    except Image.DecompressionBombError as error:
        count = re.search(r"\d+", str(error))  # Pillow read the header, but hands out only this number
        raise ImageError(_too_many_pixels(name, f"{int(count[0]):,}" if count else "far too many", limits)) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name}: is not a picture in a format that is known here; convert it to PNG or JPEG"
        ) from error
    except Exception as error:  # Pillow's format plugins raise whatever the malformed bytes made them trip over
        raise ImageError(f"{name}: has a damaged header ({_say(error)}); save or download it again") from error
    return _from_image(image, name, limits, frame)


def _from_array(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ImageError(
            f"<array>: {array.dtype}{list(array.shape)} is not uint8 of shape (height, width), (height, width, 3) or "
            "(height, width, 4); convert it, because the range of other types cannot be known"
        )
    if array.size == 0:
        raise ImageError(f"<array>: has no pixels, its shape is {list(array.shape)}; pass a picture")
    return Image.fromarray(np.ascontiguousarray(array))


def _from_image(image: Image.Image, name: str, limits: Limits, frame: int | None) -> Picture:
    _check_extent(image, name, limits)
    try:
        _choose_frame(image, name, frame)
        _check_extent(image, name, limits)  # the pages of one TIFF may differ in size
        image.load()
        pixels = _rgb(_upright(image), name)
    except ImageError:
        raise
    except Exception as error:  # as above: truncated and damaged files fail in many ways
        raise ImageError(
            f"{name}: the file is truncated or damaged ({_say(error)}); save or download it again"
        ) from error
    return Picture(pixels, Frame(pixels.shape[1], pixels.shape[0]), name)


def _check_extent(image: Image.Image, name: str, limits: Limits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageError(_too_many_pixels(name, f"{width} x {height}", limits))
    if min(width, height) < limits.min_side:
        raise ImageError(
            f"{name}: {width} x {height} pixels are too few to see anything in; "
            f"use a picture of at least {limits.min_side} pixels on each side"
        )


def _too_many_pixels(name: str, extent: str, limits: Limits) -> str:
    return (
        f"{name}: its header announces {extent} pixels, more than the limit of {limits.max_pixels:,}; "
        "scale the picture down first"
    )


def _choose_frame(image: Image.Image, name: str, frame: int | None) -> None:
    count = 1 if image.format in SINGLE_PICTURES else getattr(image, "n_frames", 1)
    if frame is None and count > 1:
        raise ImageError(
            f'{name}: holds {count} frames and one picture is wanted; name one by adding "#frame=0" to its path, '
            "or pass frame=0"
        )
    if frame is not None and frame not in range(count):
        raise ImageError(f"{name}: has no frame {frame}; it holds {count}, counted from 0")
    if frame is not None and count > 1:
        image.seek(frame)


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says; a picture that is upright already is not copied."""
    return image if image.getexif().get(EXIF_ORIENTATION, 1) == 1 else ImageOps.exif_transpose(image)


def _rgb(image: Image.Image, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Grey levels over white."""
    if image.mode == "I" and image.format in ("PNG", "PPM"):  # 16 bits in a 32-bit container
        image = Image.fromarray(np.array(image).astype(np.uint16))
    if image.mode in WIDE_GREY:
        return _rgb_of_wide_grey(image)
    if image.mode in ("I", "F"):
        raise ImageError(
            f"{name}: its 32-bit values have no agreed white; convert it to 8 or 16 bits a channel yourself"
        )
    if not image.has_transparency_data:
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    layers = image.convert("RGBA")
    white = Image.new("RGBA", layers.size, "white")
    return np.array(Image.alpha_composite(white, layers).convert("RGB"))


def _rgb_of_wide_grey(image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
    values = np.array(image).astype(np.uint32)
    grey = ((values * 255 + 32767) // 65535).astype(np.uint8)
    if isinstance(transparent := image.info.get("transparency"), int):
        grey[values == transparent] = 255
    return np.repeat(grey[:, :, None], 3, axis=2)


def _say(error: Exception) -> str:
    """What Pillow had to say, as part of a sentence."""
    return str(error).strip().rstrip(".") or type(error).__name__
