"""Tiles and native extents: plans from the header alone, boxes of every tile back in the original, pixels agree."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.errors import ConfigError
from showtell.core.geometry import Box, Frame
from showtell.images.anyres import AnyResConfig, AnyResProcessor, best_grid, fitted
from showtell.images.decode import decode
from showtell.images.levels import Levels
from showtell.images.native import BlockConfig, BlockProcessor, FlexConfig, FlexProcessor
from showtell.images.normalize import CLIP_MEAN, CLIP_STD, normalize, to_float
from showtell.images.steps import BetweenEdges, EvenLongestEdge
from showtell.images.tiles import QuarterConfig, QuarterProcessor, TileConfig, TileProcessor, stack_tiles
from showtell.images.view import ViewTransform

TILES = TileProcessor(TileConfig(steps=(EvenLongestEdge(longest=128),), tile=32))
QUARTERS = QuarterProcessor(QuarterConfig(steps=(BetweenEdges(shortest=20, longest=45),), split=True))
ANYRES = AnyResProcessor(
    AnyResConfig(
        grids=((24, 48), (48, 24), (48, 48), (72, 24), (24, 72)), tile=24, whole=(24, 24), steps=(), margin=(1, 2, 3)
    )
)
BLOCKS = BlockProcessor(BlockConfig(min_pixels=28 * 28 * 4, max_pixels=28 * 28 * 60))
FLEX = FlexProcessor(FlexConfig(patch_size=16, max_patches=64))
frames = st.builds(Frame, st.integers(2, 3000), st.integers(2, 3000))


def views_of(frame: Frame) -> list[ViewTransform]:
    tiled = [view for processor in (TILES, QUARTERS, ANYRES) for view in processor.plan(frame).views]
    blocks = [BLOCKS.view(frame)] if max(frame.box.xyxy) <= 200 * min(frame.width, frame.height) else []
    return [*tiled, *blocks, FLEX.view(frame)]


@settings(deadline=None, max_examples=30)
@given(frames, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_a_box_in_any_tile_comes_back(frame: Frame, values: list[float]) -> None:
    (x1, x2), (y1, y2) = sorted(values[:2]), sorted(values[2:])
    for view in views_of(frame):
        assert view.source == frame
        shown = view.to_original(Box.from_unit((x1, y1, x2, y2), view.target))
        again = view.to_original(view.to_view(shown))
        assert again.xyxy == pytest.approx(shown.xyxy, abs=1e-6 * max(frame.width, frame.height))
        box = Box.from_unit((x1, y1, x2, y2), frame)
        assert view.to_original(view.to_view(box)).xyxy == pytest.approx(box.xyxy, abs=1e-4)


@settings(deadline=None, max_examples=30)
@given(frames)
def test_detail_tiles_cover_the_picture_once(frame: Frame) -> None:
    """Together the tiles show every part of the original, and no part twice."""
    tiles, anyres, quarters = TILES.plan(frame), ANYRES.plan(frame), QUARTERS.plan(frame)
    for plan, detail in ((tiles, tiles.views[:-1]), (anyres, anyres.views[1:]), (quarters, quarters.views[:-1])):
        if plan.rows:
            assert len(detail) == plan.rows * plan.columns
            area = sum(view.to_original(view.target.box).area for view in detail)
            assert area == pytest.approx(frame.box.area, rel=1e-6)


@pytest.mark.parametrize("processor", [TILES, QUARTERS, ANYRES])
def test_pixels_go_where_the_views_say(processor: TileProcessor | QuarterProcessor | AnyResProcessor) -> None:
    height, width = 90, 170
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    box = Box(60, 30, 120, 66, Frame(width, height))
    pixels[30:66, 60:120] = 255
    tiles = processor(decode(pixels))
    seen = 0
    for planes, view in zip(tiles.pixels, tiles.views, strict=True):
        bright = (planes[0] > 0).nonzero()
        wanted = view.to_view(box).clip()
        if min(wanted.width, wanted.height) < 3:
            continue
        found = [*bright.min(dim=0).values.flip(0).tolist(), *(bright.max(dim=0).values.flip(0) + 1).tolist()]
        assert wanted.xyxy == pytest.approx(found, abs=1.5)
        seen += 1
    assert seen >= 3


def test_levels_are_the_written_out_arithmetic() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    table = Levels(mean=CLIP_MEAN, std=CLIP_STD)(pixels)
    torch.testing.assert_close(table, normalize(to_float(pixels), CLIP_MEAN, CLIP_STD), atol=1e-6, rtol=0)
    signed = Levels(scale=1 / 127.5, shift=-1.0, mean=(0.0,) * 3, std=(1.0,) * 3)(pixels)
    torch.testing.assert_close(signed, to_float(pixels) * 2 - 1, atol=1e-6, rtol=0)
    with pytest.raises(ConfigError, match="std"):
        Levels(std=(1.0, 0.0, 1.0))


def test_a_plan_by_hand() -> None:
    """200 x 100 -> 128 x 64 -> 2 rows of 4 tiles of 32, and the whole."""
    plan = TILES.plan(Frame(200, 100))
    assert (plan.rows, plan.columns, len(plan.views)) == (2, 4, 9)
    assert plan.views[5].to_original(plan.views[5].target.box).xyxy == pytest.approx((50, 50, 100, 100))
    assert plan.views[-1].to_original(plan.views[-1].target.box).xyxy == pytest.approx((0, 0, 200, 100))


def test_the_best_grid_keeps_most_pixels_and_then_wastes_least() -> None:
    grids = ((24, 48), (48, 24), (48, 48), (72, 24), (24, 72))
    assert best_grid(Frame(200, 200), grids) == (48, 48)
    assert best_grid(Frame(300, 100), grids) == (24, 72)
    assert best_grid(Frame(10, 10), grids) == (24, 48)  # every grid keeps all of it; the first of the smallest
    assert fitted(Frame(100, 33), 24, 48).canvas == Frame(48, 16)


def test_grids_that_are_not_whole_tiles_are_refused() -> None:
    for grids in ((), ((24, 50),)):
        with pytest.raises(ConfigError, match="grids"):
            AnyResConfig(grids=grids, tile=24, whole=(24, 24), steps=(), margin=(0, 0, 0))


def test_a_batch_says_where_there_is_a_picture() -> None:
    pictures = [decode(np.full((h, w, 3), 200, np.uint8)) for h, w in ((40, 90), (33, 33), (90, 21))]
    pixels, mask = stack_tiles([[TILES(pictures[0])], [TILES(pictures[1]), TILES(pictures[2])]])
    counts = [len(TILES(picture).pixels) for picture in pictures]
    assert mask.any(dim=(2, 3)).sum(dim=1).tolist() == [counts[0], counts[1] + counts[2]]
    assert not pixels[~mask[:, :, None].expand_as(pixels)].any()
