"""What all runs of the fusion comparison look at, made once: pictures, what a frozen tower sees in them, questions.

    Scene.sample -> square picture ──────────────────────────────► squares   uint8[pictures, 96, 96, 3]
                        └─► pocket tower (frozen) ────────────────► features  bf16[pictures, 64, 192]
                 -> facts -> questions answered in words, packed ─► ids, targets, positions, branches

A frozen tower says the same of a picture whatever follows it, so its pass is paid for once and its cost is *charged* to
every run (`fusion_comparison.py`). Answers are words alone, without the boxes the pocket model opens with, so that a
fusion that cannot say where things are is not punished twice. Pieces of `CHUNK` pictures are files of their own: a
build that was stopped goes on where it was.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from showtell.core.checkpoint import load_tensors, save_tensors
from showtell.data.sample import sample_rng
from showtell.images.normalize import HALF_MEAN, HALF_STD, normalize
from showtell.instruct.bundle import Bundle
from showtell.instruct.dataset import as_conversation
from showtell.instruct.packing import Document, pack_row, stack_rows
from showtell.text.chat import Rendered
from showtell.worlds.cutouts import load_pack
from showtell.worlds.language import exchanges
from showtell.worlds.scene import Scene, SceneConfig

CHUNK = 250
SKILLS = ("color", "exists", "count", "compare", "relation", "name")
HELD_OUT_SEED = 1_000_003


@dataclass(frozen=True)
class Pictures:
    """Rows of equal number; row i is picture i with its packed questions.

    squares: (pictures, side, side, 3), grey levels.
    features: (pictures, tokens, dim), what the frozen tower sees.
    ids, targets, positions, documents, branches: (pictures, length), see `instruct/packing.py`; there is no picture in
        them, so positions count from the first word.
    """

    squares: Tensor
    features: Tensor
    ids: Tensor
    targets: Tensor
    positions: Tensor
    documents: Tensor
    branches: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Sequence[int] | slice) -> "Pictures":
        return Pictures(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def pixels(self) -> Tensor:
        """(pictures, 3, side, side), as a tower wants them."""
        return normalize(self.squares.permute(0, 3, 1, 2).float().contiguous() / 255, HALF_MEAN, HALF_STD)

    def to(self, device: torch.device) -> "Pictures":
        return Pictures(*(getattr(self, field.name).to(device) for field in fields(self)))


def pictures(
    bundle: Bundle, folder: Path, split: Literal["train", "val"], count: int, length: int
) -> tuple[Pictures, list[list[str]]]:
    """`count` pictures of a split with the skills of their questions, built below `folder` where they are missing."""
    parts, skills = [], []
    for first in range(0, count, CHUNK):
        path = folder / f"{split}-{first:06d}.safetensors"
        if not path.exists():
            build(bundle, path, split, range(first, min(first + CHUNK, count)), length)
        parts.append(load_tensors(path))
        skills += json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Pictures(*(torch.cat([part[field.name] for part in parts]) for field in fields(Pictures))), skills


@torch.no_grad()
def build(bundle: Bundle, path: Path, split: Literal["train", "val"], positions: range, length: int) -> None:
    """One piece. The names of the skills are written first, so that a piece that is there is whole."""
    world = bundle.card.get("world", {})
    scene = Scene(SceneConfig(split=split, word_share=0.0, **world), load_pack())
    seed = HELD_OUT_SEED if split == "val" else 1
    squares, rows, skills = [], [], []
    for position in positions:
        pixels, facts = scene.sample(seed, position)
        view = bundle.processor.view(facts.frame)
        asked = exchanges(facts, sample_rng(seed, position), skills=SKILLS, most=9)
        said = [bundle.template.render(as_conversation(replace(e, evidence=()), facts, view)) for e in asked]
        fitting: list[tuple[str, Rendered]] = []
        for exchange, rendered in zip(asked, said, strict=True):
            if sum([len(other) for _, other in fitting]) + len(rendered) <= length:
                fitting.append((exchange.skill, rendered))
        rows.append(pack_row([Document(Rendered(), [r for _, r in fitting])], length, bundle.template.padding_id))
        squares.append(torch.from_numpy(np.ascontiguousarray(bundle.processor.square(pixels, view))))
        skills.append([skill for skill, _ in fitting])
    batch = stack_rows(rows, torch.empty(0))
    made = Pictures(torch.stack(squares), torch.empty(0), batch.ids, batch.targets, batch.positions, batch.documents,
                    batch.branches)  # fmt: skip
    features = torch.cat([bundle.model.vision(part).tokens for part in made.pixels.split(50)]).bfloat16()
    tensors = {field.name: getattr(made, field.name) for field in fields(made)} | {"features": features}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(skills), encoding="utf-8")
    save_tensors(tensors, path)
