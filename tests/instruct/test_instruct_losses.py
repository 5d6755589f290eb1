"""The answer loss: cross-entropy for words, ordinal for locations."""

import torch
import torch.nn.functional as F

from showtell.instruct.losses import answer_loss, ordinal_targets


def test_plain_is_cross_entropy() -> None:
    logits, targets = torch.randn(9, 13), torch.randint(0, 13, (9,))
    assert torch.allclose(answer_loss(logits, targets), F.cross_entropy(logits, targets, reduction="none"), atol=1e-6)


def test_locations_get_their_neighbours_and_words_do_not() -> None:
    ordinal = ordinal_targets(5, 1.0)
    assert torch.allclose(ordinal.sum(1), torch.ones(5)) and torch.equal(ordinal.argmax(1), torch.arange(5))
    logits, targets = torch.randn(3, 9), torch.tensor([1, 4, 8])
    got = answer_loss(logits, targets, first_location=3, ordinal=ordinal)
    log_p = logits.log_softmax(-1)
    assert torch.allclose(got[[0, 2]], -log_p[[0, 2], [1, 8]], atol=1e-6)
    assert torch.allclose(got[1], -(ordinal[1] * log_p[1, 3:8]).sum(), atol=1e-6)
    assert torch.equal(ordinal_targets(4, 0.0), torch.eye(4))
