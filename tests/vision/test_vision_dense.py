"""Dense targets are the facts seen patch by patch, and a tower learns them."""

import numpy as np
import torch

from showtell.core.geometry import Frame
from showtell.images.processor import Processor, ProcessorConfig
from showtell.instruct.losses import ordinal_targets
from showtell.text.coordinates import LocationCodec
from showtell.vision.dense import IGNORE, DenseHead, DenseStep, DenseTower
from showtell.vision.dense_targets import DenseScenes, patch_owner, place_map
from showtell.vision.vit import VisionTransformer, ViTConfig
from showtell.worlds.scene import Scene, SceneConfig
from showtell.worlds.shapes import COLORS

SCENE = Scene(SceneConfig(image_size=48))
DATA = DenseScenes(
    scenes=[SCENE],
    processor=Processor(ProcessorConfig(image_size=48)),
    codec=LocationCodec(16),
    names=(*SCENE.names, "word"),
    colors=tuple(COLORS),
    patch=8,
    seed=3,
)


def test_targets_follow_the_instance_map() -> None:
    for index in range(12):
        _, facts = SCENE.sample(3, index)
        view = DATA.processor.view(facts.frame)
        names, colors, boxes = DATA.targets(facts, view)
        placed = place_map(facts.instance_map, view)
        assert placed.shape == (48, 48) and (placed > 0).sum() == (facts.instance_map > 0).sum()
        for patch in range(36):
            cell = placed[patch // 6 * 8 :, patch % 6 * 8 :][:8, :8]
            if names[patch] == 0:
                assert colors[patch] == IGNORE and (boxes[patch] == IGNORE).all()
                assert max([(cell == i + 1).mean() for i in range(len(facts.items))], default=0) < 0.2
                continue
            owner = max(facts.items, key=lambda item: (cell == item.index + 1).sum())
            assert DATA.names[names[patch] - 1] == owner.name
            unit = view.to_view(owner.box).unit
            assert np.abs(boxes[patch] / 15 - np.array(unit)).max() <= 1 / 15


def test_patch_owner_on_a_drawn_map() -> None:
    placed = np.zeros((4, 6), np.uint8)
    placed[0, :2], placed[1:3, 3] = 1, 2
    assert patch_owner(placed, 2, 2).tolist() == [[1, 2, 0], [0, 2, 0]]
    assert patch_owner(np.zeros((2, 2), np.uint8), 2, 0).tolist() == [[0]]
    assert DATA.processor.view(Frame(48, 24)).offset_y == 12


def test_a_tower_overfits_one_batch() -> None:
    torch.manual_seed(0)
    vision = VisionTransformer(
        ViTConfig(image_size=(48, 48), patch_size=8, dim=32, depth=2, heads=2, mlp_dim=48, stem="conv")
    )
    tower = DenseTower(vision, DenseHead(32, len(DATA.names), len(DATA.colors), 16))
    batch = DATA.collate([DATA.make(i) for i in range(6)])
    step = DenseStep(ordinal_targets(16, 0.7))
    optimizer = torch.optim.AdamW(tower.parameters(), lr=3e-3)
    for _ in range(120):
        loss = step(tower, batch)
        optimizer.zero_grad()
        (loss.value / loss.weight).backward()
        optimizer.step()
    assert loss.parts["name_accuracy"] > 0.95 and loss.parts["color_accuracy"] > 0.95
    assert loss.parts["box_within_one"] > 0.9
