"""What every parity test does: redraw a reference model, let it save itself, compare.

Redrawn means every parameter and every saved buffer: a family's usual start has zeros (biases, class tokens, layer
scales) behind which a wrong key or a forgotten term hides.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


def redraw(model: nn.Module, seed: int = 1, std: float = 0.2) -> None:
    """Draw every parameter and every saved floating buffer of `model` from N(0, std), in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * std)


def save_redrawn(model: Any, folder: Path, seed: int = 1, std: float = 0.2) -> None:
    """Redraw a `transformers` model and let it save itself."""
    redraw(model, seed, std)
    model.eval().save_pretrained(folder)


def noise(*shape: int, seed: int = 7) -> Tensor:
    """Standard normal numbers that do not depend on what was drawn before."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def assert_close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    """Equal shapes, and no element differs by more than `tolerance`."""
    assert ours.shape == theirs.shape, f"{list(ours.shape)} here, {list(theirs.shape)} there"
    difference = float((ours - theirs).abs().max())
    assert difference <= tolerance, f"max|difference| {difference:.2e} > {tolerance:.0e}"


def assert_same_files(written: dict[str, Tensor], folder: Path) -> None:
    """`written` is, name by name and bit by bit, what the reference saved in `folder`."""
    saved: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        saved |= load_file(path)
    assert set(written) == set(saved), sorted(set(written) ^ set(saved))
    for name, tensor in saved.items():
        assert torch.equal(written[name], tensor), f"{name} differs after the round trip"
