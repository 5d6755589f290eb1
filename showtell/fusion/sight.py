"""The pictures of one conversation, from files to what the decoder reads, alike for every family.

    frames   --layouts-->  how each stands in the prompt, from its extent alone       (tokenise, truncate, count)
    pictures --see------>  image tokens of all of them, one after the other           (process, tower, bridge)
    ids      --reading-->  positions and who sees whom                                (decoder, generation)

A `Sight` is a loaded model with its image processor. Families differ in what a processor hands over (one square, tiles
with a mask, a grid of tiles, patches) and in what reading needs besides the ids; that is all that is written here, one
small class a kind. Which family has which is `families.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from showtell.core.geometry import Frame
from showtell.core.masks import left_padded_mask
from showtell.fusion import idefics2, idefics3, paligemma, qwen2_vl
from showtell.fusion.anyres import AnyResPlan, AnyResVLM, plan_anyres, plan_single
from showtell.fusion.blip2 import Blip2
from showtell.fusion.image_plan import ImageLayout, Piece
from showtell.fusion.prefix_vlm import Prefix
from showtell.images.anyres import AnyResProcessor
from showtell.images.decode import Picture
from showtell.images.fixed import FixedProcessor
from showtell.images.native import BlockProcessor
from showtell.images.tiles import QuarterProcessor, TileProcessor, stack_tiles
from showtell.vision.native_vit import Grid


@dataclass(frozen=True)
class Reading:
    """What a decoder is told besides its words; see `Decoder.forward`."""

    positions: Tensor
    mask: Tensor
    unwindowed: Tensor | None = None


class Sight(Protocol):
    """A model that sees, with its image processor."""

    def layouts(self, frames: Sequence[Frame]) -> list[ImageLayout]:
        """How the pictures of one conversation stand in its prompt; needs only the headers of their files."""
        ...

    def see(self, pictures: Sequence[Picture]) -> Float[Tensor, "1 tokens dim"]:
        """The image tokens of one conversation, as many as its layouts say."""
        ...

    def reading(
        self, ids: Int[Tensor, "batch tokens"], valid: Bool[Tensor, "batch tokens"], frames: Sequence[Frame]
    ) -> Reading:
        """Of a left-padded batch of prompts; `frames` of all their pictures in order."""
        ...


class CountedWords:
    """Reading as most families do: positions counted through, every token sees what is before it."""

    def reading(self, ids: Tensor, valid: Bool[Tensor, "batch tokens"], frames: Sequence[Frame]) -> Reading:
        positions = (valid.long().cumsum(dim=1) - 1).clamp_min(0)
        return Reading(positions, left_padded_mask(valid, valid.shape[1]))


@dataclass(frozen=True)
class FixedSight(CountedWords):
    """One view a picture: LLaVA, PaliGemma, BLIP-2, Janus."""

    model: Prefix | Blip2
    processor: FixedProcessor
    layout: ImageLayout

    def layouts(self, frames: Sequence[Frame]) -> list[ImageLayout]:
        return [self.layout for _ in frames]

    def see(self, pictures: Sequence[Picture]) -> Float[Tensor, "1 tokens dim"]:
        pixels = torch.stack([self.processor(picture).pixels for picture in pictures])
        return self.model.image_tokens(as_weights(pixels, self.model)).flatten(0, 1)[None]


class WholePromptSight(FixedSight):
    """PaliGemma: the prompt sees itself whole."""

    def reading(self, ids: Tensor, valid: Bool[Tensor, "batch tokens"], frames: Sequence[Frame]) -> Reading:
        given = paligemma.within_prefix(valid, torch.ones_like(valid))
        return Reading(paligemma.positions(valid), paligemma.whole_prompt(valid), given)


@dataclass(frozen=True)
class TileSight(CountedWords):
    """Tiles in detail and the whole: Idefics3, SmolVLM."""

    model: idefics3.Idefics3
    processor: TileProcessor

    def layouts(self, frames: Sequence[Frame]) -> list[ImageLayout]:
        tokens = idefics3.tokens_per_tile(self.model.config)
        return [idefics3.layout(self.processor.plan(frame), tokens) for frame in frames]

    def see(self, pictures: Sequence[Picture]) -> Float[Tensor, "1 tokens dim"]:
        pixels, mask = stack_tiles([[self.processor(picture) for picture in pictures]])
        pixels = as_weights(pixels[0], self.model)
        return self.model.image_tokens(pixels, mask[0].to(pixels.device)).flatten(0, 1)[None]


@dataclass(frozen=True)
class QuarterSight(CountedWords):
    """Pictures, or their quarters, in their own shapes: Idefics2."""

    model: idefics2.Idefics2
    processor: QuarterProcessor

    def layouts(self, frames: Sequence[Frame]) -> list[ImageLayout]:
        latents = self.model.config.resampler.latents
        return [idefics2.layout(self.processor.plan(frame), latents) for frame in frames]

    def see(self, pictures: Sequence[Picture]) -> Float[Tensor, "1 tokens dim"]:
        pixels, mask = stack_tiles([[self.processor(picture) for picture in pictures]])
        pixels = as_weights(pixels[0], self.model)
        return self.model.image_tokens(pixels, mask[0].to(pixels.device)).flatten(0, 1)[None]


@dataclass(frozen=True)
class AnyResSight(CountedWords):
    """A whole view and a grid of tiles: LLaVA-NeXT, LLaVA-OneVision.

    once: whether several pictures in one conversation are shown once each (OneVision).
    """

    model: AnyResVLM
    processor: AnyResProcessor
    once: bool = False

    def plans(self, frames: Sequence[Frame]) -> list[AnyResPlan]:
        if self.once and len(frames) > 1:
            return [plan_single(self.model.anyres) for _ in frames]
        return [plan_anyres(frame, self.model.anyres) for frame in frames]

    def layouts(self, frames: Sequence[Frame]) -> list[ImageLayout]:
        return [plan.layout for plan in self.plans(frames)]

    def see(self, pictures: Sequence[Picture]) -> Float[Tensor, "1 tokens dim"]:
        process = self.processor.one_tile if self.once and len(pictures) > 1 else self.processor
        views = torch.cat([process(picture).pixels for picture in pictures])
        views = as_weights(views, self.model)
        return self.model.image_tokens(views, self.plans([picture.frame for picture in pictures]))


@dataclass(frozen=True)
class NativeSight:
    """Patches of pictures at their own size: Qwen2-VL, Qwen2.5-VL."""

    model: qwen2_vl.QwenVL
    processor: BlockProcessor

    def layouts(self, frames: Sequence[Frame]) -> list[ImageLayout]:
        return [qwen2_vl.layout(self.processor.extent(frame), self.model.config.vision) for frame in frames]

    def see(self, pictures: Sequence[Picture]) -> Float[Tensor, "1 tokens dim"]:
        seen = [self.processor(picture) for picture in pictures]
        patches = torch.cat([picture.patches for picture in seen])
        patches = as_weights(patches, self.model)
        return self.model.image_tokens(patches, [Grid(*picture.grid) for picture in seen])

    def reading(
        self, ids: Int[Tensor, "batch tokens"], valid: Bool[Tensor, "batch tokens"], frames: Sequence[Frame]
    ) -> Reading:
        side = self.processor.config.patch_size
        extents = [self.processor.extent(frame) for frame in frames]
        grids = [Grid(1, extent.height // side, extent.width // side) for extent in extents]
        return Reading(self.model.positions(ids, valid, grids), left_padded_mask(valid, valid.shape[1]))


def as_weights(pixels: Tensor, model: nn.Module) -> Tensor:
    """In the type and on the device of the model's weights."""
    return pixels.to(next(model.parameters()))


def one_run(tokens: int, before: str = "", after: str = "") -> ImageLayout:
    """The layout of a picture that is always the same."""
    return ImageLayout((Piece(before, tokens),), after)
