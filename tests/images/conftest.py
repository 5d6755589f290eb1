"""Small pictures with something in every corner, and their files."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def corners() -> np.ndarray:
    """uint8[18, 26, 3]: red top left, green top right, blue bottom left, gray bottom right."""
    pixels = np.empty((18, 26, 3), dtype=np.uint8)
    pixels[:9, :13], pixels[:9, 13:] = (230, 20, 10), (20, 200, 30)
    pixels[9:, :13], pixels[9:, 13:] = (10, 30, 240), (120, 120, 120)
    return pixels


@pytest.fixture
def noise() -> np.ndarray:
    """uint8[37, 53, 3], every grey level anywhere."""
    return np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """`encoded(image, "PNG", **options)`: the bytes of a file."""

    def encode(image: Image.Image, kind: str, **options: object) -> bytes:
        buffer = BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    return encode
