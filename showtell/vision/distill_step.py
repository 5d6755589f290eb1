"""The training step of self-distillation, and the teacher that is the student's own past.

                      student                                          teacher (no gradient)
    large crops, some patches blanked ─► tower ─► head ─► class q      large crops, whole ─► tower ─► head ─► class p
                                              └─► head ─► patches q                             └─► head ─► patches p
    small crops ───────────────────────► tower ─► head ─► class q      p = balanced(scores / temperature(step))

    L = dino(q, p) + ibot(q, p on blanked patches) + w koleo(student's class features)
    after every optimiser step:   teacher <- m teacher + (1 - m) student,   m from 0.99 to 1        `follow`

The loop of `engine/loop.py` trains it like anything else: the teacher is a frozen part of the model, moved by the
loop's `on_step`. Its number of steps is a buffer, so that schedules, teacher and centre are in the checkpoint and a
resumed run is the same run. What is kept in the end is the teacher's tower. Caron et al. 2021, Zhou et al. 2022, Oquab
et al. 2023. Not here: the losses and the balances (`self_distillation.py`), the crops (`multicrop.py`), watching over
collapse (`collapse.py`).
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from showtell.engine.step import Loss
from showtell.vision.multicrop import Crops
from showtell.vision.self_distillation import (
    Centring,
    PrototypeHead,
    SinkhornBalance,
    dino_loss,
    ibot_loss,
    koleo_loss,
)
from showtell.vision.vit import VisionOutput, VisionTransformer, ViTConfig


@dataclass(frozen=True, kw_only=True)
class DistillConfig:
    """How the student is taught.

    steps: length of the run, for the schedules.
    prototypes, hidden, bottleneck: of the head.
    balance: "sinkhorn" (DINOv2) or "centring" (DINO).
    momentum: of the teacher at the first step; 1 at the last, along half a cosine.
    student_temperature: of the student's softmax.
    teacher_temperature: at the first step and after the warm-up, along a line.
    temperature_warmup: steps of that line.
    ibot, koleo: weights of these losses beside DINO's.
    """

    steps: int
    prototypes: int = 512
    hidden: int = 256
    bottleneck: int = 64
    balance: Literal["sinkhorn", "centring"] = "sinkhorn"
    momentum: float = 0.99
    student_temperature: float = 0.1
    teacher_temperature: tuple[float, float] = (0.04, 0.07)
    temperature_warmup: int = 0
    ibot: float = 1.0
    koleo: float = 0.1

    def momentum_at(self, step: int) -> float:
        progress = min(1.0, step / max(1, self.steps))
        return 1 - (1 - self.momentum) * 0.5 * (1 + math.cos(math.pi * progress))

    def temperature_at(self, step: int) -> float:
        first, last = self.teacher_temperature
        return last if step >= self.temperature_warmup else first + (last - first) * step / self.temperature_warmup


class Seer(nn.Module):
    """A tower and the head that turns what it sees into scores of prototypes."""

    def __init__(self, vision: ViTConfig, config: DistillConfig):
        super().__init__()
        self.vision = VisionTransformer(vision)
        self.head = PrototypeHead(vision.dim, config.prototypes, config.hidden, config.bottleneck)


class TeacherStudent(nn.Module):
    """The two of them. `follow` moves the teacher; nothing else does."""

    def __init__(self, vision: ViTConfig, config: DistillConfig):
        """Raises ValueError when the tower has no class token, or no token for blanked patches."""
        if not vision.class_token or not vision.mask_token:
            raise ValueError("self-distillation needs a tower with class_token=True and mask_token=True")
        super().__init__()
        self.config = config
        self.student = Seer(vision, config)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.balance, self.patch_balance = make_balance(config), make_balance(config)
        self.steps = nn.Buffer(torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """After optimiser step `step`: the teacher becomes a little more like the student."""
        momentum = self.config.momentum_at(step)
        torch._foreach_lerp_(list(self.teacher.parameters()), list(self.student.parameters()), 1 - momentum)
        self.steps.fill_(step)


def make_balance(config: DistillConfig) -> SinkhornBalance | Centring:
    return SinkhornBalance() if config.balance == "sinkhorn" else Centring(config.prototypes)


def following(model: TeacherStudent) -> Callable[[int, Mapping[str, float]], None]:
    """For `on_step` of `engine.loop.train`."""
    return lambda step, metrics: model.follow(step)


def see_blanked(
    vision: VisionTransformer,
    pixels: Float[Tensor, "pictures 3 height width"],
    masked: Bool[Tensor, "pictures patches"],
) -> VisionOutput:
    """What the tower makes of pictures whose `masked` patches are replaced by its mask token, positions kept.

    Raises ValueError when the tower has no such token.
    """
    if vision.mask_token is None:
        raise ValueError("this tower has no token for blanked patches; build it with mask_token=True")
    patches = vision.patches(pixels)  # (pictures, dim, rows, cols)
    grid = (patches.shape[2], patches.shape[3])
    x = patches.flatten(2).transpose(1, 2)  # (pictures, patches, dim)
    x = torch.where(masked[..., None], vision.mask_token.to(x.dtype), x)
    x = torch.cat([vision.class_token.to(x.dtype).expand(len(x), -1, -1), x], dim=1)
    x = vision.registers(vision.add_positions(x, grid))
    return vision.encode(x, grid, rotation=vision.rotary(grid, x.device))


class DistillStep:
    """`step(model, crops) -> Loss`, a picture counting one."""

    def __call__(self, model: TeacherStudent, crops: Crops) -> Loss:
        config, pictures = model.config, crops.large.shape[1]
        pixels, masked = crops.large.flatten(0, 1), crops.masked.flatten(0, 1)
        whole, patches = self.targets(model, pixels, masked)
        seen = see_blanked(model.student.vision, pixels, masked)
        student = list(model.student.head(seen.pooled).float().unflatten(0, (2, pictures)))
        if len(crops.small):
            parts = model.student.vision(crops.small.flatten(0, 1))
            student += list(model.student.head(parts.pooled).float().unflatten(0, (len(crops.small), pictures)))
        dino = dino_loss(student, list(whole.unflatten(0, (2, pictures))), config.student_temperature)
        some = masked.any(dim=1)  # the crops that lost patches; the others have nothing to guess
        scores = model.student.head(seen.tokens[some]).float()
        ibot = ibot_loss(scores, patches, masked[some], config.student_temperature) / 2  # of two crops
        features = seen.pooled.float().unflatten(0, (2, pictures))
        koleo = (koleo_loss(features[0]) + koleo_loss(features[1])) / 2
        value = dino + config.ibot * ibot + config.koleo * koleo
        parts_of_it = {"dino": dino, "ibot": ibot, "koleo": koleo}
        return Loss(value, float(pictures), {name: part.detach() / pictures for name, part in parts_of_it.items()})

    @torch.no_grad()
    def targets(
        self,
        model: TeacherStudent,
        pixels: Float[Tensor, "crops 3 height width"],
        masked: Bool[Tensor, "crops patches"],
    ) -> tuple[Float[Tensor, "crops prototypes"], Float[Tensor, "blanked prototypes"]]:
        """The teacher's balanced answers for whole large crops and for their patches that the student will not see."""
        temperature = model.config.temperature_at(int(model.steps))
        seen = model.teacher.vision(pixels)
        scores, patch_scores = model.teacher.head(seen.pooled).float(), model.teacher.head(seen.tokens[masked]).float()
        targets = model.balance(scores, temperature)
        if not len(patch_scores):
            patch_scores = scores[:0]
        patch_targets = model.patch_balance(patch_scores, temperature)
        if model.training:
            model.balance.update(scores)
            model.patch_balance.update(patch_scores)
        return targets, patch_targets
