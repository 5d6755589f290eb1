"""The splice puts every image token in its place, and a broken plan cannot pass."""

import pytest
import torch

from showtell.core.geometry import Frame
from showtell.core.masks import causal_mask
from showtell.fusion.connectors import ConnectorConfig, make_connector
from showtell.fusion.image_plan import plan_image
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.fusion.splice import splice
from showtell.text.decoder import DecoderConfig
from showtell.vision.vit import ViTConfig

CONFIG = PrefixVLMConfig(
    vision=ViTConfig(image_size=(12, 20), patch_size=4, dim=12, depth=1, heads=3, mlp_dim=8),
    connector=ConnectorConfig(kind="linear"),
    decoder=DecoderConfig(vocab_size=11, dim=16, depth=2, heads=4, mlp_dim=20),
    image_token_id=1,
)


def test_splice_order_and_count() -> None:
    ids = torch.tensor([[1, 5, 1], [6, 1, 1]])
    pictures = torch.arange(8.0).view(2, 2, 2)
    out = splice(torch.full((2, 3, 2), -1.0), ids, pictures, 1)
    assert out.tolist() == [[[0, 1], [-1, -1], [2, 3]], [[-1, -1], [4, 5], [6, 7]]]
    with pytest.raises(ValueError, match="3 image placeholders in the batch but 4 image tokens"):
        splice(torch.zeros(1, 3, 2), torch.tensor([[1, 1, 1]]), pictures, 1)


def test_plan_counts_what_the_tower_gives() -> None:
    plan = plan_image(Frame(640, 427), CONFIG.vision)
    model = PrefixVLM(CONFIG)
    tokens = model.image_tokens(torch.zeros(2, 3, plan.view.height, plan.view.width))
    assert tokens.shape == (2, plan.tokens, 16) and plan.grid == (3, 5)


@torch.no_grad()
def test_reading_the_picture_first_changes_nothing() -> None:
    model = PrefixVLM(CONFIG).eval()
    pixels = torch.randn(2, 3, 12, 20)
    ids = torch.cat([torch.ones(2, 15, dtype=torch.long), torch.randint(2, 11, (2, 4))], dim=1)
    whole = model(pixels, ids, torch.arange(19)[None].expand(2, -1), causal_mask(19, 19))
    cache = model.read_images(pixels)
    tail = model.decoder(model.decoder.embed(ids[:, 15:]), torch.arange(15, 19)[None], causal_mask(4, 19), cache)
    assert (whole[:, 15:] - tail).abs().max() <= 1e-5
    assert cache.nbytes() == 2 * 2 * (2 * 4 * 19 * 4) * 4


def test_connectors_have_the_shapes_they_say() -> None:
    for kind in ("linear", "mlp"):
        bridge = make_connector(ConnectorConfig(kind=kind, hidden=9), 12, 16)
        assert bridge(torch.zeros(2, 5, 12)).shape == (2, 5, 16)
