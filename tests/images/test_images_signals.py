"""Light, waves, kernels and linear codes: what the files of part 1 promise, on sizes that no transpose passes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from showtell.images.colour import luminance, to_linear, to_stored
from showtell.images.convolve import convolve, likeness, separable_terms, shift
from showtell.images.linear_code import principal_components, read_back, signal_to_noise_db
from showtell.images.receptive_field import (
    ConvLayer,
    effective_field,
    equal_stack,
    extent,
    random_stack,
    spread,
    theoretical_field,
)
from showtell.images.resize import resize_by_matrix
from showtell.images.spectrum import exchange, folded, from_spectrum, log_magnitude, spectrum, strongest


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_curve_is_the_standards() -> None:
    """IEC 61966-2-1: black, the joint of the two branches, middle grey, white."""
    stored = torch.tensor([0.0, 0.04045, 0.5, 1.0], dtype=torch.float64)
    light = torch.tensor([0.0, 0.0031308, 0.2140411, 1.0], dtype=torch.float64)
    assert torch.allclose(to_linear(stored), light, atol=1e-6)
    assert torch.allclose(to_stored(to_linear(noise(3, 5, 7))), noise(3, 5, 7), atol=1e-6)
    assert torch.allclose(luminance(torch.ones(3, 2, 5)), torch.ones(2, 5))


def test_averaging_light_conserves_it_and_averaging_numbers_loses_it() -> None:
    image = noise(3, 12, 20)
    right = to_linear(to_stored(resize_by_matrix(to_linear(image), 5, 3, "box")))
    wrong = to_linear(resize_by_matrix(image, 5, 3, "box"))
    assert torch.allclose(right.mean(), to_linear(image).mean(), atol=1e-6)
    assert (wrong <= right + 1e-9).all() and (wrong < right - 1e-3).any()


def test_a_spectrum_is_a_picture_written_differently() -> None:
    image, other = noise(6, 9), noise(6, 9, seed=1)
    assert torch.allclose(from_spectrum(spectrum(image)), image, atol=1e-12)
    assert torch.allclose(spectrum(image).abs().square().sum() / 54, image.square().sum())  # Parseval
    assert torch.allclose(from_spectrum(exchange(spectrum(image), spectrum(other), 0.0, 0.0)), image, atol=1e-6)
    assert torch.allclose(from_spectrum(exchange(spectrum(image), spectrum(other), 1.0, 1.0)), other, atol=1e-6)
    shown = log_magnitude(spectrum(torch.ones(6, 9)))
    assert shown.argmax() == 3 * 9 + 4 and float(shown.max()) == 1.0


@given(st.integers(0, 200), st.integers(4, 40))
def test_a_folded_wave_has_the_same_samples(cycles: int, size: int) -> None:
    k = torch.arange(size, dtype=torch.float64) / size
    low = folded(cycles, size)
    assert low <= size / 2
    assert torch.allclose(torch.cos(2 * torch.pi * cycles * k), torch.cos(2 * torch.pi * low * k), atol=1e-9)


def test_the_strongest_wave_is_found_along_either_axis() -> None:
    rows, columns = torch.arange(18) / 18, torch.arange(30) / 30
    assert strongest(torch.cos(2 * torch.pi * 4 * columns).expand(18, -1) + 3) == 4
    assert strongest(torch.cos(2 * torch.pi * 7 * rows)[:, None].expand(-1, 30)) == 7


def test_convolution_is_the_sum_it_says() -> None:
    image, kernel = noise(5, 8), noise(3, 3, seed=2)
    out = convolve(image, kernel)
    assert out.shape == image.shape
    assert out[2, 4] == pytest.approx(float((image[1:4, 3:6] * kernel).sum()))
    assert out[0, 0] == pytest.approx(float((image[:2, :2] * kernel[1:, 1:]).sum()))


@given(st.integers(-3, 3), st.integers(-2, 2))
def test_the_response_moves_with_the_picture(dx: int, dy: int) -> None:
    image, kernel = noise(14, 17), noise(3, 3, seed=3)
    moved, response = convolve(shift(image, dx, dy), kernel), shift(convolve(image, kernel), dx, dy)
    assert torch.allclose(moved[4:-4, 5:-5], response[4:-4, 5:-5], atol=1e-12)
    back = shift(shift(image, dx, dy), -dx, -dy)
    assert torch.equal(back[3:-3, 4:-4], image[3:-3, 4:-4])


def test_a_kernel_is_the_sum_of_its_separable_terms() -> None:
    kernel = noise(5, 5)
    strengths, terms = separable_terms(kernel)
    assert torch.allclose((strengths[:, None, None] * terms).sum(0), kernel)
    assert all(torch.linalg.matrix_rank(term) == 1 for term in terms)
    assert separable_terms(torch.outer(noise(3), noise(3)))[0][1] < 1e-12


def test_likeness_is_a_correlation() -> None:
    one = noise(4, 5)
    assert likeness(one, 3 * one + 2) == pytest.approx(1) and likeness(one, -one) == pytest.approx(-1)
    assert likeness(one, torch.ones(4, 5)) == 0


@pytest.mark.parametrize(("dim", "lossless"), [(5, False), (12, True), (19, True)])
def test_a_linear_code_gives_back_what_its_rank_allows(dim: int, lossless: bool) -> None:
    patches, weight, bias = noise(7, 12), noise(dim, 12, seed=1) - 0.5, noise(dim, seed=2)
    tokens = patches @ weight.T + bias
    back = read_back(tokens, weight, bias)
    assert torch.allclose(back @ weight.T + bias, tokens, atol=1e-8), "what comes back has the same tokens"
    assert torch.allclose(back, patches, atol=1e-7) == lossless
    assert torch.allclose(back, (tokens - bias) @ torch.linalg.pinv(weight).T, atol=1e-7)


def test_principal_components_are_the_best_linear_code() -> None:
    patches = noise(20, 12) @ noise(12, 12, seed=4)
    error = {}
    for name, (weight, bias) in {
        "best": principal_components(patches, 4),
        "random": (noise(4, 12, seed=5) - 0.5, torch.zeros(4, dtype=torch.float64)),
    }.items():
        error[name] = float((read_back(patches @ weight.T + bias, weight, bias) - patches).square().mean())
    assert error["best"] < error["random"]
    assert error["best"] == pytest.approx(float(torch.linalg.svdvals(patches)[4:].square().sum() / 240))
    weight, _ = principal_components(patches[:3], 99)  # more directions than there are
    assert torch.allclose(weight @ weight.T, torch.eye(12, dtype=torch.float64), atol=1e-9)


def test_signal_to_noise() -> None:
    assert signal_to_noise_db(torch.zeros(4), torch.full((4,), 0.1)) == pytest.approx(20)
    assert signal_to_noise_db(torch.ones(4), torch.ones(4)) == float("inf")


def test_the_field_of_a_stack_with_strides() -> None:
    layers = [ConvLayer(kernel=3, stride=2), ConvLayer(kernel=5, dilation=2), ConvLayer(kernel=3, stride=3)]
    assert theoretical_field(layers) == 1 + 2 + 4 * 2 * 2 + 2 * 2
    stack = random_stack(layers, 3, seed=1)
    picture = torch.rand(1, 61, 67, generator=torch.Generator().manual_seed(2))  # some pictures silence whole rows
    field = effective_field(lambda pixels: stack(pixels)[:, :, 4, 5], picture)
    assert field.shape == (61, 67) and extent(field) == theoretical_field(layers)
    assert field[:, 30].nonzero().flatten().float().mean() == 4 * 6, "the unit looks at its own place"


def test_equal_weights_spread_as_the_root_of_depth() -> None:
    layers = [ConvLayer(kernel=5)] * 4
    stack = equal_stack(layers)
    field = effective_field(lambda pixels: stack(pixels)[:, :, 20, 15], torch.rand(1, 41, 31))
    assert float(field.sum()) == pytest.approx(1, rel=1e-5)
    assert spread(field) == pytest.approx((4 * 24 / 12) ** 0.5, rel=1e-5) and extent(field) == 17
