"""Region features against their formulas, the word head against the reference, and both heads learn in seconds."""

import pytest
import torch
from torch import Tensor
from transformers import OwlViTConfig
from transformers.models.owlvit.modeling_owlvit import (
    OwlViTBoxPredictionHead,
    OwlViTClassPredictionHead,
    OwlViTForObjectDetection,
)

from showtell.core.geometry import box_iou_matrix
from showtell.grounding.detect import SetHead, SetHeadConfig, WordHead, corners, place_bias
from showtell.grounding.detection_loss import Truth, set_loss, word_loss
from showtell.grounding.region_features import mask_pool, patch_shares, roi_align


def test_roi_align_of_a_plane_is_the_plane() -> None:
    rows, cols = 5, 7
    y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(cols) + 0.5, indexing="ij")
    grid = torch.stack([2 * x + 3 * y, torch.ones_like(x)])[None]  # (1, 2, rows, cols)
    box = torch.tensor([[1.2 / cols, 0.9 / rows, 5.7 / cols, 4.3 / rows]])
    out = roi_align(grid, box, torch.tensor([0]), size=3, samples=2)[0]
    assert out.shape == (2, 3, 3) and torch.allclose(out[1], torch.ones(3, 3))
    for i in range(3):
        for j in range(3):
            middle = 1.2 + (5.7 - 1.2) * (j + 0.5) / 3, 0.9 + (4.3 - 0.9) * (i + 0.5) / 3
            assert out[0, i, j].item() == pytest.approx(2 * middle[0] + 3 * middle[1], abs=1e-4)


def test_roi_align_against_its_definition() -> None:
    torch.manual_seed(0)
    grid, box = torch.randn(2, 3, 6, 5), torch.tensor([[0.21, 0.13, 0.83, 0.9]])
    out = roi_align(grid, box, torch.tensor([1]), size=2, samples=3)[0]
    x1, y1, x2, y2 = (box[0] * torch.tensor([5, 6, 5, 6])).tolist()

    def read(px: float, py: float) -> Tensor:
        px, py = min(max(px - 0.5, 0), 4), min(max(py - 0.5, 0), 5)
        left, top = int(px), int(py)
        right, below, a, b = min(left + 1, 4), min(top + 1, 5), px - int(px), py - int(py)
        upper = grid[1, :, top, left] * (1 - a) + grid[1, :, top, right] * a
        return upper * (1 - b) + (grid[1, :, below, left] * (1 - a) + grid[1, :, below, right] * a) * b

    for i in range(2):
        for j in range(2):
            points = [
                read(x1 + (x2 - x1) * (j + (u + 0.5) / 3) / 2, y1 + (y2 - y1) * (i + (v + 0.5) / 3) / 2)
                for u in range(3)
                for v in range(3)
            ]
            assert torch.allclose(out[:, i, j], torch.stack(points).mean(dim=0), atol=1e-5)


def test_masks_are_pooled_by_their_shares_and_boxes_have_a_slope() -> None:
    tokens = torch.arange(12.0).reshape(1, 6, 2)
    mask = torch.zeros(2, 8, 6)
    mask[0, :4, :2] = 1
    mask[0, 4:, :1] = 1
    shares = patch_shares(mask, 2, 3)
    assert shares[0].tolist() == [[1, 0, 0], [0.5, 0, 0]]
    pooled = mask_pool(tokens, shares, torch.tensor([0, 0]))
    assert pooled.tolist() == [pytest.approx([2, 3]), [0, 0]]
    with pytest.raises(ValueError, match="cannot be cut"):
        patch_shares(mask, 3, 3)
    box = torch.tensor([[0.2, 0.2, 0.7, 0.8]], requires_grad=True)
    roi_align(torch.randn(1, 2, 4, 4), box, torch.tensor([0]), size=2).square().sum().backward()
    assert box.grad is not None and box.grad.abs().sum() > 0


def test_the_word_head_is_the_published_one() -> None:
    torch.manual_seed(0)
    config = OwlViTConfig(vision_config={"hidden_size": 20}, text_config={"hidden_size": 12})
    boxes, names = OwlViTBoxPredictionHead(config), OwlViTClassPredictionHead(config)
    ours = WordHead(20, 12)
    state = {f"box_head.{2 * i}.{k}": v for i in range(3) for k, v in getattr(boxes, f"dense{i}").state_dict().items()}
    ours.load_state_dict(state | names.state_dict())
    tokens, words = torch.randn(2, 15, 20), torch.randn(2, 4, 12)
    found = ours(tokens, words, (3, 5))
    bias = OwlViTForObjectDetection.compute_box_bias(OwlViTForObjectDetection, 3, 5)  # type: ignore[arg-type]
    assert torch.allclose(place_bias(3, 5), bias, atol=1e-6)
    assert torch.allclose(found.boxes, corners((boxes(tokens) + bias).sigmoid()), atol=1e-6)
    assert torch.allclose(found.logits, names(tokens, words, None)[0], atol=1e-5)


def pictures(count: int, seed: int, sides: int = 6, kinds: int = 3) -> tuple[Tensor, list[Truth]]:
    """Grids of tokens in which one or two rectangles of different kinds are marked, beside a code of each place."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(sides) + 0.5, torch.arange(sides) + 0.5, indexing="ij")
    waves = [
        f(scale * torch.pi * place / sides) for place in (x, y) for scale in (0.5, 1, 2) for f in (torch.sin, torch.cos)
    ]
    places = torch.stack(waves, dim=-1)
    tokens, truths = [], []
    for _ in range(count):
        marks = torch.zeros(sides, sides, kinds)
        labels = torch.randperm(kinds, generator=generator)[: 1 + int(torch.randint(2, (1,), generator=generator))]
        boxes = []
        for half, label in enumerate(labels.tolist()):  # one in the left half, one in the right
            left, top = (
                half * 3 + int(torch.randint(2, (1,), generator=generator)),
                int(torch.randint(4, (1,), generator=generator)),
            )
            width, height = (int(v) for v in torch.randint(1, 3, (2,), generator=generator))
            marks[top : top + height, left : left + width, label] = 2
            boxes.append([left / sides, top / sides, (left + width) / sides, (top + height) / sides])
        tokens.append(torch.cat([marks, places], dim=-1).flatten(0, 1))
        truths.append(Truth(torch.tensor(boxes), labels))
    return torch.stack(tokens), truths


def one_rectangle(count: int, seed: int, sides: int = 6) -> tuple[Tensor, list[Truth]]:
    """Grids with one rectangle of one of two kinds, beside the place of each token and its square."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid((torch.arange(sides) + 0.5) / sides, (torch.arange(sides) + 0.5) / sides, indexing="ij")
    place = 2 * torch.stack([x, y, 4 * (x - 0.5) ** 2, 4 * (y - 0.5) ** 2], dim=-1)
    tokens, truths = [], []
    for _ in range(count):
        kind, left, top = (int(torch.randint(most, (1,), generator=generator)) for most in (2, 4, 4))
        width, height = (int(value) for value in torch.randint(2, 4, (2,), generator=generator))
        right, bottom = min(left + width, sides), min(top + height, sides)
        marks = torch.zeros(sides, sides, 2)
        marks[top:bottom, left:right, kind] = 3
        tokens.append(torch.cat([marks, place], dim=-1).flatten(0, 1))
        box = torch.tensor([[left, top, right, bottom]]) / sides
        truths.append(Truth(box, torch.tensor([kind])))
    return torch.stack(tokens), truths


def test_a_set_of_boxes_is_learned_by_heart() -> None:
    """Sets are slow learners (the paper trains for 300 epochs): in seconds they learn a few pictures, no more."""
    torch.manual_seed(0)
    widen, head = torch.nn.Linear(6, 32), SetHead(SetHeadConfig(dim=32, classes=2, queries=4, depth=1))
    optimizer = torch.optim.AdamW([*head.parameters(), *widen.parameters()], lr=5e-3)
    tokens, truths = one_rectangle(12, 0)
    losses = []
    for _ in range(160):
        loss = set_loss(head(widen(tokens)), truths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        found = head(widen(tokens))
    overlaps = []
    for row, truth in enumerate(truths):
        best = int(found.logits[row, :, int(truth.labels[0])].argmax())
        overlaps.append(float(box_iou_matrix(found.boxes[row, best][None], truth.boxes)[0, 0]))
    mean = sum(overlaps) / len(overlaps)
    assert losses[-1] < losses[0] / 3 and mean > 0.6, f"loss {losses[0]:.2f} to {losses[-1]:.2f}, mean IoU {mean:.2f}"


def test_boxes_are_found_by_words_that_were_not_trained_together() -> None:
    torch.manual_seed(0)
    words = torch.eye(3, 8)
    head = WordHead(15, 8)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2)
    for step in range(90):
        tokens, truths = pictures(16, step)
        loss = word_loss(head(tokens, words.expand(16, -1, -1), (6, 6)), truths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    tokens, truths = pictures(40, 10_000)
    order = torch.tensor([2, 0, 1])  # the same words in another order: a list of words, not numbers of classes
    with torch.no_grad():
        found = head(tokens, words[order].expand(40, -1, -1), (6, 6))
    hits = total = 0
    for row, truth in enumerate(truths):
        for box, label in zip(truth.boxes, truth.labels.tolist(), strict=True):
            best = int(found.logits[row, :, order.tolist().index(label)].argmax())
            middle = found.boxes[row, best].reshape(2, 2).mean(dim=0)
            hits += bool((middle > box[:2] - 0.05).all() and (middle < box[2:] + 0.05).all())
            total += 1
    assert hits / total > 0.7, f"{hits} of {total}"


def test_a_picture_of_nothing_teaches_silence() -> None:
    head = SetHead(SetHeadConfig(dim=15, classes=3, queries=4, heads=3))
    none = Truth(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    loss = set_loss(head(torch.randn(1, 9, 15)), [none])
    assert torch.isfinite(loss) and loss.item() > 0
    found = WordHead(15, 8)(torch.randn(1, 9, 15), torch.randn(1, 2, 8), (3, 3))
    assert torch.isfinite(word_loss(found, [none]))
