"""GGUF files, written here by the reference's own writer: block formats, decoder, vocabulary, and damaged files.

The reference unpacks the blocks (`gguf`), puts the rows of q and k back, names the tensors (`transformers`), and runs
the model. Real files are 256 times larger and no different.
"""

import json
import random
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from reference import assert_close, redraw
from tokenizers import Tokenizer as RustTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from showtell.core.errors import CheckpointError, ShowtellError
from showtell.core.gguf import GGUFFile
from showtell.core.gguf_blocks import FORMATS
from showtell.core.masks import causal_mask
from showtell.text.generate import generate
from showtell.text.gguf_decoder import load_gguf_decoder
from showtell.text.gguf_tokenizer import load_gguf_tokenizer
from showtell.text.sampling import SamplingConfig

VOCAB = 43
SIZES = dict(
    vocab_size=VOCAB, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=96, rms_norm_eps=1e-5, rope_theta=5000.0,
)  # fmt: skip
SENTENCES = (
    "The quick brown fox jumps over the lazy dog, and then 1234567 dogs jump over 1 fox.",
    "don't DON'T we'll   spaces\t\ttabs\n\n\nlines \r\n x=[1,2,3]; é ü ñ 한국어 日本語 🦊 ",
    "  leading and trailing  ",
    "photograph of a photographer photographing photographs",
)


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows as ggml's "llama" wants them: neighbours rotate together."""
    rows = weight.reshape(heads, 2, -1, *weight.shape[1:])
    return rows.swapaxes(1, 2).reshape(weight.shape)


def write(
    path: Path, model: Any, kinds: dict[str, str], entries: dict[str, Any] | None = None, extra: Any = None
) -> None:
    """`model` as a GGUF file, tensors whose name contains a key of `kinds` in that block format, the others in F32."""
    config = model.config
    architecture = config.model_type
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(64)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    for key, value in (entries or {}).items():
        writer.add_array(key, value) if isinstance(value, list) else writer.add_string(key, value)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper()], config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stem, _, kind = name.rpartition(".")
        array = tensor.float().numpy()
        if architecture == "llama" and ("q_proj" in name or "k_proj" in name):
            array = permuted(array, config.num_attention_heads if "q_proj" in name else config.num_key_value_heads)
        wanted = next((gguf.GGMLQuantizationType[k] for part, k in kinds.items() if part in name), None)
        if wanted is None or array.ndim == 1:
            writer.add_tensor(f"{names.get_name(stem)}.{kind}", array)
        else:
            writer.add_tensor(f"{names.get_name(stem)}.{kind}", gguf.quantize(array, wanted), raw_dtype=wanted)
    if extra:
        extra(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make(model_class: Any, config: Any) -> Any:
    model = model_class(config).eval()
    redraw(model)
    return model


@pytest.mark.parametrize("number", FORMATS)
def test_every_block_format_is_unpacked_bit_for_bit(number: int) -> None:
    """Random bytes are valid blocks, except that a random scale may be infinite or no number."""
    kind, block = gguf.GGMLQuantizationType(number), FORMATS[number]
    assert block.name == kind.name and (block.numbers, block.bytes) == gguf.GGML_QUANT_SIZES[kind]
    raw = np.random.default_rng(3).integers(0, 256, (17, block.bytes), dtype=np.uint8)
    with np.errstate(all="ignore"):
        expected = gguf.quants.dequantize(raw, kind)
    assert np.array_equal(block.read(torch.from_numpy(raw)).numpy(), expected, equal_nan=True)


@pytest.mark.parametrize(
    "kinds",
    [{}, {"proj": "F16", "embed": "BF16"}, {"proj": "Q4_1", "embed": "Q8_0"}, {"q_proj": "Q8_0", "down": "Q5_0"}],
    ids=["F32", "half", "Q4_1 and Q8_0", "mixed"],
)
@torch.no_grad()
def test_a_llama_file_equals_the_reference(tmp_path: Path, kinds: dict[str, str]) -> None:
    model = make(LlamaForCausalLM, LlamaConfig(**SIZES, tie_word_embeddings=True))
    write(tmp_path / "tiny.gguf", model, kinds)
    ours = load_gguf_decoder(GGUFFile(tmp_path / "tiny.gguf"))
    loaded = load_gguf_checkpoint(str(tmp_path / "tiny.gguf"), return_tensors=True, model_to_load=model)["tensors"]
    model.load_state_dict(loaded | {"lm_head.weight": loaded["model.embed_tokens.weight"]})
    ids = torch.randint(0, VOCAB, (2, 11), generator=torch.Generator().manual_seed(0))
    hidden = ours(ours.embed(ids), torch.arange(11)[None], causal_mask(11, 11))
    assert_close(ours.logits(hidden), model(ids).logits)
    seen = torch.ones(1, 11, dtype=torch.long)
    expected = model.generate(
        ids[:1], attention_mask=seen, max_new_tokens=24, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    (row,) = generate(ours, ours.embed(ids[:1]), seen.bool(), SamplingConfig(max_tokens=24), stop_id=VOCAB)
    assert row.ids == expected[0, 11:].tolist()


@torch.no_grad()
def test_a_qwen2_file_has_biases_and_its_own_head(tmp_path: Path) -> None:
    model = make(Qwen2ForCausalLM, Qwen2Config(**SIZES, tie_word_embeddings=False))
    write(tmp_path / "tiny.gguf", model, {})
    ours = load_gguf_decoder(GGUFFile(tmp_path / "tiny.gguf"))
    ids = torch.arange(9)[None]
    assert_close(ours.logits(ours(ours.embed(ids), ids, causal_mask(9, 9))), model(ids).logits)


@torch.no_grad()
def test_stretched_frequencies_come_as_a_list_of_divisors(tmp_path: Path) -> None:
    scaling = {
        "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 40,
    }  # fmt: skip
    sizes = {key: value for key, value in SIZES.items() if key != "rope_theta"}
    model = make(LlamaForCausalLM, LlamaConfig(**sizes, rope_parameters=scaling, tie_word_embeddings=True))
    plain = 500.0 ** -(np.arange(0, 8, 2, dtype=np.float32) / 8)
    divisors = (plain / model.model.rotary_emb.inv_freq.numpy()).astype(np.float32)
    assert divisors.max() > 2
    write(tmp_path / "tiny.gguf", model, {}, extra=lambda writer: writer.add_tensor("rope_freqs.weight", divisors))
    ours = load_gguf_decoder(GGUFFile(tmp_path / "tiny.gguf"))
    ids = torch.arange(31)[None]
    assert_close(ours.logits(ours(ours.embed(ids), ids, causal_mask(31, 31))), model(ids).logits)


def vocabulary(rust: RustTokenizer) -> tuple[list[str], list[str]]:
    """Tokens by id, merges as "left right"."""
    tokens = sorted(rust.get_vocab(), key=rust.get_vocab().__getitem__)
    return tokens, [" ".join(merge) for merge in json.loads(rust.to_str())["model"]["merges"]]


def file_of(path: Path, entries: dict[str, Any]) -> GGUFFile:
    write(path, make(LlamaForCausalLM, LlamaConfig(**SIZES, tie_word_embeddings=True)), {}, entries)
    return GGUFFile(path)


@pytest.mark.parametrize("words", ["smollm", "gpt-2"])
def test_a_byte_level_vocabulary(tmp_path: Path, words: str) -> None:
    rust = RustTokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    rust.pre_tokenizer, rust.decoder = (digits if words == "smollm" else byte_level), decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    rust.train_from_iterator(
        SENTENCES * 3,
        trainers.BpeTrainer(vocab_size=330, special_tokens=special, initial_alphabet=byte_level.alphabet()),
    )
    tokens, merges = vocabulary(rust)
    entries = {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": words, "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * 3 + [1] * (len(tokens) - 3), "tokenizer.ggml.merges": merges,
    }  # fmt: skip
    ours = load_gguf_tokenizer(file_of(tmp_path / "tiny.gguf", entries))
    assert ours.control == {name: id for id, name in enumerate(special)}
    for text in (*SENTENCES, *(s[::-1] for s in SENTENCES)):
        assert ours.encode(text) == rust.encode(text).ids
        assert ours.decode(ours.encode(text)) == text
    assert max(ours.encode("<|im_end|>")) > 2 and ours.encode("<|im_end|>")[0] != 2


def test_a_sentencepiece_vocabulary(tmp_path: Path) -> None:
    rust = RustTokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    rust.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    rust.train_from_iterator(SENTENCES[:1] * 3, trainers.BpeTrainer(vocab_size=340, special_tokens=special))
    tokens, merges = vocabulary(rust)
    rank = {"".join(merge.split(" ")): i for i, merge in enumerate(merges)}
    entries = {
        "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [float(-rank.get(token, 1000)) for token in tokens],
        "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259),
    }  # fmt: skip
    ours = load_gguf_tokenizer(file_of(tmp_path / "tiny.gguf", entries))
    assert sorted(ours.control) == ["</s>", "<s>"]
    for text in SENTENCES:
        assert ours.encode(text) == rust.encode(text).ids
        assert ours.decode(ours.encode(text)) == text


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"tokenizer.ggml.model": "rwkv"}, "of kind 'rwkv'"),
        ({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ["a"]}, "merges"),
        (
            {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ["a"], "tokenizer.ggml.pre": "tekken"},
            "by the rule 'tekken'",
        ),
    ],
)
def test_a_vocabulary_that_is_not_known_is_named(tmp_path: Path, entries: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        load_gguf_tokenizer(file_of(tmp_path / "tiny.gguf", entries))


def test_a_damaged_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write(path, make(LlamaForCausalLM, LlamaConfig(**SIZES, tie_word_embeddings=True)), {"proj": "Q4_1"})
    whole = path.read_bytes()
    chance = random.Random(0)
    for cut in [0, 3, 4, 10, 24, 30, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(40))]:
        path.write_bytes(whole[:cut])
        with pytest.raises(CheckpointError, match="not a whole GGUF file|is cut off"):
            GGUFFile(path)
    for _ in range(300):  # a changed byte may go unnoticed among the weights; it must never be another kind of error
        broken = bytearray(whole)
        broken[chance.randrange(900)] = chance.randrange(256)
        path.write_bytes(broken)
        try:
            load_gguf_decoder(GGUFFile(path))
        except ShowtellError as error:
            assert str(error)
    path.write_bytes(whole[:4] + struct.pack("<I", 9) + whole[8:])
    with pytest.raises(CheckpointError, match="version 9"):
        GGUFFile(path)
    with pytest.raises(CheckpointError, match="no such file"):
        GGUFFile(tmp_path / "missing.gguf")


def test_an_architecture_that_is_not_read_is_named(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "rwkv6")
    writer.add_tensor("token_embd.weight", np.zeros((3, 4), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(CheckpointError, match="'rwkv6'; read from GGUF here: llama"):
        load_gguf_decoder(GGUFFile(tmp_path / "other.gguf"))
