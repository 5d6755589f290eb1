"""A masked autoencoder fills in what it cannot see, and sees only what it is given."""

import pytest
import torch
from torch import Tensor

from showtell.vision.masked import MaskedAutoencoder, MaskedStep, PainterConfig, draw_kept, standardised_patches
from showtell.vision.vit import VisionTransformer, ViTConfig

CONFIG = ViTConfig(image_size=(12, 16), patch_size=4, dim=16, depth=1, heads=2, mlp_dim=24, class_token=True)
PAINTER = PainterConfig(dim=12, depth=1, heads=2, mlp_dim=16)


def make_model() -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(VisionTransformer(CONFIG), PAINTER)


def test_what_is_missing_is_not_seen_and_what_is_kept_is() -> None:
    model, pixels = make_model().eval(), torch.randn(2, 3, 12, 16)
    kept = torch.tensor([[0, 5, 11], [2, 3, 4]])
    other = pixels.clone()
    other[0, :, 0:4, 4:8] += 5  # patch 1 of the first picture, which is missing
    with torch.no_grad():
        assert torch.equal(model(pixels, kept), model(other, kept))
        other[0, :, 4:8, 4:8] += 5  # patch 5, which is kept
        assert not torch.allclose(model(pixels, kept)[0], model(other, kept)[0])
        order = torch.tensor([[11, 0, 5], [4, 2, 3]])
        assert torch.allclose(model(pixels, kept), model(pixels, order), atol=1e-5), "their order means nothing"


def test_the_loss_is_of_the_missing_patches_alone() -> None:
    model, pixels = make_model(), torch.randn(2, 3, 12, 16)
    kept = draw_kept(2, 12, 0.75, torch.Generator().manual_seed(0))
    assert kept.shape == (2, 3)
    loss = MaskedStep().loss(model, pixels, kept)
    target = standardised_patches(pixels, 4)
    assert torch.allclose(target.mean(dim=-1), torch.zeros(2, 12), atol=1e-5)
    with torch.no_grad():
        error = (model(pixels, kept) - target).square().mean(dim=-1)
    expected = sum(error[i, [p for p in range(12) if p not in kept[i]]].mean() for i in range(2))
    assert float(loss.value.detach()) == pytest.approx(float(expected), rel=1e-5)
    flat = standardised_patches(torch.ones(1, 3, 8, 8), 4)
    assert torch.isfinite(flat).all() and flat.abs().max() == 0


def test_it_learns_to_continue_a_pattern() -> None:
    """Gradients of random direction: a missing patch follows from its neighbours."""

    def pictures(n: int) -> Tensor:
        y, x = torch.meshgrid(torch.linspace(-1, 1, 12), torch.linspace(-1, 1, 16), indexing="ij")
        angle = torch.rand(n, 1, 1) * 6.28
        return (angle.cos() * x + angle.sin() * y)[:, None].expand(-1, 3, -1, -1)

    model, step = make_model(), MaskedStep(0.6)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(150):
        loss = step(model, pictures(32))
        optimizer.zero_grad()
        (loss.value / loss.weight).backward()
        optimizer.step()
    with torch.no_grad():
        held_out = step(model, pictures(64))
    assert float(held_out.value / held_out.weight) < 0.2  # 1.0 is what a mean alone reaches
