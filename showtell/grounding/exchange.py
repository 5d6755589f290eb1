"""Regions for other tools: COCO JSON, LabelMe JSON, and the arrays of `supervision.Detections`.

    COCO          one file for all pictures; boxes x, y, width, height; masks as runs down the columns; no points
    LabelMe       one file a picture; rectangles by two corners, points; no masks here (its polygons are another thing)
    supervision   Detections(**supervision_arrays(regions)): xyxy, mask, confidence, class_id, data["class_name"]

All of them count pixels from the top left corner of the original picture with continuous edges, as `Box` does, so
nothing is shifted by half a pixel or one. Ids are numbered from 1: pycocotools takes an annotation with the id 0 for
none. Reading says which entry of the file cannot be used. Not here: polygons, key points, drawing (`images/draw.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from showtell.core.errors import DataError
from showtell.core.geometry import Box, Frame, Mask, Point

LABELME_VERSION = "5.5.0"


@dataclass(frozen=True)
class Region:
    """Something in a picture.

    label: what it is.
    shape: where, in pixels of the picture.
    score: how sure a model is of it; None for the truth.
    crowd: many objects in one region (COCO's iscrowd).
    """

    label: str
    shape: Box | Point | Mask
    score: float | None = None
    crowd: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture file, its size, and what is in it."""

    file: str
    frame: Frame
    regions: tuple[Region, ...]


def to_coco(pictures: Sequence[Picture]) -> dict[str, Any]:
    """The content of an annotation file. Raises DataError for points, and for a file name that occurs twice."""
    _require_unique([picture.file for picture in pictures], "picture")
    labels = sorted({region.label for picture in pictures for region in picture.regions})
    number = {label: index for index, label in enumerate(labels, start=1)}
    annotations: list[dict[str, Any]] = []
    for image, picture in enumerate(pictures, start=1):
        for region in picture.regions:
            one = {"id": len(annotations) + 1, "image_id": image, "category_id": number[region.label]}
            one |= _coco_shape(region, picture) | {"iscrowd": int(region.crowd)}
            annotations.append(one if region.score is None else one | {"score": region.score})
    return {
        "images": [
            {"id": index, "file_name": one.file, "width": one.frame.width, "height": one.frame.height}
            for index, one in enumerate(pictures, start=1)
        ],
        "annotations": annotations,
        "categories": [{"id": index, "name": label} for label, index in number.items()],
    }


def from_coco(content: Mapping[str, Any]) -> list[Picture]:
    """The pictures of an annotation file, boxes only where a mask is a polygon.

    Raises DataError naming the entry that is missing something, occurs twice, or belongs to no picture.
    """
    images, categories = (_by_id(content, kind) for kind in ("images", "categories"))
    regions: dict[Any, list[Region]] = {image: [] for image in images}
    for one in _by_id(content, "annotations").values():
        where = f"annotation {one['id']}"
        if one.get("image_id") not in images:
            raise DataError(f"{where} belongs to image {one.get('image_id')}, which is not in the file")
        if one.get("category_id") not in categories:
            raise DataError(f"{where} has the category {one.get('category_id')}, which is not in the file")
        frame = _frame(images[one["image_id"]])
        label = str(categories[one["category_id"]].get("name"))
        score = one.get("score")
        regions[one["image_id"]].append(Region(label, _shape(one, frame, where), score, bool(one.get("iscrowd"))))
    return [Picture(str(one.get("file_name")), _frame(one), tuple(regions[key])) for key, one in images.items()]


def to_labelme(picture: Picture) -> dict[str, Any]:
    """The content of one LabelMe file. Raises DataError for masks."""
    shapes: list[dict[str, Any]] = []
    for region in picture.regions:
        if isinstance(region.shape, Mask):
            raise DataError(f"{picture.file}: the mask of {region.label} cannot be a LabelMe shape; give its box")
        if isinstance(region.shape, Box):
            kind, points = "rectangle", [list(region.shape.xyxy[:2]), list(region.shape.xyxy[2:])]
        else:
            kind, points = "point", [[region.shape.x, region.shape.y]]
        shapes.append({"label": region.label, "points": points, "group_id": None, "shape_type": kind, "flags": {}})
    return {
        "version": LABELME_VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": picture.file,
        "imageData": None,
        "imageHeight": picture.frame.height,
        "imageWidth": picture.frame.width,
    }


def from_labelme(content: Mapping[str, Any]) -> Picture:
    """The rectangles and points of one LabelMe file. Raises DataError naming a shape that is neither, or malformed."""
    frame = _frame(
        {"id": content.get("imagePath"), "width": content.get("imageWidth"), "height": content.get("imageHeight")}
    )
    regions = []
    for index, one in enumerate(content.get("shapes", ())):
        points = one.get("points")
        try:
            if one.get("shape_type") == "rectangle":
                (ax, ay), (bx, by) = points
                shape: Box | Point = Box(min(ax, bx), min(ay, by), max(ax, bx), max(ay, by), frame)  # any two corners
            elif one.get("shape_type") == "point":
                ((x, y),) = points
                shape = Point(x, y, frame)
            else:
                raise DataError(f"shape {index} is a {one.get('shape_type')}; only rectangles and points can be read")
        except (TypeError, ValueError) as error:
            raise DataError(f"shape {index} has the points {points}: {error}") from error
        regions.append(Region(str(one.get("label")), shape))
    return Picture(str(content.get("imagePath")), frame, tuple(regions))


def supervision_arrays(regions: Sequence[Region], labels: Sequence[str] | None = None) -> dict[str, Any]:
    """What `supervision.Detections(**...)` takes; points become empty boxes.

    `labels` fixes the class numbers over several pictures; without it they count the labels here in alphabetical order.
    """
    labels = sorted({region.label for region in regions}) if labels is None else labels
    known = {label: index for index, label in enumerate(labels)}
    missing = [region.label for region in regions if region.label not in known]
    if missing:
        raise DataError(f"{missing[0]} is not among the {len(known)} labels given")
    boxes = [_corners(region.shape) for region in regions]
    masks = [region.shape.pixels for region in regions if isinstance(region.shape, Mask)]
    scores = [region.score for region in regions]
    return {
        "xyxy": np.array(boxes, dtype=np.float32).reshape(-1, 4),
        "mask": np.stack(masks) if masks and len(masks) == len(regions) else None,
        "confidence": None if None in scores else np.array(scores, dtype=np.float32),
        "class_id": np.array([known[region.label] for region in regions], dtype=np.int64),
        "data": {"class_name": np.array([region.label for region in regions], dtype=np.str_)},
    }


def runs(mask: Mask) -> list[int]:
    """COCO's uncompressed run lengths: zeros and ones in turn, down the columns, starting with zeros."""
    pixels = mask.pixels.T.ravel()
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    lengths = np.diff([0, *changes, len(pixels)]).tolist()
    return [0, *lengths] if pixels[0] else lengths


def _coco_shape(region: Region, picture: Picture) -> dict[str, Any]:
    if isinstance(region.shape, Point):
        raise DataError(f"{picture.file}: {region.label} is a point, which COCO's format does not have; LabelMe's has")
    x1, y1, x2, y2 = _corners(region.shape)
    shape: dict[str, Any] = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": float(region.shape.area), "segmentation": []}
    if isinstance(region.shape, Mask):
        size = [picture.frame.height, picture.frame.width]
        shape["segmentation"] = {"size": size, "counts": runs(region.shape)}
    return shape


def _shape(one: Mapping[str, Any], frame: Frame, where: str) -> Box | Mask:
    try:
        mask = one.get("segmentation")
        if isinstance(mask, Mapping) and isinstance(mask.get("counts"), list):
            values = np.arange(len(mask["counts"])) % 2 == 1
            pixels = np.repeat(values, mask["counts"]).reshape(frame.width, frame.height).T
            return Mask(np.ascontiguousarray(pixels), frame)
        x, y, width, height = one["bbox"]
        return Box(x, y, x + width, y + height, frame)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where} has no usable bbox or mask: {error}") from error


def _corners(shape: Box | Point | Mask) -> tuple[float, float, float, float]:
    if isinstance(shape, Point):
        return shape.x, shape.y, shape.x, shape.y
    return (shape.box if isinstance(shape, Mask) else shape).xyxy


def _by_id(content: Mapping[str, Any], kind: str) -> dict[Any, Mapping[str, Any]]:
    entries = content.get(kind)
    if not isinstance(entries, list) or not all(isinstance(one, Mapping) and "id" in one for one in entries):
        raise DataError(f"the annotation file has no list of {kind} with ids")
    _require_unique([one["id"] for one in entries], kind)
    return {one["id"]: one for one in entries}


def _require_unique(names: Sequence[Any], kind: str) -> None:
    seen: set[Any] = set()
    for name in names:
        if name in seen:
            raise DataError(f"{kind}: {name} occurs twice; every one needs its own")
        seen.add(name)


def _frame(image: Mapping[str, Any]) -> Frame:
    width, height = image.get("width"), image.get("height")
    if not isinstance(width, int) or not isinstance(height, int) or width < 1 or height < 1:
        raise DataError(f"image {image.get('id')} has no size; give its width and height in pixels")
    return Frame(width, height)
