"""Grey levels, floats, and back."""

import numpy as np
import torch

from showtell.images.normalize import (
    CLIP_MEAN,
    CLIP_STD,
    HALF_MEAN,
    HALF_STD,
    denormalize,
    normalize,
    to_float,
    to_uint8,
)


def test_every_grey_level_survives_the_round_trip():
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    image = to_float(pixels)
    assert (image.shape, image.dtype) == ((3, 16, 16), torch.float32)
    assert (image.min(), image.max()) == (0, 1)
    assert np.array_equal(to_uint8(denormalize(normalize(image, CLIP_MEAN, CLIP_STD), CLIP_MEAN, CLIP_STD)), pixels)


def test_channels_come_first_and_are_scaled_by_their_own(corners: np.ndarray):
    image = normalize(to_float(corners), (0.1, 0.2, 0.3), (1.0, 2.0, 4.0))
    expected = [(230 / 255 - 0.1) / 1, (20 / 255 - 0.2) / 2, (10 / 255 - 0.3) / 4]
    torch.testing.assert_close(image[:, 0, 0], torch.tensor(expected))


def test_half_maps_to_minus_one_and_one():
    image = torch.tensor([0.0, 0.5, 1.0]).expand(2, 3, 1, 3)
    assert normalize(image, HALF_MEAN, HALF_STD)[1, 2, 0].tolist() == [-1, 0, 1]


def test_what_lies_outside_is_clipped():
    assert to_uint8(torch.tensor([-1.0, 0.4999, 2.0]).reshape(3, 1, 1)).tolist() == [[[0, 127, 255]]]
