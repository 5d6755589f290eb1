"""Patches: an exact rearrangement, and the one a patch convolution sees."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.images.patchify import patchify, unpatchify


@settings(deadline=None, max_examples=40)
@given(st.tuples(*[st.integers(1, 4)] * 3), st.integers(1, 5), st.booleans())
def test_the_inverse_is_exact(extent: tuple[int, int, int], patch_size: int, batched: bool):
    channels, rows, columns = extent
    shape = (channels, rows * patch_size, columns * patch_size)
    image = torch.rand((2, *shape) if batched else shape)
    patches = patchify(image, patch_size)
    assert patches.shape[-2:] == (rows * columns, patch_size * patch_size * channels)
    assert torch.equal(unpatchify(patches, patch_size, columns), image)


def test_order_is_row_by_row_and_channels_last():
    image = torch.arange(2 * 4 * 6).reshape(2, 4, 6)
    patches = patchify(image, 2)
    assert patches[1].tolist() == image[:, 0:2, 2:4].permute(1, 2, 0).flatten().tolist()
    assert patches[3].tolist() == image[:, 2:4, 0:2].permute(1, 2, 0).flatten().tolist()


def test_a_linear_layer_on_patches_is_the_patch_convolution():
    image, conv = torch.rand(2, 3, 6, 9), torch.nn.Conv2d(3, 5, kernel_size=3, stride=3)
    weight = conv.weight.permute(0, 2, 3, 1).flatten(1)  # (5, 3 * 3 * channels)
    torch.testing.assert_close(
        patchify(image, 3) @ weight.T + conv.bias, conv(image).flatten(2).transpose(1, 2), atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("shape", [(3, 7, 6), (3, 6, 7)])
def test_a_rest_is_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="cannot be cut into squares of 3"):
        patchify(torch.zeros(shape), 3)
