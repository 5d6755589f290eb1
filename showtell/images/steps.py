"""Steps: the words that image processors of published checkpoints are written in.

    CLIP      ShortestEdge(224), CenterCrop(224, 224)        the ends of the longer side are lost
    DINOv2    ShortestEdge(256), CenterCrop(224, 224)
    SigLIP    Stretch(224, 224)                              circles become ellipses
    LLaVA     PadSquare(mean colour), ShortestEdge(336), CenterCrop(336, 336)      when its `do_pad` is on
    Janus     LongestEdge(384), PadSquare(mean colour)
    Idefics2  BetweenEdges(378, 980)                         the extent follows the picture
    Idefics3  EvenLongestEdge(1456)                          before it is cut into tiles

A step turns the extent of a picture into a `Placement`. The roundings are the reference's, one by one, because a
picture one pixel wider is a different picture: CLIP rounds the longer side down, Janus rounds half to even, and
centring rounds towards the top left when it crops and towards the bottom right when it pads.

Not here: cutting into tiles (`images/tiles.py`, `images/anyres.py`) and patches (`images/native.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from showtell.core.geometry import Frame
from showtell.images.placement import Color, Placement


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """To exactly `width` x `height`, whatever the shape."""

    height: int
    width: int

    def place(self, frame: Frame) -> Placement:
        return Placement.stretch(frame, self.width, self.height)


@dataclass(frozen=True, kw_only=True)
class ShortestEdge:
    """The shorter side becomes `shortest`; the longer keeps the shape, rounded down."""

    shortest: int

    def place(self, frame: Frame) -> Placement:
        short = min(frame.width, frame.height)
        return Placement.stretch(frame, self.shortest * frame.width // short, self.shortest * frame.height // short)


@dataclass(frozen=True, kw_only=True)
class LongestEdge:
    """The longer side becomes `longest`; the shorter keeps the shape, rounded, and is at least `at_least`."""

    longest: int
    at_least: int = 1

    def place(self, frame: Frame) -> Placement:
        scale = self.longest / max(frame.width, frame.height)
        width, height = (max(round(side * scale), self.at_least) for side in (frame.width, frame.height))
        return Placement.stretch(frame, width, height)


@dataclass(frozen=True, kw_only=True)
class EvenLongestEdge:
    """The longer side becomes `longest`, also upwards; the shorter is made even; then nothing above `at_most`."""

    longest: int
    at_most: int = 4096

    def place(self, frame: Frame) -> Placement:
        width, height = _scaled_to(frame.width, frame.height, self.longest)
        if frame.width >= frame.height:
            height = max(height + height % 2, 1)
        else:
            width = max(width + width % 2, 1)
        if max(width, height) > self.at_most:
            width, height = _scaled_to(width, height, self.at_most)
        return Placement.stretch(frame, max(width, 1), max(height, 1))


@dataclass(frozen=True, kw_only=True)
class BetweenEdges:
    """Shrunk until the longer side is at most `longest`; then each side at least `shortest`, at the cost of shape."""

    shortest: int
    longest: int

    def place(self, frame: Frame) -> Placement:
        width, height = frame.width, frame.height
        if max(width, height) > self.longest:
            width, height = _scaled_to(width, height, self.longest)
        return Placement.stretch(frame, max(width, self.shortest), max(height, self.shortest))


def _scaled_to(width: int, height: int, longest: int) -> tuple[int, int]:
    """The longer side exactly `longest`, the other in the same shape, rounded down."""
    shape = width / height
    return (longest, int(longest / shape)) if width >= height else (int(longest * shape), longest)


@dataclass(frozen=True, kw_only=True)
class CenterCrop:
    """The middle `crop_width` x `crop_height`; a picture that is smaller gets a black margin.

    halves: where half a pixel goes: "down" in Hugging Face's processors, "even" in torchvision (timm, OpenCLIP).
    """

    crop_height: int
    crop_width: int
    halves: Literal["down", "even"] = "down"

    def place(self, frame: Frame) -> Placement:
        left, top = frame.width - self.crop_width, frame.height - self.crop_height
        left, top = (round(rest / 2) if self.halves == "even" else rest // 2 for rest in (left, top))
        return Placement.window(frame, left, top, self.crop_width, self.crop_height)


@dataclass(frozen=True, kw_only=True)
class PadSquare:
    """A margin of `fill` on the two shorter sides, until the picture is as wide as high."""

    fill: Color

    def place(self, frame: Frame) -> Placement:
        side = max(frame.width, frame.height)
        left, top = -((side - frame.width) // 2), -((side - frame.height) // 2)
        return Placement.window(frame, left, top, side, side, self.fill)


Step = Stretch | ShortestEdge | LongestEdge | EvenLongestEdge | BetweenEdges | CenterCrop | PadSquare


def place_all(steps: Sequence[Step], frame: Frame) -> tuple[Placement, ...]:
    """One placement a step; the frame of each is the canvas of the one before."""
    placements: list[Placement] = []
    for step in steps:
        placements.append(step.place(placements[-1].canvas if placements else frame))
    return tuple(placements)
