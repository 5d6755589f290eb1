"""What every parity test of a vision-language model does: one left-padded batch, logits compared, 32 tokens written.

Logits of redrawn models may be large; a difference is measured relative to the largest logit of the reference, and
never to less than 1.
"""

from typing import Any

import torch
from torch import Tensor

from showtell.core.masks import left_padded_mask
from showtell.fusion.reader import Reader
from showtell.text.generate import generate
from showtell.text.sampling import SamplingConfig

NEVER = -1


def left_padded(rows: list[list[int]], pad: int = 0) -> tuple[Tensor, Tensor]:
    """(ids, valid) of rows of different lengths."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
    valid = torch.tensor([[False] * (longest - len(row)) + [True] * len(row) for row in rows])
    return ids, valid


def positions_of(valid: Tensor) -> Tensor:
    """Real tokens counted from 0."""
    return (valid.long().cumsum(dim=1) - 1).clamp_min(0)


def relative(ours: Tensor, theirs: Tensor) -> float:
    """max|difference| / max(1, max|theirs|)."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1))


@torch.no_grad()
def assert_same_logits(
    model: Reader,
    image_tokens: Tensor,
    reference: Any,
    ids: Tensor,
    valid: Tensor,
    positions: Tensor | None = None,
    mask: Tensor | None = None,
    unwindowed: Tensor | None = None,
    **inputs: Any,
) -> None:
    """Logits of every real token of the batch."""
    positions = positions_of(valid) if positions is None else positions
    mask = left_padded_mask(valid, ids.shape[1]) if mask is None else mask
    theirs = reference(input_ids=ids, attention_mask=valid.long(), position_ids=positions, **inputs).logits
    hidden = model.read(image_tokens, ids, positions, mask, unwindowed)
    difference = relative(model.decoder.logits(hidden)[valid], theirs[valid])
    assert difference <= 1e-5, f"logits differ by {difference:.2e} of the largest"


@torch.no_grad()
def assert_same_greedy(
    model: Reader,
    image_tokens: Tensor,
    reference: Any,
    ids: Tensor,
    valid: Tensor,
    positions: Tensor | None = None,
    mask: Tensor | None = None,
    unwindowed: Tensor | None = None,
    **inputs: Any,
) -> None:
    """32 tokens, no stop."""
    written = reference_greedy(reference, ids, valid, **inputs)
    prompt = model.embed(image_tokens, ids)
    config = SamplingConfig(max_tokens=32)
    ours = generate(
        model.decoder, prompt, valid, config, stop_id=NEVER, positions=positions, mask=mask, unwindowed=unwindowed
    )
    assert [row.ids for row in ours] == written


def reference_greedy(reference: Any, ids: Tensor, valid: Tensor, **inputs: Any) -> list[list[int]]:
    """What the reference writes after the prompt: 32 tokens a row."""
    reference.generation_config.eos_token_id = None
    written = reference.generate(
        input_ids=ids, attention_mask=valid.long(), max_new_tokens=32, do_sample=False, pad_token_id=0, **inputs
    )
    new: list[list[int]] = written[:, ids.shape[1] :].tolist()
    assert all(len(row) == 32 for row in new)
    return new
