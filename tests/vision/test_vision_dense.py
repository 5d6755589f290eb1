"""Dense targets are the facts seen patch by patch, and a tower learns them."""

from dataclasses import replace

import numpy as np
import torch

from showtell.core.geometry import Frame
from showtell.engine.step import Loss
from showtell.images.processor import Processor, ProcessorConfig
from showtell.instruct.losses import ordinal_targets
from showtell.text.coordinates import LocationCodec
from showtell.vision.dense import IGNORE, DenseBatch, DenseHead, DenseStep, DenseTower
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
        names, colors, boxes, _ = DATA.targets(facts, view)
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


def test_the_letters_of_a_patch_are_those_that_stand_in_it() -> None:
    scene = Scene(SceneConfig(image_size=96, word_share=1.0))
    data = replace(
        DATA, scenes=[scene], processor=Processor(ProcessorConfig(image_size=96)), names=(*scene.names, "word")
    )
    spelled = total = 0
    for index in range(60):
        _, facts = scene.sample(3, index)
        view = data.processor.view(facts.frame)
        *_, letters = data.targets(facts, view)
        written = [item for item in facts.items if item.text]
        assert (letters != IGNORE).any() <= bool(written)
        for item in written:
            rows = [row[row > 0] for row in letters.reshape(12, 24)]
            best = max(rows, key=len)
            text = "".join(chr(64 + code) for i, code in enumerate(best) if i == 0 or code != best[i - 1])
            total += 1
            # letters repeated side by side ("ZOO") merge here, thin ones ("I") may fall between two samples
            spelled += text == "".join(c for i, c in enumerate(str(item.text)) if i == 0 or c != str(item.text)[i - 1])
    assert total > 40 and spelled / total > 0.6


def test_patch_owner_on_a_drawn_map() -> None:
    placed = np.zeros((4, 6), np.uint8)
    placed[0, :2], placed[1:3, 3] = 1, 2
    assert patch_owner(placed, 2, 2).tolist() == [[1, 2, 0], [0, 2, 0]]
    assert patch_owner(np.zeros((2, 2), np.uint8), 2, 0).tolist() == [[0]]
    assert DATA.processor.view(Frame(48, 24)).offset_y == 12


def overfit(tower: DenseTower, batch: DenseBatch) -> Loss:
    """120 steps on one batch; the last loss."""
    step = DenseStep(ordinal_targets(16, 0.7))
    optimizer = torch.optim.AdamW(tower.parameters(), lr=3e-3)
    for _ in range(120):
        loss = step(tower, batch)
        optimizer.zero_grad()
        (loss.value / loss.weight).backward()
        optimizer.step()
    return loss


def test_a_tower_overfits_one_batch() -> None:
    torch.manual_seed(0)
    vision = VisionTransformer(
        ViTConfig(image_size=(48, 48), patch_size=8, dim=32, depth=2, heads=2, mlp_dim=48, stem="conv")
    )
    tower = DenseTower(vision, DenseHead(32, len(DATA.names), len(DATA.colors), 16))
    batch = DATA.collate([DATA.make(i) for i in range(6)])
    loss = overfit(tower, batch)
    assert loss.parts["name_accuracy"] > 0.95 and loss.parts["color_accuracy"] > 0.95
    assert loss.parts["box_within_one"] > 0.9


def test_letters_are_learned_from_the_patches_they_stand_in() -> None:
    torch.manual_seed(0)
    config = ViTConfig(image_size=(48, 48), patch_size=8, dim=32, depth=2, heads=2, mlp_dim=48, stem="conv")
    tower = DenseTower(VisionTransformer(config), DenseHead(32, len(DATA.names), len(DATA.colors), 16))
    data = replace(DATA, scenes=[Scene(SceneConfig(image_size=48, word_share=1.0))])
    batch = data.collate([data.make(i) for i in range(12)])
    assert (batch.letters > 0).sum() > 20
    loss = overfit(tower, batch)
    assert loss.parts["letter_accuracy"] > 0.9
