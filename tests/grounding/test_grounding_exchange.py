"""Regions written for other tools and read back, and annotation files that cannot be used."""

import copy
import json

import numpy as np
import pytest

from showtell.core.errors import DataError
from showtell.core.geometry import Box, Frame, Mask, Point
from showtell.grounding.exchange import (
    Picture,
    Region,
    from_coco,
    from_labelme,
    runs,
    supervision_arrays,
    to_coco,
    to_labelme,
)

FRAME = Frame(7, 5)
pixels = np.zeros((5, 7), dtype=bool)
pixels[1:3, 2] = pixels[4, 6] = True
MASK = Mask(pixels, FRAME)
DOG = Region("dog", Box(1.5, 0, 4, 5, FRAME), 0.75)
PICTURES = [
    Picture("a.jpg", FRAME, (DOG, Region("cat", Box(0, 0, 1, 1, FRAME), crowd=True))),
    Picture("b.jpg", FRAME, ()),
]


def test_coco_comes_back():
    content = json.loads(json.dumps(to_coco(PICTURES)))
    assert from_coco(content) == PICTURES
    assert [one["id"] for one in content["annotations"]] == [1, 2]
    assert content["annotations"][0]["bbox"] == [1.5, 0, 2.5, 5] and content["annotations"][0]["area"] == 12.5


def test_masks_are_runs_down_the_columns():
    assert runs(MASK) == [11, 2, 21, 1]
    assert runs(Mask(np.ones((5, 7), dtype=bool), FRAME)) == [0, 35]
    content = json.loads(json.dumps(to_coco([Picture("a.jpg", FRAME, (Region("dog", MASK),))])))
    (found,) = from_coco(content)[0].regions
    assert isinstance(found.shape, Mask) and (found.shape.pixels == pixels).all()
    assert content["annotations"][0]["segmentation"]["size"] == [5, 7]


def test_labelme_comes_back_whichever_corner_was_drawn_first():
    picture = Picture("a.jpg", FRAME, (Region("dog", DOG.shape), Region("ear", Point(2, 3, FRAME))))
    content = json.loads(json.dumps(to_labelme(picture)))
    assert from_labelme(content) == picture
    content["shapes"][0]["points"].reverse()
    assert from_labelme(content) == picture


def test_arrays_for_supervision():
    arrays = supervision_arrays([DOG, Region("cat", Point(2, 3, FRAME), 0.5)], labels=["cat", "cow", "dog"])
    assert arrays["xyxy"].tolist() == [[1.5, 0, 4, 5], [2, 3, 2, 3]] and arrays["xyxy"].dtype == np.float32
    assert arrays["class_id"].tolist() == [2, 0] and arrays["data"]["class_name"].tolist() == ["dog", "cat"]
    assert arrays["confidence"].tolist() == [0.75, 0.5] and arrays["mask"] is None
    assert supervision_arrays([Region("dog", MASK)])["mask"].shape == (1, 5, 7)
    assert supervision_arrays([])["xyxy"].shape == (0, 4)
    with pytest.raises(DataError, match="dog is not among"):
        supervision_arrays([DOG], labels=["cat"])


@pytest.mark.parametrize(
    ("entry", "field", "value", "message"),
    [
        ("annotations", "image_id", 9, "annotation 1 belongs to image 9"),
        ("annotations", "category_id", None, "annotation 1 has the category None"),
        ("annotations", "bbox", [0, 0, -2, 3], "annotation 1 has no usable bbox"),
        ("annotations", "bbox", [0, float("nan"), 2, 3], "annotation 1 has no usable bbox"),
        ("annotations", "bbox", [1, 2], "annotation 1 has no usable bbox"),
        ("annotations", "id", 2, "annotations: 2 occurs twice"),
        ("images", "id", 2, "images: 2 occurs twice"),
        ("images", "width", 0, "image 1 has no size"),
    ],
)
def test_an_annotation_file_that_cannot_be_used(entry: str, field: str, value: object, message: str):
    content = copy.deepcopy(to_coco(PICTURES))
    content[entry][0][field] = value
    with pytest.raises(DataError, match=message):
        from_coco(content)


def test_what_a_format_does_not_have_is_said():
    with pytest.raises(DataError, match="LabelMe's has"):
        to_coco([Picture("a.jpg", FRAME, (Region("ear", Point(1, 1, FRAME)),))])
    with pytest.raises(DataError, match="give its box"):
        to_labelme(Picture("a.jpg", FRAME, (Region("dog", MASK),)))
    with pytest.raises(DataError, match="picture: a.jpg occurs twice"):
        to_coco([PICTURES[0], PICTURES[0]])
    with pytest.raises(DataError, match="no list of images"):
        from_coco({})
    with pytest.raises(DataError, match="shape 0 is a polygon"):
        from_labelme(to_labelme(PICTURES[1]) | {"shapes": [{"label": "x", "shape_type": "polygon", "points": []}]})
    with pytest.raises(DataError, match="shape 0 has the points"):
        from_labelme(to_labelme(PICTURES[1]) | {"shapes": [{"label": "x", "shape_type": "point", "points": []}]})
