"""Pictures as sums of waves.

    F(v, u) = sum over y, x of image(y, x) exp(-2 pi i (v y / height + u x / width))        magnitude |F|, phase arg F

u and v count cycles across the picture. A picture `size` pixels wide can carry up to size / 2 of them (Nyquist 1928,
Shannon 1949). Sampled more coarsely, `size` points to a side, a wave of f cycles cannot be told from one of

    folded = |f - size * round(f / size)|

cycles: aliasing. Only a filter *before* sampling prevents it; afterwards nothing can tell the two apart.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def spectrum(image: Float[Tensor, "*batch height width"]) -> Complex[Tensor, "*batch height width"]:
    """Fourier transform over rows and columns, frequency 0 in the corner."""
    return torch.fft.fft2(image)


def from_spectrum(waves: Complex[Tensor, "*batch height width"]) -> Float[Tensor, "*batch height width"]:
    """The picture of a spectrum, without its imaginary part, which is rounding if the spectrum is that of a picture."""
    return torch.fft.ifft2(waves).real


def exchange(
    ours: Complex[Tensor, "*batch height width"],
    theirs: Complex[Tensor, "*batch height width"],
    magnitude: float,
    phase: float,
) -> Complex[Tensor, "*batch height width"]:
    """Our waves with shares of their magnitude and of their phase (0 = ours, 1 = theirs).

    Magnitudes are mixed as logarithms, phases as unit vectors, which is their shorter way round.
    """
    tiny = 1e-9
    size = (ours.abs() + tiny) ** (1 - magnitude) * (theirs.abs() + tiny) ** magnitude
    turn = (1 - phase) * ours / (ours.abs() + tiny) + phase * theirs / (theirs.abs() + tiny)
    return size * turn / (turn.abs() + tiny)


def log_magnitude(waves: Complex[Tensor, "height width"]) -> Float[Tensor, "height width"]:
    """log10(1 + |F|) with frequency 0 in the middle, scaled to 0..1: a spectrum to look at."""
    shown = torch.fft.fftshift(waves.abs()).log1p()
    return shown / shown.max().clamp(min=1e-12)


def folded(cycles: float, size: int) -> float:
    """Where a wave of `cycles` appears after sampling at `size` points a side."""
    return abs(cycles - size * round(cycles / size))


def strongest(image: Float[Tensor, "height width"]) -> float:
    """Cycles a side of the strongest wave, mean aside."""
    height, width = image.shape
    magnitude = spectrum(image - image.mean()).abs()
    v, u = divmod(int(magnitude.argmax()), width)
    return float((min(v, height - v) ** 2 + min(u, width - u) ** 2) ** 0.5)
