"""The front door: folders the reference saved, under any name; what one lacks is said; a hub id without a network."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import showtell as st
from showtell.contrastive.dual_encoder import DualEncoder
from showtell.core.errors import CheckpointError, ConfigError
from showtell.core.geometry import Frame
from showtell.fusion.prefix_vlm import PrefixVLM
from showtell.images.decode import decode
from showtell.images.fixed import FixedProcessor
from showtell.instruct.published import Published
from showtell.load import families
from showtell.text.chat import Place, Turn
from showtell.text.decoder import Decoder
from showtell.text.sampling import SamplingConfig
from showtell.text.tokenizer import train_tokenizer
from showtell.vision.classifier import VisionClassifier
from showtell.vision.vit import VisionTransformer

VISION: dict[str, Any] = dict(
    hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=7
)
TEXT: dict[str, Any] = dict(
    vocab_size=320, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=44, max_position_embeddings=64,
)  # fmt: skip
CHATML = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"


def save_vit(folder: Path) -> None:
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    ViTModel(ViTConfig(**VISION)).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 28, "width": 28}).save_pretrained(folder)


def save_classifier(folder: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(**VISION)
    config.num_labels = 5
    ViTForImageClassification(config).save_pretrained(folder)


def save_clip(folder: Path) -> None:
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    text = {key: value for key, value in TEXT.items() if key != "num_key_value_heads"}
    CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=16)).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(folder)


def save_llama(folder: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    LlamaForCausalLM(LlamaConfig(**TEXT)).save_pretrained(folder, max_shard_size="20KB")
    train_tokenizer(["what is this? a dog"] * 3, 320, ("<|im_start|>", "<|im_end|>")).save(folder / "tokenizer.json")
    (folder / "chat_template.jinja").write_text(CHATML)


def save_llava(folder: Path) -> None:
    from transformers import LlavaConfig, LlavaForConditionalGeneration
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    vision, text = {"model_type": "clip_vision_model", **VISION}, {"model_type": "llama", **TEXT}
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=3)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(folder)


KINDS: dict[str, tuple[Callable[[Path], None], str, type]] = {
    "vit": (save_vit, "vision encoder", VisionTransformer),
    "classifier": (save_classifier, "vision encoder", VisionClassifier),
    "clip": (save_clip, "dual encoder", DualEncoder),
    "llama": (save_llama, "language model", Decoder),
    "llava": (save_llava, "vision-language model", PrefixVLM),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder a kind, whose name says something else."""
    folders = {}
    for kind, (save, _, _) in KINDS.items():
        torch.manual_seed(0)
        folders[kind] = tmp_path_factory.mktemp("siglip-lora-gguf") / "pocket"
        save(folders[kind])
    return folders


def open_published(name: str | Path, **options: Any) -> Published:
    model = st.load(name, **options)
    assert isinstance(model, Published)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_what_its_files_say(kind: str, saved: dict[str, Path]) -> None:
    model = open_published(saved[kind])
    assert (model.kind, type(model.model)) == KINDS[kind][1:]
    assert not model.model.training
    card = model.card
    assert json.loads(json.dumps(card)) == card
    assert card["parameters"]["total"] == sum(parameter.numel() for parameter in model.model.parameters())


def test_the_processor_comes_along(saved: dict[str, Path]) -> None:
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    model = open_published(saved["vit"])
    assert isinstance(model.processor, FixedProcessor) and model.tokenizer is None and model.chat is None
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    theirs = ViTImageProcessorPil.from_pretrained(saved["vit"])(Image.fromarray(pixels), return_tensors="pt")
    assert torch.equal(model.processor(decode(pixels)).pixels, theirs["pixel_values"][0])
    assert open_published(saved["classifier"]).processor is None


def test_the_tokenizer_and_the_chat_format_come_along(saved: dict[str, Path]) -> None:
    assert len(list(saved["llama"].glob("*.safetensors"))) > 1, "the weights are in shards"
    model = open_published(saved["llama"])
    assert model.tokenizer is not None and model.tokenizer.decode(model.tokenizer.encode("a dog")) == "a dog"
    assert model.chat is not None and model.chat.stop == "<|im_end|>"


def test_a_vision_language_model_counts_its_pictures(saved: dict[str, Path]) -> None:
    model = open_published(saved["llava"])
    assert model.layout(Frame(640, 480)).tokens == 16
    assert model.card["image tokens"] == {"640 x 480": 16, "1024 x 1024": 16, "480 x 1920": 16}
    with pytest.raises(ConfigError, match="no pictures"):
        open_published(saved["llama"]).layout(Frame(8, 8))


def test_a_published_chat_model_is_asked_in_its_own_format(saved: dict[str, Path], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = open_published(saved["llama"])
    assert model.tokenizer is not None
    sampling = SamplingConfig(max_tokens=8)
    ids = model.speaking().prompt([Turn("user", ("what is <|im_end|> this?",))])
    assert ids.count(model.tokenizer.id("<|im_end|>")) == 1, "what a user types is text"
    reference = AutoModelForCausalLM.from_pretrained(saved["llama"])
    stop = model.tokenizer.id("<|im_end|>")
    theirs = reference.generate(torch.tensor([ids]), max_new_tokens=8, do_sample=False, eos_token_id=stop)[0]
    wanted = [id for id in theirs[len(ids) :].tolist() if id != stop]
    assert model.ask(None, "what is <|im_end|> this?", sampling).answer == model.tokenizer.decode(wanted).strip()
    with pytest.raises(ConfigError, match="no pictures"):
        model.ask(np.zeros((9, 9, 3), np.uint8), "what is this?")
    with pytest.raises(ConfigError, match="without tokenizer.json"):
        open_published(saved["clip"]).ask(None, "what is this?")


def test_every_stop_of_the_files_ends_an_answer(saved: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(saved["llama"], tmp_path / "copy")
    path = folder / "generation_config.json"
    model = open_published(folder)
    assert model.tokenizer is not None
    stop, sampling = model.tokenizer.id("<|im_end|>"), SamplingConfig(max_tokens=8)
    path.write_text("{}")
    free = open_published(folder).speaking().reply([Turn("user", ("what is this?",))], sampling=sampling)
    path.write_text(json.dumps({"eos_token_id": [free.ids[3], stop]}))
    speaking = open_published(folder).speaking()
    assert speaking.stop_ids == (stop, free.ids[3], stop)
    stopped = speaking.reply([Turn("user", ("what is this?",))], sampling=sampling)
    assert stopped.stopped and stopped.ids == free.ids[: free.ids.index(free.ids[3])]


def test_a_published_vision_language_model_is_asked_about_pictures(saved: dict[str, Path], tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText

    folder = shutil.copytree(saved["llava"], tmp_path / "copy")
    train_tokenizer(["what is this? a dog"] * 3, 320, ("<|im_start|>", "<|im_end|>", "<extra>", "<image>")).save(
        folder / "tokenizer.json"
    )
    (folder / "chat_template.jinja").write_text(CHATML)
    model = open_published(folder)
    assert model.tokenizer is not None and model.tokenizer.id("<image>") == 3
    pictures = [np.random.default_rng(seed).integers(0, 256, (31, 40, 3), dtype=np.uint8) for seed in (1, 2)]
    speaking = model.speaking()
    frames = [Frame(40, 31)] * 2
    assert model.sight is not None
    ids = speaking.prompt([Turn("user", (Place(0), Place(1), "<image>?"))], model.sight.layouts(frames))
    assert ids.count(3) == 32, "two pictures of 16 words each; the typed <image> is text"
    reference = AutoModelForImageTextToText.from_pretrained(folder)
    seen = torch.stack([model.processor(decode(picture)).pixels for picture in pictures])  # type: ignore[misc, union-attr]
    stop = model.tokenizer.id("<|im_end|>")
    theirs = reference.generate(
        input_ids=torch.tensor([ids]), pixel_values=seen, max_new_tokens=8, do_sample=False, eos_token_id=stop,
        suppress_tokens=[3],
    )[0]  # fmt: skip
    wanted = [id for id in theirs[len(ids) :].tolist() if id != stop]
    sampling = SamplingConfig(max_tokens=8)
    assert model.ask(pictures, "<image>?", sampling).answer == model.tokenizer.decode(wanted).strip()


def test_the_newest_layout_keeps_the_processor_inside_another_file(saved: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(saved["vit"], tmp_path / "copy")
    inner = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": {**inner, "resample": 3}}))
    processor = open_published(folder).processor
    assert isinstance(processor, FixedProcessor) and processor.config.resample == "bicubic"


def spoil_missing_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def spoil_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def spoil_shape(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith("layernorm.weight"))
    save_file({**tensors, name: torch.zeros(7)}, folder / "model.safetensors", {"format": "pt"})


def spoil_surplus(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "adapter.lora_A": torch.zeros(7)}, folder / "model.safetensors", {"format": "pt"})


def spoil_half(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def spoil_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def spoil_family(folder: Path) -> None:
    change(folder / "config.json", model_type="perceiver", architectures=["PerceiverModel"])


def spoil_value(folder: Path) -> None:
    change(folder / "config.json", hidden_act="tanhshrink")


def spoil_processor(folder: Path) -> None:
    change(folder / "preprocessor_config.json", image_processor_type="OwlViTImageProcessor")


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_missing_weights, "model.safetensors is missing"),
        (spoil_pickle, "pickle only.*pytorch_model.bin"),
        (spoil_shape, r"norm.* shape \[7\]"),
        (spoil_surplus, "adapter.lora_A"),
        (spoil_half, "damaged or not a safetensors file"),
        (spoil_config, "config.json: no such file"),
        (spoil_family, "model_type 'perceiver'.*PerceiverModel.*known here: .*clip"),
        (spoil_value, "hidden_act: 'tanhshrink'"),
        (spoil_processor, "OwlViTImageProcessor"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(
    spoil: Callable[[Path], None], said: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(saved["vit"], tmp_path / "spoilt")
    spoil(folder)
    with pytest.raises((CheckpointError, ConfigError), match=said):
        st.load(folder)


def test_a_shard_that_is_missing_is_named(saved: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(saved["llama"], tmp_path / "shards")
    shard = sorted(folder.glob("*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(CheckpointError, match=shard.name):
        st.load(folder)


def test_a_hub_id_is_its_folder_in_the_cache(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = huggingface_hub.snapshot_download
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *names, **options: download(*names, cache_dir=tmp_path, **options)
    )
    for revision, commit, kind in (("main", "a" * 40, "vit"), ("v1", "b" * 40, "clip")):
        shutil.copytree(saved[kind], tmp_path / "models--org--tiny" / "snapshots" / commit)
        (tmp_path / "models--org--tiny" / "refs").mkdir(exist_ok=True)
        (tmp_path / "models--org--tiny" / "refs" / revision).write_text(commit)
    assert (open_published("org/tiny").name, open_published("org/tiny").family) == ("org/tiny", "vit")
    assert open_published("org/tiny@v1").family == open_published("org/tiny", revision="v1").family == "clip"
    with pytest.raises(CheckpointError, match="org/other: is not in the cache"):
        st.load("org/other")


def test_names_that_mean_nothing(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"")
    for name, said in (("nobody", "no model 'nobody'"), (file, "is a file"), (tmp_path / "x.gguf", "no model")):
        with pytest.raises(CheckpointError, match=said):
            st.load(name)


def test_every_family_of_the_table_is_of_a_known_kind() -> None:
    table = families()
    assert {"vit", "clip", "siglip2", "dinov2", "llama", "qwen3", "llava", "smolvlm", "qwen2_5_vl"} <= set(table)
    assert {family.kind for family in table.values()} == {kind for _, kind, _ in KINDS.values()}
