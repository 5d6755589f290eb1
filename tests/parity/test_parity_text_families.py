"""Llama, Qwen2, Qwen3 and Gemma 1 and 2 against `transformers`, on files it saved, every parameter redrawn.

Each case switches on what its family has and Llama has not: biases, head norms, caps, windows shorter than the text,
sharded files, stretched rotary frequencies. Odd sizes throughout; 6 query heads share 2 of keys; heads are wider than
dim / heads where the family allows it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from reference import assert_close, assert_same_files, save_redrawn
from torch import Tensor
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GemmaConfig,
    GemmaForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from showtell.core.errors import CheckpointError, ConfigError
from showtell.core.masks import left_padded_mask
from showtell.text import gemma, llama, qwen
from showtell.text.decoder import Decoder
from showtell.text.families import load_decoder
from showtell.text.generate import generate
from showtell.text.sampling import SamplingConfig

VOCAB = 41
SIZES = dict(
    vocab_size=VOCAB, hidden_size=24, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2,
    intermediate_size=36, max_position_embeddings=64, bos_token_id=1, eos_token_id=None, pad_token_id=0,
)  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 40,
}  # fmt: skip


def of_llama(**changes: Any) -> Any:
    return LlamaForCausalLM(LlamaConfig(**SIZES | dict(tie_word_embeddings=True, rms_norm_eps=1e-5) | changes))


def of_qwen2(**changes: Any) -> Any:
    return Qwen2ForCausalLM(Qwen2Config(**SIZES | changes))


def of_qwen3(**changes: Any) -> Any:
    return Qwen3ForCausalLM(Qwen3Config(**SIZES | dict(head_dim=6) | changes))


def of_gemma(**changes: Any) -> Any:
    return GemmaForCausalLM(GemmaConfig(**SIZES | dict(head_dim=10, num_key_value_heads=1) | changes))


def of_gemma2(**changes: Any) -> Any:
    config = Gemma2Config(
        **SIZES | dict(head_dim=10, query_pre_attn_scalar=7, sliding_window=4, attn_implementation="eager") | changes
    )
    return Gemma2ForCausalLM(config)


CASES: dict[str, tuple[Any, Callable[..., Any], dict[str, Any]]] = {
    "smollm2": (llama, of_llama, dict(rope_theta=100_000.0)),
    "llama untied, biased, wide heads": (
        llama, of_llama, dict(tie_word_embeddings=False, head_dim=10, attention_bias=True, mlp_bias=True),
    ),
    "llama 3": (llama, of_llama, dict(rope_parameters=LLAMA3)),
    "llama linear": (
        llama, of_llama, dict(rope_parameters={"rope_type": "linear", "rope_theta": 700.0, "factor": 3.0}),
    ),
    "qwen2": (qwen, of_qwen2, dict(tie_word_embeddings=False, rope_theta=1_000_000.0)),
    "qwen2 windowed": (
        qwen, of_qwen2, dict(tie_word_embeddings=True, use_sliding_window=True, sliding_window=3, max_window_layers=1),
    ),
    "qwen3": (qwen, of_qwen3, dict(tie_word_embeddings=True)),
    "qwen3 biased": (qwen, of_qwen3, dict(tie_word_embeddings=False, attention_bias=True)),
    "gemma": (gemma, of_gemma, {}),
    "gemma2": (gemma, of_gemma2, {}),
    "gemma2 uncapped": (gemma, of_gemma2, dict(attn_logit_softcapping=None, final_logit_softcapping=None)),
}  # fmt: skip
PROMPTS = [[3, 4, 5, 6, 7, 8, 9], [11], [12, 13, 14, 15]]


def left_padded() -> tuple[Tensor, Tensor]:
    longest = max(map(len, PROMPTS))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in PROMPTS])
    return ids, torch.tensor([[False] * (longest - len(p)) + [True] * len(p) for p in PROMPTS])


def logits_of(model: Decoder, ids: Tensor, valid: Tensor) -> Tensor:
    positions = (valid.long().cumsum(dim=1) - 1).clamp_min(0)
    return model.logits(model(model.embed(ids), positions, left_padded_mask(valid, ids.shape[1])))


@pytest.fixture(params=CASES, scope="module")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Decoder, Path]:
    family, make, changes = CASES[request.param]
    folder = tmp_path_factory.mktemp("family")
    reference = make(**changes)
    save_redrawn(reference, folder)
    return family, reference, load_decoder(folder), folder


@torch.no_grad()
def test_logits_of_a_padded_batch(pair: tuple[Any, Any, Decoder, Path]) -> None:
    _, reference, ours, _ = pair
    ids, valid = left_padded()
    positions = (valid.long().cumsum(dim=1) - 1).clamp_min(0)
    expected = reference(ids, attention_mask=valid.long(), position_ids=positions).logits
    assert_close(logits_of(ours, ids, valid)[valid], expected[valid], 1e-5 * max(1.0, float(expected.abs().max())))
    for row, prompt in enumerate(PROMPTS):
        alone = logits_of(ours, torch.tensor([prompt]), torch.ones(1, len(prompt), dtype=torch.bool))
        assert_close(alone[0], expected[row, -len(prompt) :], 1e-5 * max(1.0, float(expected.abs().max())))


@torch.no_grad()
def test_greedy_generation(pair: tuple[Any, Any, Decoder, Path]) -> None:
    _, reference, ours, _ = pair
    ids, valid = left_padded()
    expected = reference.generate(ids, attention_mask=valid.long(), max_new_tokens=32, do_sample=False)
    rows = generate(ours, ours.embed(ids), valid, SamplingConfig(max_tokens=32), stop_id=VOCAB)
    assert [row.ids for row in rows] == expected[:, ids.shape[1] :].tolist()
    assert len({token for row in rows for token in row.ids}) > 3  # not one token for ever


def test_names_go_back_bit_for_bit(pair: tuple[Any, Any, Decoder, Path]) -> None:
    family, _, ours, folder = pair
    assert_same_files(family.to_hf(ours), folder)


@torch.no_grad()
def test_shards_and_half_precision(tmp_path: Path) -> None:
    reference = of_llama()
    save_redrawn(reference, tmp_path / "whole")
    reference.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    whole, shards = llama.load(tmp_path / "whole"), llama.load(tmp_path / "shards")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, shards.state_dict()[name]), name
    reference.half().save_pretrained(tmp_path / "half")
    assert llama.load(tmp_path / "half").norm.weight.dtype == torch.float32
    assert llama.load(tmp_path / "half", torch.bfloat16).norm.weight.dtype == torch.bfloat16


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_act": "mish"}, "hidden_act"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0}}, "rope_parameters.rope_type: 'yarn'"),
        ({"rope_parameters": None, "rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_scaling.rope_type"),
        ({"quantization_config": {"quant_method": "awq"}}, "quantization_config"),
        ({"rope_interleaved": True}, "rope_interleaved"),
        ({"hidden_size": "24"}, "hidden_size: expected a whole number"),
        ({"num_hidden_layers": None}, "num_hidden_layers"),
    ],
)
def test_what_is_not_supported_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    save_redrawn(of_llama(), tmp_path)
    change_config(tmp_path, **changes)
    with pytest.raises(ConfigError, match=said):
        llama.load(tmp_path)


def test_old_files_say_the_same_in_other_words(tmp_path: Path) -> None:
    save_redrawn(of_llama(rope_parameters=LLAMA3), tmp_path)
    new = llama.config_from_hf(json.loads((tmp_path / "config.json").read_text()))
    scaling = {key: value for key, value in LLAMA3.items() if key != "rope_theta"}
    change_config(tmp_path, rope_parameters=None, rope_theta=500.0, rope_scaling=scaling)
    assert llama.config_from_hf(json.loads((tmp_path / "config.json").read_text())) == new


def test_a_tied_model_may_repeat_its_embedding_but_not_change_it(tmp_path: Path) -> None:
    save_redrawn(of_llama(tie_word_embeddings=False), tmp_path)
    change_config(tmp_path, tie_word_embeddings=True)
    with pytest.raises(CheckpointError, match=r"lm_head\.weight differs"):
        llama.load(tmp_path)


def test_a_checkpoint_of_another_family_is_refused(tmp_path: Path) -> None:
    save_redrawn(of_qwen3(), tmp_path)
    change_config(tmp_path, model_type="qwen2")
    with pytest.raises(CheckpointError, match="missing|without a parameter"):
        qwen.load(tmp_path)


def test_an_unknown_architecture_is_named(tmp_path: Path) -> None:
    save_redrawn(of_llama(), tmp_path)
    change_config(tmp_path, model_type="rwkv")
    with pytest.raises(CheckpointError, match="'rwkv'; known here: llama"):
        load_decoder(tmp_path)
