"""Self-distillation: its parts do what their equations say, and collapse is seen when it happens."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from showtell.vision.self_distillation import (
    PrototypeHead,
    block_mask,
    collapse,
    dino_loss,
    ibot_loss,
    koleo_loss,
    sinkhorn,
)


def test_sinkhorn_gives_distributions_that_use_all_prototypes() -> None:
    torch.manual_seed(0)
    scores = torch.randn(64, 8)
    scores[:, 0] += 5  # everything wants the first prototype
    assert collapse((scores / 0.5).softmax(-1)).used < 0.15
    balanced = sinkhorn(scores, 0.5, rounds=30)
    assert torch.allclose(balanced.sum(dim=1), torch.ones(64), atol=1e-5)
    assert torch.allclose(balanced.sum(dim=0), torch.full((8,), 8.0), atol=1e-2)
    assert collapse(balanced).used > 0.99
    assert torch.isfinite(sinkhorn(scores * 1000, 0.01)).all()


def test_the_teacher_learns_nothing_from_the_loss() -> None:
    head = PrototypeHead(6, 5)
    scores = head(torch.randn(4, 6))
    assert not sinkhorn(scores, 0.05).requires_grad and scores.abs().max() <= 1 + 1e-6


def test_dino_leaves_out_pairs_of_a_crop_with_itself() -> None:
    torch.manual_seed(0)
    student = [torch.randn(3, 5, requires_grad=True) for _ in range(4)]
    teacher = [torch.randn(3, 5).softmax(-1) for _ in range(2)]
    loss = dino_loss(student, teacher, temperature=0.2)
    pairs = [(q.detach(), p) for i, q in enumerate(student) for j, p in enumerate(teacher) if i != j]
    expected = torch.stack([F.cross_entropy(q / 0.2, p, reduction="sum") for q, p in pairs]).mean()
    assert loss.item() == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises(ValueError, match="two crops at least"):
        dino_loss(student[:1], teacher[:1])


def test_ibot_averages_over_the_patches_of_a_picture() -> None:
    torch.manual_seed(0)
    student, masked = torch.randn(2, 4, 5), torch.tensor([[1, 0, 1, 1], [0, 1, 0, 0]]).bool()
    teacher = torch.randn(4, 5).softmax(-1)
    single = torch.stack([F.cross_entropy(q / 0.1, p) for q, p in zip(student[masked], teacher, strict=True)])
    assert ibot_loss(student, teacher, masked).item() == pytest.approx(float(single[:3].mean() + single[3]), rel=1e-5)
    nothing = torch.zeros(2, 4, dtype=torch.bool)
    assert ibot_loss(student, teacher[:0], nothing) == 0


def test_koleo_spreads_points_evenly() -> None:
    torch.manual_seed(0)
    points = nn.Parameter(torch.tensor([[1.0, 0.02 * i] for i in range(6)]))
    optimizer = torch.optim.Adam([points], lr=0.02)
    for _ in range(800):
        optimizer.zero_grad()
        (koleo_loss(points) / 6).backward()
        optimizer.step()
    angles = torch.atan2(points[:, 1], points[:, 0]).detach().sort().values
    gaps = torch.diff(torch.cat([angles, angles[:1] + 2 * math.pi]))
    assert gaps.min() > 0.7 * 2 * math.pi / 6
    same = torch.ones(3, 2, requires_grad=True)
    koleo_loss(same).backward()
    assert torch.isfinite(same.grad).all(), "identical pictures do not give NaN"
    with pytest.raises(ValueError, match="batch of one"):
        koleo_loss(torch.ones(1, 2))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 1000))
def test_masks_have_exactly_their_share(rows: int, cols: int, share: float, seed: int) -> None:
    mask = block_mask((rows, cols), share, torch.Generator().manual_seed(seed))
    assert mask.shape == (rows * cols,) and int(mask.sum()) == round(share * rows * cols)


def test_masks_are_blocks() -> None:
    """Neighbours share their fate more often than in a mask of single patches."""
    alike = [
        float((mask[:, 1:] == mask[:, :-1]).float().mean())
        for mask in (block_mask((8, 8), 0.4, torch.Generator().manual_seed(i)).view(8, 8) for i in range(50))
    ]
    assert sum(alike) / 50 > 0.65  # by chance: 0.4^2 + 0.6^2 = 0.52


def test_collapse_is_named() -> None:
    one = F.one_hot(torch.zeros(20, dtype=torch.long), 6).float()
    assert collapse(one).name == "one prototype for everything"
    assert collapse(torch.full((20, 6), 1 / 6)).name == "every prototype for everything"
    assert collapse(F.one_hot(torch.arange(18) % 6, 6).float()).name is None


@pytest.mark.parametrize("balanced", [True, False])
def test_it_learns_what_crops_share_and_without_balance_it_collapses(balanced: bool) -> None:
    """Six kinds of things under heavy noise: the prototypes must become the kinds, though nobody names them."""
    torch.manual_seed(0)
    kinds = F.normalize(torch.randn(6, 20), dim=-1) * 4

    def crop(kind: Tensor) -> Tensor:
        return kinds[kind] + 0.7 * torch.randn(len(kind), 20)

    student, teacher = PrototypeHead(20, 12, hidden=32, bottleneck=8), PrototypeHead(20, 12, hidden=32, bottleneck=8)
    teacher.load_state_dict(student.state_dict())
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
    for _ in range(300):
        kind = torch.randint(6, (48,))
        crops = [crop(kind), crop(kind)]
        with torch.no_grad():
            scores = [teacher(view) for view in crops]
        targets = [sinkhorn(s, 0.06) if balanced else (s / 1.0).softmax(-1) for s in scores]
        loss = dino_loss([student(view) for view in crops], targets) / len(kind)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for old, new in zip(teacher.parameters(), student.parameters(), strict=True):
                old.lerp_(new, 0.05)
    kind = torch.arange(6).repeat(50)
    with torch.no_grad():
        said = (student(crop(kind)) / 0.1).softmax(-1)
    found = torch.stack([said[kind == k].mean(dim=0) for k in range(6)])  # (kinds, prototypes)
    overlap = F.normalize(found, dim=-1) @ F.normalize(found, dim=-1).T
    apart = overlap.fill_diagonal_(0).max()
    assert (apart < 0.3) if balanced else (apart > 0.9), float(apart)
