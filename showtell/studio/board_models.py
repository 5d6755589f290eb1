"""The small models of chapter 4: shapes and files of what `recipes/board.py` trains on the world of `worlds/board.py`.

    tower      pictures of boards -> 36 patch tokens     trained to say what covers a patch; it never read a word
    decoder    words -> next word                        trained on text alone; it never saw a picture
    joined     by connector | gated looks | resampler    only the join is trained, both ends are frozen
    fused      early | mid | late                        trained whole, alike, from the same two ends

A file is float16 safetensors in `models/`; modules come ready for reading (`eval`, no gradients), each opened once.
"""

import copy
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from showtell.core.checkpoint import fill_module, load_module, load_tensors
from showtell.core.masks import causal_mask
from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.early import EarlyVLM, EarlyVLMConfig
from showtell.fusion.gated_xattn import GatedCrossConfig
from showtell.fusion.late import LateVLM, LateVLMConfig
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.fusion.reader import Reader
from showtell.fusion.resampler import Resampler, ResamplerConfig
from showtell.fusion.xattn_vlm import CrossVLM, CrossVLMConfig
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.vision.vit import VisionTransformer, ViTConfig
from showtell.worlds import board

FOLDER = Path(__file__).parent / "models"
IMAGE_ID = board.NUMBER[board.IMAGE]
START_ID = board.NUMBER[board.START]
TOWER = ViTConfig(image_size=(board.SIDE, board.SIDE), patch_size=8, dim=64, depth=2, heads=4, mlp_dim=256)
DECODER = DecoderConfig(vocab_size=len(board.WORDS), dim=64, depth=4, heads=4, mlp_dim=168)
PREFIX = PrefixVLMConfig(vision=TOWER, connector=ConnectorConfig(), decoder=DECODER, image_token_id=IMAGE_ID)
CROSS = CrossVLMConfig(
    vision=TOWER,
    resampler=None,
    cross=GatedCrossConfig(dim=64, heads=4, mlp_dim=128, context_dim=64),
    every=1,
    decoder=DECODER,
)
RESAMPLER = ResamplerConfig(dim=64, latents=16, depth=2, heads=4, mlp_dim=256, activation="gelu")
EARLY = EarlyVLMConfig(
    image_size=TOWER.image_size, patch_size=TOWER.patch_size, decoder=DECODER, image_token_id=IMAGE_ID
)
LATE = LateVLMConfig(vision=TOWER, decoder=DECODER, hidden=256)
TOKENS = TOWER.grid[0] * TOWER.grid[1]
FUSIONS = ("early", "mid", "late")
M = TypeVar("M", bound=nn.Module)


class ResamplerBridge(nn.Module):
    """A resampler and one matrix; of its latents the first `kept` go on, so that one model serves every number."""

    def __init__(self) -> None:
        super().__init__()
        self.resampler = Resampler(RESAMPLER)
        self.bridge = nn.Linear(RESAMPLER.dim, DECODER.dim)
        self.kept = RESAMPLER.latents

    def forward(self, tokens: Float[Tensor, "images tokens dim"]) -> Float[Tensor, "images kept dim"]:
        return self.bridge(self.resampler(tokens)[:, : self.kept])


def opened(module: M, name: str) -> M:
    """A module filled from its file, for reading only."""
    load_module(module, FOLDER / f"board-{name}.safetensors")
    return module.eval().requires_grad_(False)


@cache
def tower() -> VisionTransformer:
    return opened(VisionTransformer(TOWER), "see")


@cache
def decoder() -> Decoder:
    return opened(Decoder(DECODER), "read")


def joined(connector: nn.Module | None = None) -> PrefixVLM:
    """The frozen ends with a connector between them, a fresh one unless it is given."""
    model = PrefixVLM(PREFIX)
    model.vision, model.decoder = tower(), decoder()
    model.connector = model.connector if connector is None else connector
    return model


@cache
def snapshots() -> dict[int, PrefixVLM]:
    """Step -> the model as it was after so many steps of training its connector."""
    tensors = load_tensors(FOLDER / "board-connect.safetensors")
    steps = sorted({int(name.split(".")[0]) for name in tensors})
    models = {}
    for step in steps:
        models[step] = joined().eval().requires_grad_(False)
        own = {name.removeprefix(f"{step}."): t for name, t in tensors.items() if name.startswith(f"{step}.")}
        fill_module(models[step].connector, own, f"step {step}")
    return models


def crossed() -> CrossVLM:
    """The frozen ends with fresh gated looks between the decoder's blocks."""
    model = CrossVLM(CROSS)
    model.vision, model.decoder = tower(), decoder()
    return model


@cache
def gated() -> CrossVLM:
    model = crossed().eval()
    opened(model.cross, "gates")
    return model


@cache
def resampled() -> PrefixVLM:
    return joined(opened(ResamplerBridge(), "resample")).eval()


def unfused(kind: str) -> Any:
    """One of the three fusions before its training: trained ends, fresh joins, nothing frozen."""
    model: Any = {"early": lambda: EarlyVLM(EARLY), "mid": lambda: PrefixVLM(PREFIX), "late": lambda: LateVLM(LATE)}[
        kind
    ]()
    model.decoder = copy.deepcopy(decoder())
    if kind != "early":
        model.vision = copy.deepcopy(tower())
    return model.requires_grad_(True)


@cache
def fused(kind: str) -> Any:
    model: Any = {"early": lambda: EarlyVLM(EARLY), "mid": lambda: PrefixVLM(PREFIX), "late": lambda: LateVLM(LATE)}[
        kind
    ]()
    return opened(model, kind)


def pixels_of(pictures: Sequence[UInt8[np.ndarray, "side side 3"]]) -> Float[Tensor, "pictures 3 side side"]:
    """Pictures as the tower is given them: -1..1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def read_after(
    model: Reader, image_tokens: Float[Tensor, "batch tokens dim"], words: Int[Tensor, "batch words"]
) -> Float[Tensor, "batch words dim"]:
    """Hidden states of `words` read after a picture: start, image tokens, words."""
    count = image_tokens.shape[1]
    opening = torch.tensor([START_ID] + [IMAGE_ID] * count).expand(len(words), -1)
    ids = torch.cat([opening, words], dim=1)
    positions, mask = torch.arange(ids.shape[1]).expand(len(ids), -1), causal_mask(ids.shape[1], ids.shape[1])
    return model.read(image_tokens, ids, positions, mask)[:, count + 1 :]


def read_beside(model: Any, seen: Tensor, words: Int[Tensor, "batch words"]) -> Float[Tensor, "batch words dim"]:
    """Hidden states of `words` read while the picture stands beside them: gated looks (tokens) or late (vectors)."""
    if isinstance(model, CrossVLM):
        speaker: Any = model.looking(seen[:, None], torch.ones(len(words), 1, 1, dtype=torch.bool))
    else:
        speaker = model.seeing(seen)
    ids = torch.cat([words.new_full((len(words), 1), START_ID), words], dim=1)
    count = ids.shape[1]
    return speaker(speaker.embed(ids), torch.arange(count)[None], causal_mask(count, count))[:, 1:]
