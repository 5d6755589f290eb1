"""Golden vectors of detection, overlaps, retrieval, classification, calibration and pointing.

Run by hand: python tests/golden/make_rankings.py FOLDER, where FOLDER also holds zeroshot_retrieval.py
(CLIP_benchmark) and evaluators.py (the functions on points of Molmo's olmo/eval/evaluators.py).
"""

import contextlib
import importlib
import io
import random
import sys
from pathlib import Path
from typing import Any, Union

from oracles import functions, in_package, load_file, save

FOLDER = Path(sys.argv[1])
torch = importlib.import_module("torch")
numpy = importlib.import_module("numpy")


def detections(rng: random.Random) -> list[Any]:
    """Crowded scenes with crowds, areas unlike their boxes, ties of scores, and more boxes than count."""
    coco_class = importlib.import_module("pycocotools.coco").COCO
    evaluator = importlib.import_module("pycocotools.cocoeval").COCOeval
    sets = []
    for number in range(60):
        size, labels = rng.choice([40, 200, 500]), rng.randrange(1, 4)
        annotations, results = [], []
        images = list(range(1, rng.randrange(2, 7)))
        for image in images:
            for _ in range(rng.choice([0, 1, 3, 8])):
                w, h = rng.randrange(1, size), rng.randrange(1, size)
                box = [rng.randrange(size), rng.randrange(size), w, h]
                area = rng.choice([w * h, w * h // 2])
                crowd = int(rng.random() < 0.15)
                label = rng.randrange(labels)
                annotations.append([image, label, box, area, crowd])
                for _ in range(rng.choice([0, 1, 1, 2, 4])):
                    moved = [max(0, c + rng.choice([0, 0, 1, -2, 3, w // 3])) for c in box]
                    moved[2:] = [max(1, side) for side in moved[2:]]
                    wrong = rng.random() < 0.1
                    results.append([image, rng.randrange(labels) if wrong else label, moved, rng.randrange(40) / 40])
            for _ in range(120 if number % 12 == 0 and image == 1 else rng.randrange(4)):
                box = [rng.randrange(size), rng.randrange(size), rng.randrange(1, size), rng.randrange(1, size)]
                results.append([image, rng.randrange(labels), box, rng.randrange(40) / 40])
        if not results or not annotations:
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            coco = coco_class()
            names = ("image_id", "category_id", "bbox", "area", "iscrowd")
            rows = [dict(zip(names, row, strict=True), id=i + 1) for i, row in enumerate(annotations)]
            coco.dataset = {
                "images": [{"id": image} for image in images],
                "annotations": rows,
                "categories": [{"id": label} for label in range(labels)],
                "info": {},
            }
            coco.createIndex()
            found = coco.loadRes(
                [dict(zip(("image_id", "category_id", "bbox", "score"), r, strict=True)) for r in results]
            )
            run = evaluator(coco, found, "bbox")
            run.evaluate()
            run.accumulate()
            run.summarize()
        sets.append([results, annotations, run.stats.tolist()])
    return sets


def torchvision_losses() -> list[Any]:
    """The three losses without the package, whose compiled part asks for its own version of torch."""
    names = functions(
        in_package("torchvision/ops/_utils.py"), "_upcast_non_float", "_loss_inter_union", torch=torch, Tensor=Any
    )
    names |= {"torch": torch, "Tensor": Any, "_log_api_usage_once": lambda _: None}
    names |= functions(in_package("torchvision/ops/diou_loss.py"), "_diou_iou_loss", **names)
    kinds = {"giou": "generalized", "diou": "distance", "ciou": "complete"}
    return [
        functions(in_package(f"torchvision/ops/{short}_loss.py"), f"{long}_box_iou_loss", **names)[
            f"{long}_box_iou_loss"
        ]
        for short, long in kinds.items()
    ]


def overlaps(rng: random.Random) -> list[Any]:
    losses = torchvision_losses()
    rows = []
    for _ in range(2000):
        boxes = []
        for _ in range(2):
            x, y = rng.uniform(0, 9), rng.uniform(0, 9)
            boxes.append([x, y, x + rng.choice([rng.uniform(0.1, 5), 1, 3]), y + rng.choice([rng.uniform(0.1, 5), 1])])
        if rng.random() < 0.1:
            boxes[1] = list(boxes[0])
        pair = [torch.tensor([box], dtype=torch.float64) for box in boxes]
        rows.append([*boxes, *(1 - loss(*pair).item() for loss in losses)])
    return rows


def retrieval(rng: random.Random) -> list[Any]:
    recall = load_file(FOLDER / "zeroshot_retrieval.py", "zeroshot_retrieval").recall_at_k
    rows = []
    for _ in range(300):
        images = rng.randrange(1, 9)
        image_of = [*range(images), *(rng.randrange(images) for _ in range(rng.randrange(0, 20)))]
        rng.shuffle(image_of)
        grid = rng.choice([3, 100, 10**6])  # coarse scores tie
        scores = [[rng.randrange(grid) / grid for _ in range(images)] for _ in image_of]
        s = torch.tensor(scores, dtype=torch.float64)
        pairs = torch.zeros_like(s, dtype=torch.bool)
        pairs[torch.arange(len(s)), image_of] = True
        found = []
        for k in (1, 5, 10):
            for matrix, right in ((s, pairs), (s.T, pairs.T)):
                found.append((recall(matrix, right, min(k, matrix.shape[1])) > 0).double().mean().item())
        rows.append([scores, image_of, found])
    return rows


def classification(rng: random.Random) -> list[Any]:
    metrics = importlib.import_module("sklearn.metrics")
    rows = []
    for _ in range(300):
        n, classes = rng.randrange(1, 30), rng.randrange(2, 7)
        scores = [[rng.randrange(10**6) / 10**6 for _ in range(classes)] for _ in range(n)]
        truth = [rng.randrange(classes) for _ in range(n)]
        many = [[int(rng.random() < 0.3) for _ in range(classes)] for _ in range(n)]
        coarse = [[rng.randrange(4) / 4 for _ in range(classes)] for _ in range(n)]
        columns = [c for c in range(classes) if any(row[c] for row in many)]
        values = [metrics.average_precision_score([r[c] for r in many], [r[c] for r in coarse]) for c in columns]
        said = [max(range(classes), key=row.__getitem__) for row in scores]
        balanced = metrics.balanced_accuracy_score(truth, said) if set(said) <= set(truth) else None
        mean = sum(values) / len(values) if values else None
        rows.append([scores, truth, metrics.accuracy_score(truth, said), balanced, coarse, many, mean])
    return rows


def calibration(rng: random.Random) -> list[Any]:
    file = in_package("torchmetrics/functional/classification/calibration_error.py")
    names = {"torch": torch, "Tensor": Any, "Union": Union}
    error = functions(file, "_binning_bucketize", "_ce_compute", **names)["_ce_compute"]
    rows = []
    for _ in range(300):
        n, bins = rng.randrange(1, 60), rng.choice([1, 5, 10, 15])
        confidence = [rng.choice([rng.random(), rng.random(), 1.0, 0.0, rng.randrange(16) / 15]) for _ in range(n)]
        right = [int(rng.random() < c) for c in confidence]
        value = error(torch.tensor(confidence, dtype=torch.float64), torch.tensor(right, dtype=torch.float64), bins)
        rows.append([confidence, right, bins, value.item()])
    return rows


def pointing(rng: random.Random) -> list[Any]:
    molmo = load_file(FOLDER / "evaluators.py", "evaluators")
    optimize, spatial = importlib.import_module("scipy.optimize"), importlib.import_module("scipy.spatial.distance")
    rows = []
    for _ in range(400):
        width, height = rng.randrange(8, 30), rng.randrange(8, 30)
        boxes = []
        for _ in range(rng.randrange(1, 5)):
            x, y = rng.randrange(width - 3), rng.randrange(height - 3)
            boxes.append([x, y, rng.randrange(x + 1, width + 1), rng.randrange(y + 1, height + 1)])
        masks = [numpy.zeros((height, width), dtype=bool) for _ in boxes]
        for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
            mask[y1:y2, x1:x2] = True
        centers = [[(x1 + x2) / 2, (y1 + y2) / 2] for x1, y1, x2, y2 in boxes]
        points = [[rng.uniform(-1, width + 1), rng.uniform(-1, height + 1)] for _ in range(rng.randrange(1, 6))]
        points += [[x + rng.choice([0.5, -1.5, 0.25]), y + 0.5] for x, y in centers if rng.random() < 0.7]
        pairs = optimize.linear_sum_assignment(spatial.cdist(points, centers))
        precision, recall = (f(*pairs, points, masks) for f in (molmo.compute_precision, molmo.compute_recall))
        rows.append([[width, height], boxes, points, precision, recall, molmo.f1_score(precision, recall)])
    return rows


def main() -> None:
    rng = random.Random(43)
    makers = {"detections": detections, "overlaps": overlaps, "retrieval": retrieval}
    for name, make in {
        **makers,
        "classification": classification,
        "calibration": calibration,
        "pointing": pointing,
    }.items():
        save(name, make(rng))


if __name__ == "__main__":
    main()
