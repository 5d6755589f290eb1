"""Resizing: the written-out kernels are Pillow's, and Pillow's are the right kind of mean."""

import numpy as np
import pytest
import torch

from showtell.images.resize import PILLOW, resize, resize_by_matrix, resize_part, resize_weights

KERNELS = list(PILLOW)


def by_matrix(pixels: np.ndarray, width: int, height: int, kernel: str) -> np.ndarray:
    image = torch.tensor(pixels).permute(2, 0, 1).float()
    return resize_by_matrix(image, width, height, kernel).round().clamp(0, 255).permute(1, 2, 0).int().numpy()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("width", "height"), [(13, 37), (101, 37), (53, 9), (53, 80)])
def test_one_axis_equals_pillow_on_noise(noise: np.ndarray, kernel: str, width: int, height: int):
    difference = resize(noise, width, height, kernel).astype(int) - by_matrix(noise, width, height, kernel)
    assert abs(difference).max() <= 1


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("width", "height"), [(13, 9), (101, 80), (20, 80), (101, 9)])
def test_both_axes_equal_pillow_where_nothing_is_clipped(kernel: str, width: int, height: int):
    y, x = np.mgrid[:37, :53]
    waves = 128 + 60 * np.sin(x / 5) * np.cos(y / 4)
    picture = np.stack([waves, 255 - waves, waves / 2 + 40], axis=-1).astype(np.uint8)
    difference = resize(picture, width, height, kernel).astype(int) - by_matrix(picture, width, height, kernel)
    assert abs(difference).max() <= 1


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("size", "new_size"), [(7, 3), (3, 7), (5, 5), (100, 1), (1, 4)])
def test_weights_are_means(kernel: str, size: int, new_size: int):
    weights = resize_weights(size, new_size, kernel)
    assert weights.shape == (new_size, size)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(new_size))
    if kernel not in ("nearest", "box"):  # these two must choose a side where a pixel lies exactly on the edge
        torch.testing.assert_close(weights, weights.flip(0, 1), atol=1e-6, rtol=0)


def test_ties_of_the_box_are_broken_as_pillow_does():
    rng = np.random.default_rng(2)
    for size, new_size in [(49, 2), (53, 20), (46, 36), (85, 14), (75, 52)]:  # a pixel falls exactly on an edge
        pixels = rng.integers(0, 256, (1, size, 3), dtype=np.uint8)
        difference = resize(pixels, new_size, 1, "box").astype(int) - by_matrix(pixels, new_size, 1, "box")
        assert abs(difference).max() <= 1


def test_box_halving_is_the_mean_of_pairs():
    assert resize_weights(4, 2, "box").tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]


def test_linear_doubling_by_hand():
    expected = [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    torch.testing.assert_close(resize_weights(2, 4, "bilinear"), torch.tensor(expected))


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
def test_without_antialiasing_it_is_what_torch_interpolates(kernel: str):
    image = torch.rand(1, 2, 23, 31)
    theirs = torch.nn.functional.interpolate(image, (9, 11), mode="bilinear", antialias=False)
    if kernel == "bilinear":
        torch.testing.assert_close(resize_by_matrix(image, 11, 9, kernel, antialias=False), theirs)
    else:  # torch's cubic uses a = -0.75 without, a = -0.5 with antialiasing
        theirs = torch.nn.functional.interpolate(image, (9, 11), mode="bicubic", antialias=True)
        torch.testing.assert_close(resize_by_matrix(image, 11, 9, kernel), theirs)


def test_antialiasing_is_what_lets_fine_stripes_become_gray():
    stripes = torch.tensor([0.0, 255.0]).repeat(32)[None, None]  # (1, 1, 64)
    smooth = resize_by_matrix(stripes, 8, 1, "bilinear")
    aliased = resize_by_matrix(stripes, 8, 1, "nearest")
    assert (smooth[..., 1:-1] - 127.5).abs().max() < 4
    assert set(aliased.unique().tolist()) <= {0.0, 255.0}


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_part_is_cut_from_the_whole(noise: np.ndarray, kernel: str):
    for width, height in [(20, 20), (53, 31), (90, 37), (130, 11), (53, 37)]:
        part = (width // 4, height // 3, width - 2, height - 1)
        wanted = resize(noise, width, height, kernel)[part[1] : part[3], part[0] : part[2]]
        np.testing.assert_array_equal(resize_part(noise, width, height, kernel, part), wanted)
