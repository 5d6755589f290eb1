"""A configuration that cannot be followed is refused in words, whatever is wrong with it; never by a traceback."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import nn

from showtell.core.errors import ShowtellError
from showtell.fusion import blip2, idefics, idefics2, idefics3, janus, llava, llava_next, llava_onevision, paligemma
from showtell.fusion import qwen2_vl as qwen
from showtell.fusion.anyres import AnyResVLM
from showtell.fusion.prefix_vlm import PrefixVLM
from showtell.fusion.xattn_vlm import CrossVLM

VISION = dict(
    hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, image_size=24, patch_size=8
)
SIGLIP = dict(VISION, model_type="siglip_vision_model", vision_use_head=False)
TEXT = dict(
    vocab_size=59, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=44,
)  # fmt: skip
GRIDS = [[24, 48], [48, 24]]
MROPE = dict(TEXT, rope_scaling=dict(type="mrope", mrope_section=[1, 1, 2]))
NATIVE = dict(depth=3, num_heads=4, patch_size=4, spatial_merge_size=2, temporal_patch_size=2)
OPT = dict(vocab_size=59, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=44, model_type="opt")
FAMILIES: dict[str, tuple[Callable[[Mapping[str, Any]], Any], type[nn.Module], dict[str, Any]]] = {
    "llava": (llava.config_from_hf, PrefixVLM, dict(vision_config=VISION, text_config=TEXT)),
    "llava_next": (
        llava_next.config_from_hf,
        AnyResVLM,
        dict(vision_config=VISION, text_config=TEXT, image_grid_pinpoints=GRIDS),
    ),
    "llava_onevision": (
        llava_onevision.config_from_hf,
        AnyResVLM,
        dict(vision_config=SIGLIP, text_config=dict(TEXT, model_type="qwen2"), image_grid_pinpoints=GRIDS),
    ),
    "paligemma": (
        paligemma.config_from_hf, PrefixVLM, dict(vision_config=SIGLIP, text_config=dict(TEXT, head_dim=8)),
    ),
    "idefics": (
        idefics.config_from_hf,
        CrossVLM,
        dict(TEXT, vision_config=dict(VISION, embed_dim=24), use_resampler=True, perceiver_config={}),
    ),
    "idefics2": (idefics2.config_from_hf, idefics2.Idefics2, dict(vision_config=VISION, text_config=TEXT)),
    "idefics3": (
        idefics3.config_from_hf, idefics3.Idefics3, dict(vision_config=VISION, text_config=TEXT, scale_factor=3),
    ),
    "qwen2_vl": (
        qwen.config_from_hf,
        qwen.QwenVL,
        dict(text_config=MROPE, vision_config=dict(NATIVE, embed_dim=24, hidden_size=32, mlp_ratio=2)),
    ),
    "qwen2_5_vl": (
        qwen.config_from_hf,
        qwen.QwenVL,
        dict(
            text_config=MROPE,
            vision_config=dict(NATIVE, hidden_size=24, intermediate_size=40, out_hidden_size=32, window_size=16),
        ),
    ),
    "blip2": (blip2.config_from_hf, blip2.Blip2, dict(vision_config=VISION, qformer_config={}, text_config=OPT)),
    "janus": (
        janus.config_from_hf, PrefixVLM, dict(vision_config=dict(VISION, projection_dim=32), text_config=TEXT),
    ),
}  # fmt: skip
WRONG: tuple[Any, ...] = (None, "x", -1, 0, [1], {}, 1.5, [[1, 2, 3]])


def fields_of(data: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in data.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from fields_of(value, (*above, name))


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_wrong_field_never_ends_in_a_traceback(family: str) -> None:
    read, kind, data = FAMILIES[family]
    with torch.device("meta"):
        kind(read(data))
        for path in fields_of(data):
            for value in WRONG:
                changed = copy.deepcopy(data)
                inner = changed
                for name in path[:-1]:
                    inner = inner[name]
                inner[path[-1]] = value
                try:
                    kind(read(changed))
                except ShowtellError:
                    pass
                except Exception as error:
                    raise AssertionError(f"{'.'.join(path)} = {value!r}: {error!r}") from error
