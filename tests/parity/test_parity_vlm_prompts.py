"""The ids that stand for a picture in a prompt, against the reference's processors, on a small tokenizer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import Idefics2Processor, Idefics3Processor, PreTrainedTokenizerFast
from transformers.models.idefics2.image_processing_pil_idefics2 import Idefics2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from showtell.core.geometry import Frame
from showtell.fusion import idefics2, idefics3
from showtell.images.families import processor_from_hf
from showtell.text.tokenizer import Tokenizer, train_tokenizer

MARKS = ["<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>"]
PLACES = [f"<row_{row}_col_{col}>" for row in range(1, 5) for col in range(1, 5)]
TEXTS = ["what is in row 1 of col 2\n\nthe rows and cols are global\n"] * 4


def tokenizers(control: list[str], folder: Path) -> tuple[Tokenizer, Any]:
    """Ours, and the reference's of the same file."""
    train_tokenizer(TEXTS, 320, control).save(folder / "tokenizer.json")
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), pad_token="<end_of_utterance>")
    return Tokenizer.load(folder / "tokenizer.json"), theirs


@pytest.mark.parametrize("control", [[*MARKS, *PLACES], MARKS[:3]], ids=["places are tokens", "places are text"])
@pytest.mark.parametrize("size", [(90, 40), (30, 31), (20, 80)])
def test_idefics3_pictures(control: list[str], size: tuple[int, int], tmp_path: Path) -> None:
    tokenizer, theirs = tokenizers(control, tmp_path)
    settings = {"size": {"longest_edge": 80}, "max_image_size": {"longest_edge": 40}}
    images = Idefics3ImageProcessorPil(**settings)
    reference = Idefics3Processor(images, theirs, image_seq_len=5)
    picture = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    expected = reference(text=["what<image>is"], images=[[picture]])["input_ids"][0]

    processor: Any = processor_from_hf({"image_processor_type": "Idefics3ImageProcessor", **settings})
    layout = idefics3.layout(processor.plan(Frame(*size)), tokens=5)
    ours = layout.ids(tokenizer, tokenizer.id("<image>"))
    assert [*tokenizer.encode("what"), *ours, *tokenizer.encode("is")] == expected


@pytest.mark.parametrize("split", [False, True])
def test_idefics2_pictures(split: bool, tmp_path: Path) -> None:
    tokenizer, theirs = tokenizers(MARKS[:3], tmp_path)
    reference = Idefics2Processor(Idefics2ImageProcessorPil(do_image_splitting=split), theirs, image_seq_len=4)
    expected = reference(text=["what<image> is"], images=[[Image.new("RGB", (70, 50))]])["input_ids"][0]
    processor: Any = processor_from_hf({"image_processor_type": "Idefics2ImageProcessor", "do_image_splitting": split})
    ours = idefics2.layout(processor.plan(Frame(70, 50)), 4).ids(tokenizer, tokenizer.id("<image>"))
    assert [*tokenizer.encode("what"), *ours, *tokenizer.encode(" is")] == expected
