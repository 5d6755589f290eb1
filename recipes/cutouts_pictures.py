"""Cleaning a picture for the cut-out pack: border off, tight crop, small size, a fingerprint, WebP bytes."""

import io

import numpy as np
from PIL import Image
from scipy import fft, ndimage

LONGEST = 96


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


def perceptual_hash(image: Image.Image) -> np.ndarray:
    """Signs of the low DCT frequencies of the picture over mid-grey: 63 bits, as in the classic pHash."""
    canvas = Image.new("RGBA", image.size, (128, 128, 128, 255))
    canvas.alpha_composite(image)
    grey = np.asarray(canvas.convert("L").resize((32, 32), Image.Resampling.BILINEAR), dtype=np.float64)
    low = fft.dctn(grey, norm="ortho")[:8, :8].ravel()[1:]
    return low > np.median(low)


def encode(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=85, alpha_quality=100, method=4)
    return buffer.getvalue()
