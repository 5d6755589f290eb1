"""The reference's side: the same stages out of `transformers`."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForImageTextToText,
    AutoTokenizer,
)
from transformers.image_utils import load_image

from showtell_parity.stages import Stages, listening, plain_ids

LOADERS = {
    "vision encoder": AutoModel,
    "dual encoder": AutoModel,
    "language model": AutoModelForCausalLM,
    "vision-language model": AutoModelForImageTextToText,
}
RAW = {"do_rescale": False, "do_normalize": False}
NESTED = ("idefics2", "idefics3", "smolvlm")


@torch.no_grad()
def stages_of(folder: Path, kind: str, picture: str, text: str, image_tokens: int) -> Stages:
    """`image_tokens`: how many words the picture takes, as our side counted them."""
    config = AutoConfig.from_pretrained(folder)
    classifier = "Classification" in next(iter(config.architectures or ()), "")
    loader = AutoModelForImageClassification if classifier else LOADERS[kind]
    model = loader.from_pretrained(folder, dtype=torch.float32).eval()
    seen: Stages = {}
    inputs: dict[str, Any] = {}
    if kind != "language model":
        image = load_image(picture)
        processor = AutoImageProcessor.from_pretrained(folder)
        given = [[image]] if config.model_type in NESTED else image
        inputs = dict(processor(given, return_tensors="pt"))
        seen["decoded pixels"] = torch.tensor(bytearray(image.tobytes())).view(image.height, image.width, 3).float()
        more = {"include_top": False, "rescale_offset": False} if hasattr(processor, "include_top") else {}
        seen["resized pixels"] = processor(given, return_tensors="pt", **RAW, **more)["pixel_values"].float()
        seen["pixel values"] = inputs["pixel_values"]
    if kind != "vision encoder":
        placeholder = getattr(config, "image_token_id", None) or getattr(config, "image_token_index", None)
        ids = [placeholder] * image_tokens + words_of(folder, config, text)
        inputs["input_ids"] = torch.tensor([ids])
        seen["prompt ids"] = inputs["input_ids"].float()
        if config.model_type == "paligemma":
            inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
        if config.model_type.startswith("qwen2") and kind == "vision-language model":
            inputs["mm_token_type_ids"] = (inputs["input_ids"] == placeholder).int()
    with listening(model, all_vision=kind == "vision encoder") as blocks:
        out = model(**inputs)
    for name in ("logits", "logits_per_image"):
        if getattr(out, name, None) is not None:
            seen["logits"] = getattr(out, name)
    return seen | blocks


def words_of(folder: Path, config: Any, text: str) -> list[int]:
    """Ids of the text by the reference's own tokenizer, or plain numbers where the folder has none."""
    if not (folder / "tokenizer.json").is_file():
        return plain_ids(config.get_text_config().vocab_size)
    ids: list[int] = AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=False)["input_ids"]
    return ids
