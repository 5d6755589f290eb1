"""Half precision with a small range, and computing the same bits twice.

    loss x scale  ->  backward  ->  gradients / scale       fp16 ends at 2^-24, and gradients are smaller than that
    a gradient overflows:  leave the step out, halve the scale;    1,000 steps without:  double it

(Micikevicius et al. 2018.) The scale is a power of two, so dividing by it is exact, and it is part of a checkpoint, so
a resumed run scales as the one it resumes. bf16 has the range of float32 and needs none of this.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch

from showtell.engine.step import TrainingError

SMALLEST = 2.0**-14


Precision = Literal["fp32", "bf16", "fp16"]


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Matrix products in half precision where that is safe; weights, sums and losses stay in float32."""
    half = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype=half, enabled=precision != "fp32")


@dataclass
class LossScale:
    """How much the loss is multiplied before its backward pass.

    scale: now. Losses here are sums over tokens and not means, so this begins lower than elsewhere.
    good: steps since it changed.
    patience: steps without an overflow after which it is doubled.
    """

    scale: float = 2.0**10
    good: int = 0
    patience: int = 1000

    def worked(self) -> None:
        self.good += 1
        if self.good == self.patience:
            self.scale, self.good = 2 * self.scale, 0

    def overflowed(self, why: str) -> None:
        """Scale less; raises TrainingError when that has been tried often enough."""
        if self.scale <= SMALLEST:
            raise TrainingError(f"{why}, and the same with a loss scale of {self.scale}: no overflow; use bf16 or fp32")
        self.scale, self.good = self.scale / 2, 0

    def to_json(self) -> dict[str, Any]:
        return {"scale": self.scale, "good": self.good}

    def from_json(self, content: dict[str, Any]) -> None:
        self.scale, self.good = content["scale"], content["good"]


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Inside, an operation that could give other bits the next time raises; on a processor nearly all are exact."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
