"""ViT, DINOv2, DINOv3 and MAE against `transformers`, on files they saved, every parameter redrawn."""

from pathlib import Path
from typing import Any

import pytest
import torch
from reference import assert_close, assert_same_files, noise, save_redrawn
from transformers import (
    Dinov2Config,
    Dinov2ForImageClassification,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersForImageClassification,
    Dinov2WithRegistersModel,
    DINOv3ViTConfig,
    DINOv3ViTModel,
    ViTConfig,
    ViTForImageClassification,
    ViTMAEConfig,
    ViTMAEForPreTraining,
    ViTMAEModel,
    ViTModel,
)

from showtell.core.errors import CheckpointError, ConfigError
from showtell.vision import dinov2, dinov3, vit_hf, vit_mae
from showtell.vision.vit import VisionOutput, VisionTransformer

SHAPE: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "image_size": 20,
    "patch_size": 4,
}
SQUARE, TALL, SMALL = (2, 3, 20, 20), (2, 3, 28, 12), (2, 3, 8, 12)
SHAPES = pytest.mark.parametrize("shape", [SQUARE, TALL, SMALL])


def tower_agrees(tower: VisionTransformer, pixels: torch.Tensor, theirs: Any) -> VisionOutput:
    with torch.no_grad():
        ours = tower(pixels)
    assert_close(torch.cat([ours.prefix, ours.tokens], dim=1), theirs.last_hidden_state)
    assert ours.grid == (pixels.shape[2] // 4, pixels.shape[3] // 4)
    return ours


@pytest.mark.parametrize("image_size", [(20, 12), (12, 20)])
@pytest.mark.parametrize(("pooler", "qkv_bias"), [(True, True), (False, False)])
def test_vit(tmp_path: Path, image_size: tuple[int, int], pooler: bool, qkv_bias: bool) -> None:
    config = ViTConfig(**{**SHAPE, "image_size": image_size}, qkv_bias=qkv_bias)
    reference = ViTModel(config, add_pooling_layer=pooler)
    save_redrawn(reference, tmp_path)
    tower, pixels = vit_hf.load(tmp_path), noise(2, 3, *image_size)
    with torch.no_grad():
        theirs = reference(pixels)
    ours = tower_agrees(tower, pixels, theirs)
    assert_close(ours.pooled, theirs.pooler_output if pooler else theirs.last_hidden_state[:, 0])
    assert_same_files(vit_hf.to_hf(tower, prefix=""), tmp_path)


@SHAPES
def test_vit_at_other_sizes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    reference = ViTModel(ViTConfig(**SHAPE))
    save_redrawn(reference, tmp_path)
    with torch.no_grad():
        theirs = reference(noise(*shape), interpolate_pos_encoding=True)
    assert_close(tower_agrees(vit_hf.load(tmp_path), noise(*shape), theirs).pooled, theirs.pooler_output)


def test_vit_classifier(tmp_path: Path) -> None:
    labels = {0: "cat", 1: "dog", 2: "bee", 3: "ant", 4: "elk"}
    reference = ViTForImageClassification(ViTConfig(**SHAPE, id2label=labels))
    save_redrawn(reference, tmp_path)
    ours = vit_hf.load_classifier(tmp_path)
    with torch.no_grad():
        assert_close(ours(noise(*SQUARE)), reference(noise(*SQUARE)).logits)
        tower_agrees(vit_hf.load(tmp_path), noise(*SQUARE), reference.vit(noise(*SQUARE)))
    assert ours.labels == ("cat", "dog", "bee", "ant", "elk")
    assert_same_files(vit_hf.classifier_to_hf(ours), tmp_path)


@SHAPES
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("registers", [3, 0])
def test_dinov2(tmp_path: Path, shape: tuple[int, ...], gated: bool, registers: int) -> None:
    common = {**SHAPE, "use_swiglu_ffn": gated, "mlp_ratio": 3}
    reference = (
        Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**common, num_register_tokens=registers))
        if registers
        else Dinov2Model(Dinov2Config(**common))
    )
    save_redrawn(reference, tmp_path)
    tower = dinov2.load(tmp_path)
    with torch.no_grad():
        theirs = reference(noise(*shape))
    assert_close(tower_agrees(tower, noise(*shape), theirs).pooled, theirs.pooler_output)
    assert_same_files(dinov2.to_hf(tower), tmp_path)


@pytest.mark.parametrize("registers", [True, False])
def test_dinov2_classifier(tmp_path: Path, registers: bool) -> None:
    reference = (
        Dinov2WithRegistersForImageClassification(Dinov2WithRegistersConfig(**SHAPE, num_labels=5))
        if registers
        else Dinov2ForImageClassification(Dinov2Config(**SHAPE, num_labels=5))
    )
    save_redrawn(reference, tmp_path)
    ours = dinov2.load_classifier(tmp_path)
    with torch.no_grad():
        assert_close(ours(noise(*TALL)), reference(noise(*TALL)).logits)
    assert dinov2.load(tmp_path).prefix == (5 if registers else 1)
    assert_same_files(dinov2.classifier_to_hf(ours), tmp_path)


@SHAPES
@pytest.mark.parametrize(("gated", "biases"), [(True, (True, True)), (False, (True, False)), (False, (False, False))])
def test_dinov3(tmp_path: Path, shape: tuple[int, ...], gated: bool, biases: tuple[bool, bool]) -> None:
    reference = DINOv3ViTModel(
        DINOv3ViTConfig(
            **SHAPE, use_gated_mlp=gated, num_register_tokens=3, rope_theta=7.0,
            query_bias=biases[0], value_bias=biases[0], key_bias=biases[1],
        )
    )  # fmt: skip
    save_redrawn(reference, tmp_path)
    tower = dinov3.load(tmp_path)
    with torch.no_grad():
        theirs = reference(noise(*shape))
    assert_close(tower_agrees(tower, noise(*shape), theirs).pooled, theirs.pooler_output)
    assert_same_files(dinov3.to_hf(tower), tmp_path)


@pytest.mark.parametrize("layer", [-1, -2, 1])
def test_dinov3_read_at_an_inner_layer(tmp_path: Path, layer: int) -> None:
    reference = DINOv3ViTModel(DINOv3ViTConfig(**SHAPE, num_register_tokens=3))
    save_redrawn(reference, tmp_path)
    with torch.no_grad():
        hidden = reference(noise(*TALL), output_hidden_states=True).hidden_states
        assert_close(dinov3.load(tmp_path, feature_layer=layer)(noise(*TALL)).tokens, hidden[layer][:, 4:])


@SHAPES
def test_mae_encoder(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """The reference shuffles what it keeps; it is told to keep everything, in order."""
    reference = ViTMAEModel(ViTMAEConfig(**SHAPE, mask_ratio=0.0))
    save_redrawn(reference, tmp_path)
    tower = vit_mae.load(tmp_path)
    order = torch.arange(shape[2] // 4 * (shape[3] // 4)).float().expand(2, -1)
    with torch.no_grad():
        theirs = reference(noise(*shape), noise=order, interpolate_pos_encoding=True)
    tower_agrees(tower, noise(*shape), theirs)
    assert_same_files(vit_mae.to_hf(tower, prefix=""), tmp_path)


def test_mae_encoder_with_its_decoder_beside_it(tmp_path: Path) -> None:
    decoder = {"decoder_hidden_size": 12, "decoder_num_attention_heads": 3, "decoder_num_hidden_layers": 1}
    reference = ViTMAEForPreTraining(ViTMAEConfig(**SHAPE, **decoder, mask_ratio=0.0))
    save_redrawn(reference, tmp_path)
    with torch.no_grad():
        theirs = reference.vit(noise(*SQUARE), noise=torch.arange(25.0).expand(2, -1))
    tower_agrees(vit_mae.load(tmp_path), noise(*SQUARE), theirs)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pooler_act.*relu"):
        vit_hf.config_from_hf({"pooler_act": "relu"})
    with pytest.raises(ConfigError, match="model_type.*dinov9"):
        dinov2.config_from_hf({"model_type": "dinov9"})
    with pytest.raises(ConfigError, match="intermediate_size: expected at least 1"):
        dinov3.config_from_hf({"intermediate_size": 0})
    with pytest.raises(ConfigError, match="value_bias"):
        dinov3.config_from_hf({"query_bias": True, "value_bias": False})
    save_redrawn(ViTModel(ViTConfig(**SHAPE)), tmp_path)
    with pytest.raises(CheckpointError, match="no classifier"):
        vit_hf.load_classifier(tmp_path)
    with pytest.raises(ConfigError, match="model_type.*'vit'"):
        dinov2.load(tmp_path)
    with pytest.raises(CheckpointError, match="2 keys are not known.*pooler"):
        vit_mae.load(tmp_path)
