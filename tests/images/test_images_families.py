"""preprocessor_config.json: what it leaves unsaid, what is refused, and that files of all ages say the same."""

from typing import Any

import pytest

from showtell.core.errors import ConfigError
from showtell.images.families import processor_from_hf
from showtell.images.fixed import FixedConfig
from showtell.images.normalize import CLIP_MEAN
from showtell.images.steps import CenterCrop, ShortestEdge, Stretch


def test_an_old_and_a_new_file_declare_the_same_processor() -> None:
    old = {"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224, "resample": 3}
    new = {
        "image_processor_type": "CLIPImageProcessorFast",
        "size": {"shortest_edge": 224},
        "crop_size": {"height": 224, "width": 224},
        "resample": 3,
        "image_mean": list(CLIP_MEAN),
        "do_convert_rgb": True,
        "rescale_factor": 1 / 255,
        "do_pad": None,
    }
    assert processor_from_hf(old) == processor_from_hf(new)
    config = processor_from_hf(old).config
    assert isinstance(config, FixedConfig)
    assert config.steps == (
        ShortestEdge(shortest=224),
        CenterCrop(crop_height=224, crop_width=224),
    )


def test_what_is_unsaid_is_said_by_the_class() -> None:
    vit, siglip = (processor_from_hf({"image_processor_type": f"{name}ImageProcessor"}) for name in ("ViT", "Siglip"))
    assert isinstance(vit.config, FixedConfig) and isinstance(siglip.config, FixedConfig)
    assert vit.config.steps == siglip.config.steps == (Stretch(height=224, width=224),)
    assert (vit.config.resample, siglip.config.resample) == ("bilinear", "bicubic")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"image_processor_type": "OwlViTImageProcessor"}, "OwlViT"),
        ({}, "image_processor_type"),
        ({"image_processor_type": "CLIPImageProcessor", "do_pad": True}, "do_pad"),
        ({"image_processor_type": "ViTImageProcessor", "do_flip_channel_order": True}, "do_flip_channel_order"),
        ({"image_processor_type": "ViTImageProcessor", "resample": 5}, "resample"),
        ({"image_processor_type": "ViTImageProcessor", "size": {"longest_edge": 5}}, "size"),
        ({"image_processor_type": "CLIPImageProcessor", "do_resize": False, "do_center_crop": False}, "steps"),
        ({"image_processor_type": "ViTImageProcessor", "image_std": [0, 1, 1]}, "std"),
    ],
)
def test_what_is_not_known_is_refused_by_name(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        processor_from_hf(settings)


def test_a_switch_that_is_off_is_no_setting() -> None:
    processor_from_hf({"image_processor_type": "ViTImageProcessor", "do_flip_channel_order": False, "crop_pct": None})


def test_what_real_files_say_besides() -> None:
    """Settings of published files that change no picture, and one value of a setting that would."""
    smolvlm = {"image_processor_type": "SmolVLMImageProcessor", "size": {"longest_edge": 2048}}
    sampling = {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 512}}
    assert processor_from_hf({**smolvlm, "video_sampling": sampling}) == processor_from_hf(smolvlm)
    square = {"height": 336, "width": 336}
    nexts = {"image_processor_type": "LlavaNextImageProcessor", "size": square, "crop_size": square}
    assert processor_from_hf({**nexts, "aspect_ratio_setting": "anyres"}) == processor_from_hf(nexts)
    with pytest.raises(ConfigError, match="aspect_ratio_setting"):
        processor_from_hf({**nexts, "aspect_ratio_setting": "pad"})
