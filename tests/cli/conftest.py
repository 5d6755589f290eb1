"""A fake assistant behind `showtell.load`, and a tiny real model on disk, so that no test needs the trained one."""

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from showtell.cli.main import main
from showtell.core.errors import CheckpointError
from showtell.core.geometry import Box, Frame, Point
from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.images.processor import ProcessorConfig
from showtell.instruct.bundle import BundleConfig, assemble, save_bundle
from showtell.instruct.template import TemplateConfig
from showtell.text.coordinates import LocationCodec
from showtell.text.decoder import DecoderConfig
from showtell.text.tokenizer import train_tokenizer
from showtell.vision.vit import ViTConfig

FRAME = Frame(40, 30)


@dataclass
class FakeAnswer:
    answer: str
    boxes: tuple[Any, ...] = ()
    points: tuple[Any, ...] = ()
    confidence: float = 0.75
    model: str = "fake"
    timings: dict[str, float] = field(default_factory=lambda: {"encode": 0.01, "generate": 0.02})
    dropped: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        boxes = [{"label": b.label, "box": [b.box.x1, b.box.y1, b.box.x2, b.box.y2]} for b in self.boxes]
        return {
            "answer": self.answer,
            "boxes": boxes,
            "confidence": self.confidence,
            "model": self.model,
            "timings": self.timings,
        }


class FakeAssistant:
    """Remembers what it was asked; `encode` counts how often a picture was looked at."""

    card: dict[str, Any]

    def __init__(self) -> None:
        self.asked: list[tuple[Any, str]] = []
        self.encoded = 0
        self.card = {
            "name": "fake",
            "seed": 3,
            "scores": {"heldout": {"colour": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}}},
        }

    def encode(self, image: Any) -> Any:
        self.encoded += 1
        return SimpleNamespace(image=image)

    def ask(self, image: Any, question: str) -> FakeAnswer:
        self.asked.append((image, question))
        dog = SimpleNamespace(label="dog", box=Box(4.0, 5.0, 20.0, 25.0, FRAME))
        nose = SimpleNamespace(label="nose", point=Point(10.0, 12.0, FRAME))
        return FakeAnswer("a dog", boxes=(dog,), points=(nose,))

    def caption(self, image: Any) -> FakeAnswer:
        return FakeAnswer("a dog on a lawn")

    def ground(self, image: Any, phrase: str) -> FakeAnswer:
        return self.ask(image, phrase)


@pytest.fixture
def assistant(monkeypatch: pytest.MonkeyPatch) -> FakeAssistant:
    """What `showtell.load.load` returns for "pocket"; any other name is a missing checkpoint."""
    fake = FakeAssistant()

    def load(name: str) -> FakeAssistant:
        if name != "pocket":
            raise CheckpointError(f"there is no model {name}; name a folder with config.json, or pocket")
        return fake

    module = types.ModuleType("showtell.load")
    module.load = load  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "showtell.load", module)
    return fake


@pytest.fixture
def picture(tmp_path: Path) -> str:
    """A small picture file whose name has a space."""
    path = tmp_path / "a dog.png"
    Image.fromarray(np.full((FRAME.height, FRAME.width, 3), 200, np.uint8)).save(path)
    return str(path)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a few thousand random weights, saved as any model is."""
    torch.manual_seed(0)
    codec = LocationCodec(8)
    tokenizer = train_tokenizer(["what is this? a dog"] * 3, 320, (*TemplateConfig().control, *codec.names))
    vision = ViTConfig(image_size=(24, 24), patch_size=12, dim=24, depth=1, heads=3, mlp_dim=32)
    decoder = DecoderConfig(vocab_size=len(tokenizer), dim=24, depth=1, heads=3, mlp_dim=32)
    image = tokenizer.id(TemplateConfig().image)
    model = PrefixVLMConfig(vision=vision, connector=ConnectorConfig(), decoder=decoder, image_token_id=image)
    config = BundleConfig(
        architecture="showtell-prefix-vlm", model=model, processor=ProcessorConfig(image_size=24), codec=codec
    )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_bundle(assemble(config, PrefixVLM(model).eval(), tokenizer, {"name": "tiny"}), folder)
    return folder


@dataclass
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def showtell(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the command line in this process: showtell("ask", path, "what is this?")."""

    def run(*words: str) -> Ran:
        capsys.readouterr()
        code = main(list(words))
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run
