"""Measures of a space on spaces whose answer is known; duplicates that are planted are found."""

import io
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageEnhance

from showtell.contrastive.duplicates import difference_hash, groups, informative
from showtell.contrastive.space import alignment, linear_cka, modality_gap, ranks, swap_accuracy, uniformity
from showtell.worlds.scene import Scene, SceneConfig


def test_alignment_and_uniformity_of_known_spaces() -> None:
    torch.manual_seed(0)
    rows = F.normalize(torch.randn(400, 16), dim=-1)
    assert alignment(rows, rows) == 0 and alignment(rows, -rows) == pytest.approx(4.0, abs=1e-5)
    point = rows[:1].expand(50, -1)
    assert uniformity(point) == pytest.approx(0.0, abs=1e-9)
    assert uniformity(rows) < uniformity(F.normalize(rows + 2 * rows[0], dim=-1)) < 0
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert uniformity(opposite) == pytest.approx(-2 * 4.0)
    with pytest.raises(ValueError, match="two at least"):
        uniformity(rows[:1])


def test_the_gap_is_the_vector_between_the_means() -> None:
    torch.manual_seed(0)
    images = torch.randn(30, 4)
    assert torch.allclose(modality_gap(images, images - torch.tensor([1.0, 0, 0, 2])), torch.tensor([1.0, 0, 0, 2]))


def test_cka_ignores_rotation_and_scale_and_sees_difference() -> None:
    torch.manual_seed(0)
    x = torch.randn(300, 8)
    rotation = torch.linalg.qr(torch.randn(8, 8))[0]
    assert linear_cka(x, 3 * x @ rotation + 5) == pytest.approx(1.0, abs=1e-6)
    assert linear_cka(x, torch.randn(300, 20)) < 0.15
    assert 0.2 < linear_cka(x, torch.cat([x[:, :4], torch.randn(300, 4)], dim=1)) < 0.9


def test_ranks_count_what_is_better_and_half_of_what_ties() -> None:
    scores = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
    assert ranks(scores, torch.tensor([0, 2, 1])).tolist() == [0, 2, 1]
    assert swap_accuracy(torch.tensor([[2.0, 1.0], [1.0, 2.0], [1.0, 1.0], [5.0, 0.0]])) == 0.625
    assert math.isclose(float((ranks(torch.zeros(9, 9), torch.arange(9)) == 4).float().mean()), 1.0)


def test_planted_duplicates_are_found_and_nothing_else() -> None:
    scene = Scene(SceneConfig(empty_share=0, photo_share=0))
    pictures = [Image.fromarray(scene.sample(8, i)[0]) for i in range(60)]
    planted = []
    for i in (3, 17, 40):
        original = pictures[i]
        buffer = io.BytesIO()
        original.save(buffer, "JPEG", quality=40)
        smaller = original.resize((original.width // 2, original.height // 2), Image.Resampling.LANCZOS)
        brighter = ImageEnhance.Brightness(original).enhance(1.15)
        planted.append([i, *range(len(pictures), len(pictures) + 3)])
        pictures += [Image.open(buffer), smaller, brighter]
    hashes = [difference_hash(np.asarray(picture.convert("RGB"))) for picture in pictures]
    found = groups(hashes)
    for group in planted:
        assert any(set(group) <= set(other) for other in found) or not informative(hashes[group[0]])
    together = {i for group in found for i in group}
    assert len(together - {i for group in planted for i in group}) <= 4
    flat = difference_hash(np.full((20, 30, 3), 77, np.uint8))
    assert not informative(flat) and groups([flat, flat]) == []
