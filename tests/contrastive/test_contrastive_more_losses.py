"""Hard captions, captioning, distillation and locked towers: each loss against its own definition, and each learns."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from showtell.contrastive.captioning import caption_loss, contrast_and_caption
from showtell.contrastive.distillation import place_loss, relation_loss
from showtell.contrastive.hard_negatives import info_nce_with_hard_captions, swapped_words
from showtell.contrastive.locked import FeatureBatch, LockedPair, locked_step, masked_info_nce
from showtell.contrastive.losses import info_nce


def unit(*shape: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double(), dim=-1)


IMAGE, TEXT, SCALE = unit(5, 7, seed=1), unit(5, 7, seed=2), torch.tensor(3.0).double()


def test_hard_captions_stand_among_the_choices_of_every_picture() -> None:
    hard = unit(5, 2, 7, seed=3)
    every = torch.cat([TEXT, hard.flatten(0, 1)])
    right = torch.arange(5)
    pictures = F.cross_entropy(SCALE * IMAGE @ every.T, right, reduction="sum")
    texts = F.cross_entropy(SCALE * TEXT @ IMAGE.T, right, reduction="sum")
    torch.testing.assert_close(info_nce_with_hard_captions(IMAGE, TEXT, hard, SCALE), (pictures + texts) / 2)
    none = info_nce_with_hard_captions(IMAGE, TEXT, hard[:, :0], SCALE)
    torch.testing.assert_close(none, info_nce(IMAGE, TEXT, SCALE))


def test_hard_captions_teach_word_order_where_plain_ones_cannot() -> None:
    """Words are one-hot; a bag of words cannot tell "ab" from "ba", the order feature can: only hard captions ask."""
    order = torch.tensor([1.0, -1.0, 1.0, -1.0]).double()
    bag = torch.eye(4).double()
    right, wrong = torch.cat([bag, order[:, None]], 1), torch.cat([bag, -order[:, None]], 1)
    gain = {}
    for hard in (False, True):
        weight = torch.tensor([3.0, 3.0, 3.0, 3.0, 0.01]).double().requires_grad_()
        image, text, swapped = (F.normalize(rows * weight, dim=-1) for rows in (right, right, wrong))
        scale = torch.tensor(20.0).double()
        loss = (
            info_nce_with_hard_captions(image, text, swapped[:, None], scale) if hard else info_nce(image, text, scale)
        )
        loss.backward()
        assert weight.grad is not None
        gain[hard] = -float(weight.grad[4])
    assert gain[True] > 10 * abs(gain[False])


@given(words=st.lists(st.sampled_from("red blue left of a square circle".split()), min_size=1, max_size=8))
def test_swapping_twice_is_nothing(words: list[str]) -> None:
    caption = " ".join(words)
    swapped = swapped_words(caption, "red", "blue")
    if words.count("red") == 1 == words.count("blue"):
        assert swapped is not None and swapped != caption and sorted(swapped.split()) == sorted(words)
        assert swapped_words(swapped, "red", "blue") == caption
    else:
        assert swapped is None
    assert swapped_words(caption, "red", "red") is None


def test_captions_are_told_word_by_word() -> None:
    logits, ids = torch.randn(3, 6, 11, generator=torch.Generator().manual_seed(0)), torch.arange(18).view(3, 6) % 11
    valid = torch.arange(6) < torch.tensor([6, 2, 4])[:, None]
    expected = sum(F.cross_entropy(logits[i, : n - 1], ids[i, 1:n]) for i, n in enumerate((6, 2, 4)))
    torch.testing.assert_close(caption_loss(logits, ids, valid), expected)
    all_words = sum(F.cross_entropy(logits[i, : n - 1], ids[i, 1:n], reduction="sum") for i, n in enumerate((6, 2, 4)))
    torch.testing.assert_close(caption_loss(logits, ids, valid, per_word=True), all_words / 9 * 3)
    image, text, scale = IMAGE[:3].float(), TEXT[:3].float(), SCALE.float()
    both = contrast_and_caption(image, text, scale, logits, ids, valid, weights=(0.5, 3.0))
    torch.testing.assert_close(both, 0.5 * info_nce(image, text, scale) + 3 * caption_loss(logits, ids, valid))
    flat = torch.zeros(3, 6, 11)
    assert float(caption_loss(flat, ids, valid)) == pytest.approx(3 * math.log(11), rel=1e-5)


@settings(max_examples=20)
@given(shift=st.floats(-3, 3), seed=st.integers(0, 99))
def test_relations_are_distances_of_distributions(shift: float, seed: int) -> None:
    """0 for a teacher that differs by a constant, positive otherwise; the teacher gets no gradient."""
    scores = torch.randn(4, 6, generator=torch.Generator().manual_seed(seed)).double()
    assert float(relation_loss(scores + shift, scores)) == pytest.approx(0, abs=1e-12)
    teacher = (scores * 2).requires_grad_()
    pupil = scores.clone().requires_grad_()
    loss = relation_loss(pupil, teacher)
    loss.backward()
    assert float(loss.detach()) > 0 and teacher.grad is None and pupil.grad is not None
    nearer = pupil - 0.05 * pupil.grad
    assert float(relation_loss(nearer, teacher)) < float(loss)


def test_places_are_directions() -> None:
    rows = unit(4, 3, seed=5)
    assert float(place_loss(rows * 7, rows)) == pytest.approx(0, abs=1e-12)
    assert float(place_loss(-rows, rows)) == pytest.approx(8)


def test_pairs_of_one_concept_are_not_each_others_negatives() -> None:
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(1)).double()
    apart = masked_info_nce(logits, torch.arange(4))
    right = torch.arange(4)
    both = F.cross_entropy(logits, right, reduction="sum") + F.cross_entropy(logits.T, right, reduction="sum")
    torch.testing.assert_close(apart, both / 2)
    pairs = masked_info_nce(logits, torch.tensor([0, 0, 1, 2]))
    assert float(pairs) < float(apart)
    changed = logits.clone()
    changed[0, 1] = changed[1, 0] = 50.0
    torch.testing.assert_close(masked_info_nce(changed, torch.tensor([0, 0, 1, 2])), pairs)


@pytest.mark.parametrize("dim", [None, 5])
def test_locked_towers_are_joined_by_a_matrix(dim: int | None) -> None:
    """Texts are a hidden rotation of pictures; the projection finds it, and held-out pairs meet."""
    torch.manual_seed(0)
    texts = F.normalize(torch.randn(300, 6), dim=1)
    images = texts @ torch.randn(6, 9) + 0.02 * torch.randn(300, 9)
    model = LockedPair(9, 6, dim)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for step in range(80):
        rows = torch.arange(step % 4 * 60, step % 4 * 60 + 60)
        loss = locked_step(model, FeatureBatch(images[rows], texts[rows], rows))
        optimizer.zero_grad()
        (loss.value / loss.weight).backward()
        optimizer.step()
    with torch.no_grad():
        scores = model.images(images[240:]) @ model.texts(texts[240:]).T
    assert float((scores.argmax(1) == torch.arange(60)).float().mean()) > 0.8
    assert model.images(images).norm(dim=1).allclose(torch.ones(300))
