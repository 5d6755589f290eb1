"""Kosmos-2, Florence-2 and Fuyu in transformers: the same patches, bins and pixels for thousands of boxes."""

import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers.models.florence2.processing_florence2 import Florence2PostProcessor
from transformers.models.fuyu import processing_fuyu
from transformers.models.kosmos2.processing_kosmos2 import coordinate_to_patch_index, patch_index_to_coordinate

from showtell.core.geometry import Box, Frame
from showtell.text.axis import Labelled
from showtell.text.dialects import DIALECTS

FRAME = Frame(997, 613)


def boxes(count: int) -> list[Box]:
    rng, found = random.Random(3), []
    while len(found) < count:
        (x1, x2), (y1, y2) = sorted((rng.random(), rng.random())), sorted((rng.random(), rng.random()))
        if x2 - x1 > 1e-3 and y2 - y1 > 1e-3:
            found.append(Box.from_unit((x1, y1, x2, y2), FRAME))
    return found


def test_kosmos_patches_are_the_reference():
    dialect = DIALECTS["kosmos-2"]
    for box in boxes(2000):
        text = dialect.write([Labelled("a", [box])])
        pair = coordinate_to_patch_index(box.unit, 32)
        assert text == f"<phrase>a</phrase><object><patch_index_{pair[0]:04d}><patch_index_{pair[1]:04d}></object>"
        (found,) = dialect.read(text, FRAME).found
        assert found.shape.unit == pytest.approx(patch_index_to_coordinate(*pair, 32), abs=1e-9)


def test_florence_bins_are_the_reference():
    reference = Florence2PostProcessor({}, SimpleNamespace(all_special_tokens=[]))
    dialect, size = DIALECTS["florence-2"], (FRAME.width, FRAME.height)
    sample = boxes(2000)
    bins = reference.quantize(torch.tensor([box.xyxy for box in sample], dtype=torch.float64), size)
    back = reference.dequantize(bins, size)
    for box, marks, corners in zip(sample, bins.tolist(), back.tolist(), strict=True):
        text = dialect.write([Labelled("a", [box])])
        assert text == "a" + "".join(f"<loc_{mark}>" for mark in marks)
        (found,) = dialect.read(text, FRAME).found
        assert isinstance(found.shape, Box)
        assert [math.floor(value) for value in found.shape.xyxy] == corners  # theirs are cut to whole pixels


def test_fuyu_counts_in_steps_of_two_pixels():
    for box in boxes(200):
        top, left, bottom, right = (float(round(value)) for value in (box.y1, box.x1, box.y2, box.x2))
        ours = DIALECTS["fuyu"].axis.numbers(Box(left, top, right, bottom, FRAME))
        theirs = processing_fuyu.scale_bbox_to_transformed_image(top, left, bottom, right, 1.0)
        assert np.abs(np.array(ours) - np.array(theirs)).max() <= 1  # theirs rounds halves to even, ours up
