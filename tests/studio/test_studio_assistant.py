"""The desk over the library's own assistant, tiny and untrained: every mode runs, and its attention fits its patches.

What an untrained model says is noise; that shapes, frames and modes fit together does not depend on it.
"""

import math
from typing import Any

import numpy as np
import pytest
import torch

from showtell.core.geometry import Frame
from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.images.decode import Picture
from showtell.images.processor import ProcessorConfig
from showtell.instruct.assistant import Assistant
from showtell.instruct.bundle import BundleConfig, assemble
from showtell.instruct.template import TemplateConfig
from showtell.studio.desk import Desk
from showtell.studio.limits import StudioLimits
from showtell.studio.pictures import HeldPicture
from showtell.studio.state import read
from showtell.text.coordinates import LocationCodec
from showtell.text.decoder import DecoderConfig
from showtell.text.tokenizer import train_tokenizer
from showtell.vision.vit import ViTConfig

GRID = 3


@pytest.fixture(scope="module")
def desk() -> Desk:
    torch.manual_seed(7)
    codec, template = LocationCodec(bins=8), TemplateConfig()
    control = (*template.control, *codec.names)
    tokenizer = train_tokenizer(["what is in the picture? find the red cup"], 330, control)
    vision = ViTConfig(image_size=(24, 24), patch_size=8, dim=16, depth=1, heads=2, mlp_dim=16)
    decoder = DecoderConfig(vocab_size=len(tokenizer), dim=16, depth=2, heads=2, mlp_dim=16)
    model = PrefixVLMConfig(
        vision=vision, connector=ConnectorConfig(), decoder=decoder, image_token_id=tokenizer.id(template.image)
    )
    config = BundleConfig(
        architecture="showtell-prefix-vlm",
        model=model,
        processor=ProcessorConfig(image_size=24),
        codec=codec,
        template=template,
    )
    return Desk(Assistant(assemble(config, PrefixVLM(model).eval(), tokenizer, {}), "tiny"))


@pytest.mark.parametrize(
    "question",
    [
        {"question": "what is in the picture?"},
        {"question": "the red cup", "mode": "find"},
        {"mode": "name", "box": [2, 3, 20, 90]},
    ],
)
def test_every_mode_runs_on_the_librarys_assistant(desk: Desk, question: dict[str, Any]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (15, 30, 3), dtype=np.uint8)
    held = HeldPicture(key="noise", title="Noise", picture=Picture(pixels, Frame(30, 15), "noise"))
    told = desk.answer(read({"picture": "noise"} | question, StudioLimits()), held)
    assert told["model"] == "tiny"
    assert told["computed_by"].startswith("showtell.instruct.assistant.Assistant.")
    cells = told["patches"]["cells"]
    assert (told["patches"]["rows"], told["patches"]["cols"], len(cells)) == (GRID, GRID, GRID * GRID)
    assert cells[0] == [0, 0, 10, 2.5], "the picture is twice as wide as high: half of the first row is padding"
    assert told["words"], "an untrained model still writes something"
    for word in told["words"]:
        assert len(word["weights"]) == GRID * GRID
        assert math.fsum(word["weights"]) == pytest.approx(1, abs=1e-3)


def test_a_second_question_does_not_look_again(desk: Desk) -> None:
    pixels = np.zeros((15, 30, 3), dtype=np.uint8)
    held = HeldPicture(key="black", title="Black", picture=Picture(pixels, Frame(30, 15), "black"))
    state = read({"picture": "black", "question": "what is in the picture?"}, StudioLimits())
    first, second = desk.answer(state, held), desk.answer(state, held)
    assert (first["picture_reused"], second["picture_reused"]) == (False, True)
    assert first["words"] == second["words"]
