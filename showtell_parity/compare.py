"""Two sides of the same stages: how far apart each is, which is the first that differs, and why that may be.

The reason is a guess, and a useful one: the first stage that differs has inputs that do not, so whatever is wrong is
between two neighbours of the list, and what can go wrong there is short.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from showtell_parity.stages import Stages, place

EXACT = {"decoded pixels": 0.0, "resized pixels": 0.0, "pixel values": 1e-6, "prompt ids": 0.0}
REASONS = {
    "norm1": "the first norm, its epsilon or weights",
    "attn": "attention: weights of queries and keys, heads, mask or rotation",
    "norm2": "the second norm, its epsilon or weights, or a scale after attention",
    "mlp": "the MLP, its activation or weights",
}
RELATIVE = 1e-4  # of the largest value of a layer; rounding in another order gives about 1e-6


@dataclass(frozen=True)
class Difference:
    """One stage: the largest |ours - theirs| (infinite where the shapes differ), and the largest |theirs|."""

    name: str
    max_abs_diff: float
    largest: float

    @property
    def differs(self) -> bool:
        return self.max_abs_diff > EXACT.get(self.name, RELATIVE * max(1.0, self.largest))


def compare(ours: Stages, theirs: Stages) -> list[Difference]:
    """The stages both sides have, in order; the parts of blocks are left to `why_block`."""
    both = [name for name in set(ours) & set(theirs) if "/" not in name]
    return [difference(name, ours[name], theirs[name]) for name in sorted(both, key=place)]


def difference(name: str, ours: Tensor, theirs: Tensor) -> Difference:
    """Axes of length one, and how tokens are grouped, do not count; nor does their order inside a tower.

    A tower with windows sorts its tokens by window on the way, each side where it likes.
    """
    largest = float(theirs.abs().max())
    if ours.squeeze().shape != theirs.squeeze().shape:
        ours, theirs = ours.reshape(-1), theirs.reshape(-1)
        if len(ours) != len(theirs):
            return Difference(name, float("inf"), largest)
    ours, theirs = ours.squeeze(), theirs.squeeze()
    gap = (ours - theirs).abs().max()
    if name.startswith("vision.blocks") and ours.dim() == 2:
        ordered = [side[side[:, 0].argsort()] for side in (ours, theirs)]
        gap = torch.minimum(gap, (ordered[0] - ordered[1]).abs().max())
    return Difference(name, float(torch.nan_to_num(gap, nan=float("inf"))), largest)


def report(family: str, ours: Stages, theirs: Stages, settings: tuple[Any, Any]) -> dict[str, Any]:
    """What `showtell parity --json` prints; `settings` are our processor's and the reference's resizing kernels."""
    found = compare(ours, theirs)
    first = next((stage for stage in found if stage.differs), None)
    reason = None if first is None else why(first, ours, theirs, settings)
    return {
        "family": family,
        "max_abs_diff": max((finite(stage.max_abs_diff) for stage in found), default=0.0),
        "stages": [{"name": stage.name, "max_abs_diff": finite(stage.max_abs_diff)} for stage in found],
        "first_difference": None if first is None else {"stage": first.name, "reason": reason},
    }


def finite(value: float) -> float:
    """JSON has no infinity."""
    return min(value, 1e30)


def why(stage: Difference, all_ours: Stages, all_theirs: Stages, settings: tuple[Any, Any]) -> str:
    """A plausible reason for the first difference."""
    head, _, tail = stage.name.partition(".")
    ours, theirs = all_ours[stage.name], all_theirs[stage.name]
    if head == "decoded pixels":
        return why_decoded(ours, theirs)
    if head == "resized pixels":
        return why_resized(ours, theirs, settings)
    if head == "pixel values":
        return why_normalised(ours, theirs)
    if head == "prompt ids":
        return why_ids(ours, theirs)
    if head == "connector":
        return "connector: its weights or activation, or which layer of the tower it reads"
    if stage.name == "logits":
        return "logits: the last norm, the output head, or its tie to the embedding"
    if tail == "patches":
        return "vision: the weights of the patch embedding, or the order of the channels"
    if tail == "embedded":
        parts = "class token, positions or the first norm" if head == "vision" else "word embedding, or its scale"
        return f"{head}: {parts}"
    return why_block(stage.name, all_ours, all_theirs)


def why_block(block: str, ours: Stages, theirs: Stages) -> str:
    """Which part of the block is the first to differ."""
    for part, reason in REASONS.items():
        name = f"{block}/{part}"
        if name in ours and name in theirs and difference(name, ours[name], theirs[name]).differs:
            return f"{block}: {reason}"
    return f"{block}: the way its parts are added up, or a part that has no counterpart"


def why_ids(ours: Tensor, theirs: Tensor) -> str:
    a, b = ours.reshape(-1).long().tolist(), theirs.reshape(-1).long().tolist()
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return f"prompt: {len(a)} ids here, {len(b)} there; from id {at} on {a[at : at + 3]} here, {b[at : at + 3]} there"


def why_decoded(ours: Tensor, theirs: Tensor) -> str:
    if ours.shape[:2] != theirs.shape[:2]:
        turned = ours.shape[:2] == theirs.shape[:2][::-1]
        return "decode: " + ("turned by EXIF on one side only" if turned else "another extent")
    if torch.equal(ours.flip(2), theirs):
        return "decode: red and blue are swapped"
    return "decode: transparency, 16-bit levels or another decoder of the file format"


def why_resized(ours: Tensor, theirs: Tensor, settings: tuple[Any, Any]) -> str:
    if ours.numel() != theirs.numel():
        return f"resize: {list(ours.shape)} here, {list(theirs.shape)} there; size, crop or tiles differ"
    if settings[0] != settings[1]:
        return f"resize: {settings[0]} here, {settings[1]} there"
    a, b = ours.reshape(-1, *theirs.shape[-2:]), theirs.reshape(-1, *theirs.shape[-2:])
    for rows, columns in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1)):
        if torch.equal(a.roll((rows, columns), (1, 2))[:, 1:-1, 1:-1], b[:, 1:-1, 1:-1]):
            return "crop: one pixel aside; the rounding of the centre"
    return "resize: the same kernel on another extent, or a crop or margin elsewhere"


def why_normalised(ours: Tensor, theirs: Tensor) -> str:
    if ours.numel() != theirs.numel():
        return f"pixel values: {list(ours.shape)} here, {list(theirs.shape)} there"
    if torch.allclose(ours.reshape(theirs.shape).sort(dim=-1).values, theirs.sort(dim=-1).values, atol=1e-5):
        return "pixel values: the same numbers in another order"
    # One channel at a time where there are channels: patches are compared all together.
    inner = theirs.shape[-2] * theirs.shape[-1] if theirs.dim() > 2 and theirs.shape[-3] == 3 else theirs.numel()
    a, b = (side.reshape(-1, inner).double()[0] for side in (ours, theirs))
    slope = float(((a - a.mean()) * (b - b.mean())).sum() / ((a - a.mean()) ** 2).sum())
    part = "mean" if abs(slope - 1) < 1e-3 else "std, or the rescaling by 1/255"
    return f"normalise: another {part} (theirs is about {slope:.3g} times ours)"
