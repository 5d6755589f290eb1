"""Our side: the stages of a `Published` checkpoint."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from showtell.contrastive.dual_encoder import DualEncoder
from showtell.core.masks import causal_mask
from showtell.images.decode import Picture, decode
from showtell.images.fixed import FixedProcessor
from showtell.images.native import BlockProcessor, FlexProcessor, Patches
from showtell.images.processor import Processed
from showtell.images.smooth import SmoothProcessor
from showtell.images.tiles import Tiles
from showtell.instruct.published import Published
from showtell.text.decoder import Decoder
from showtell.vision.classifier import VisionClassifier
from showtell_parity.stages import Stages, listening


@torch.no_grad()
def stages_of(found: Published, picture: str, text_ids: Sequence[int]) -> Stages:
    """Everything from the file to the logits; `text_ids` are the words without the picture's."""
    seen: Stages = {}
    decoded = decode(picture)
    if found.processor is not None:
        seen |= pixels_of(found, decoded)
    with listening(found.model, all_vision=found.kind == "vision encoder") as blocks:
        seen |= run(found, decoded, seen, text_ids)
    return seen | blocks


def pixels_of(found: Published, decoded: Picture) -> Stages:
    """From the file to what the tower is given."""
    processor = found.processor
    assert processor is not None
    seen = {"decoded pixels": torch.from_numpy(decoded.pixels).float()}
    if isinstance(processor, FixedProcessor):
        seen["resized pixels"] = channels_first(processor.pixels(decoded))
    elif not isinstance(processor, BlockProcessor | FlexProcessor | SmoothProcessor):
        drawn = processor.plan(decoded.frame).draw(decoded.pixels, processor.config.resample)
        if len({tile.shape for tile in drawn}) == 1:
            seen["resized pixels"] = torch.stack([channels_first(tile) for tile in drawn])
    made: Processed | Tiles | Patches = processor(decoded)
    seen["pixel values"] = made.patches if isinstance(made, Patches) else made.pixels
    return seen


def channels_first(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float()


def run(found: Published, decoded: Picture, seen: Stages, text_ids: Sequence[int]) -> Stages:
    """The model once."""
    model: Any = found.model
    ids = torch.tensor([list(text_ids)])
    if found.sight is not None:
        image = [model.image_token_id] * found.sight.layouts([decoded.frame])[0].tokens
        ids = torch.tensor([[*image, *text_ids]])
        reading = found.sight.reading(ids, torch.ones_like(ids, dtype=torch.bool), [decoded.frame])
        hidden = model.read(found.sight.see([decoded]), ids, reading.positions, reading.mask, reading.unwindowed)
        return {"prompt ids": ids.float(), "logits": model.decoder.logits(hidden)}
    if isinstance(model, Decoder):
        length = ids.shape[1]
        hidden = model(model.embed(ids), torch.arange(length)[None], causal_mask(length, length, ids.device))
        return {"prompt ids": ids.float(), "logits": model.logits(hidden)}
    pixels = seen["pixel values"][None]
    if isinstance(model, DualEncoder):
        return {"prompt ids": ids.float(), "logits": model(pixels, ids).logits}
    if isinstance(model, VisionClassifier):
        return {"logits": model(pixels)}
    model(pixels)
    return {}
