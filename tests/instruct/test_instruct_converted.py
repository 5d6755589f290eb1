"""Two layouts of one checkpoint: equal to the bit both ways, sharded, in three number types, read by the reference."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import showtell as st
from showtell.cli.main import main
from showtell.core.hf_folder import read_tensors
from showtell.instruct.published import Published
from showtell.load import load

VISION: dict[str, Any] = dict(
    hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=7
)
TEXT: dict[str, Any] = dict(
    vocab_size=320, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=44, max_position_embeddings=64,
)  # fmt: skip


def reference(kind: str) -> Any:
    import transformers as peer

    made: dict[str, Callable[[], Any]] = {
        "vit": lambda: peer.ViTModel(peer.ViTConfig(**VISION)),
        "dinov2": lambda: peer.Dinov2Model(peer.Dinov2Config(**VISION)),
        "siglip": lambda: peer.SiglipModel(
            peer.SiglipConfig(vision_config=VISION, text_config={k: v for k, v in TEXT.items() if "key" not in k})
        ),
        "qwen2": lambda: peer.Qwen2ForCausalLM(peer.Qwen2Config(**TEXT, tie_word_embeddings=True)),
        "llava": lambda: peer.LlavaForConditionalGeneration(
            peer.LlavaConfig(
                vision_config={"model_type": "clip_vision_model", **VISION},
                text_config={"model_type": "llama", **TEXT},
                image_token_index=3,
            )
        ),
    }
    torch.manual_seed(0)
    return made[kind]()


def convert(*arguments: object) -> int:
    return main(["convert", *map(str, arguments)])


def same(a: Path, b: Path) -> bool:
    one, other = read_tensors(a), read_tensors(b)
    return list(sorted(one)) == sorted(other) and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )


@pytest.mark.parametrize("kind", ["vit", "dinov2", "siglip", "qwen2", "llava"])
def test_there_and_back_is_the_same_checkpoint(kind: str, tmp_path: Path) -> None:
    model = reference(kind).to(torch.bfloat16 if kind == "qwen2" else torch.float32)
    model.save_pretrained(tmp_path / "hf", max_shard_size="40KB" if kind == "llava" else "5GB")
    (tmp_path / "hf" / "notes.txt").write_text("beside the weights")
    assert convert(tmp_path / "hf", tmp_path / "ours", "--shard-size", "30KB") == 0
    config = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert config["architecture"] == "showtell-converted"
    assert config["dtype"] == ("bfloat16" if kind == "qwen2" else "float32")
    shards = list((tmp_path / "ours").glob("model-*.safetensors"))
    assert len(shards) > 1
    for shard in shards:
        held = load_file(shard)
        assert len(held) == 1 or sum(t.nbytes for t in held.values()) <= 30_000
    assert convert(tmp_path / "ours", tmp_path / "back") == 0
    assert same(tmp_path / "hf", tmp_path / "back")
    read = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("hf", "back")]
    assert read[0] == read[1]
    assert (tmp_path / "back" / "notes.txt").read_text() == "beside the weights"
    one, other = load(tmp_path / "hf"), load(tmp_path / "ours")
    assert isinstance(one, Published) and isinstance(other, Published)
    assert (one.kind, one.family, one.config) == (other.kind, other.family, other.config)
    for (name, a), (_, b) in zip(one.model.state_dict().items(), other.model.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


def test_half_the_size_is_read_by_the_reference(tmp_path: Path) -> None:
    from transformers import Qwen2ForCausalLM

    theirs = reference("qwen2").eval()
    theirs.save_pretrained(tmp_path / "hf")
    assert convert(tmp_path / "hf", tmp_path / "ours", "--dtype", "float16") == 0
    assert convert(tmp_path / "ours", tmp_path / "small") == 0
    weights = [path / "model.safetensors" for path in (tmp_path / "hf", tmp_path / "small")]
    assert weights[1].stat().st_size < 0.6 * weights[0].stat().st_size
    again = Qwen2ForCausalLM.from_pretrained(tmp_path / "small", dtype=torch.float32).eval()
    ids = torch.arange(9)[None]
    assert (again(ids).logits - theirs(ids).logits).abs().max() <= 1e-2


def test_a_mixed_checkpoint_keeps_every_type(tmp_path: Path) -> None:
    model = reference("qwen2").to(torch.bfloat16)
    model.model.norm.float()
    model.model.norm.weight.data.fill_(1.0 + 2**-20)  # a number that bfloat16 has not
    model.save_pretrained(tmp_path / "hf")
    assert convert(tmp_path / "hf", tmp_path / "ours") == 0
    assert convert(tmp_path / "ours", tmp_path / "back") == 0
    assert same(tmp_path / "hf", tmp_path / "back")


def test_what_cannot_be_converted_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers as peer

    config = peer.ViTConfig(**VISION)
    config.num_labels = 5
    peer.ViTForImageClassification(config).save_pretrained(tmp_path / "classifier")
    reference("vit").save_pretrained(tmp_path / "hf")
    (tmp_path / "there").mkdir()
    pocket = Path(st.__file__).parent / "pocket"
    for arguments, said in (
        ((tmp_path / "hf", tmp_path / "there"), "there already"),
        ((tmp_path / "hf", tmp_path / "new", "--shard-size", "big"), "write a number"),
        ((tmp_path / "classifier", tmp_path / "new"), "plain model of a family"),
        ((pocket, tmp_path / "new"), "one layout only"),
        ((tmp_path / "there", tmp_path / "new"), "no such file"),
    ):
        assert convert(*arguments) == 2
        assert said in " ".join(capsys.readouterr().err.split()), arguments
        assert not (tmp_path / "new").exists()
    assert convert(tmp_path / "hf", tmp_path / "ours") == 0
    (tmp_path / "ours" / "model.safetensors").unlink()
    assert convert(tmp_path / "ours", tmp_path / "new") == 2
    assert "model.safetensors is missing" in " ".join(capsys.readouterr().err.split())
