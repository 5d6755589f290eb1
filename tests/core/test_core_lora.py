"""LoRA: nothing changes at first, it learns, it merges exactly, and its files are PEFT's."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig as PeftConfig
from peft import PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from showtell.core.checkpoint import load_module, save_module
from showtell.core.errors import CheckpointError, ConfigError
from showtell.core.lora import LoRAConfig, LoRALinear, add_lora, frozen_aside, lora_layers, merge_lora
from showtell.core.lora_files import load_adapter, save_adapter
from showtell.core.masks import causal_mask
from showtell.engine.optim import OptimizerConfig, Part, make_optimizer
from showtell.text import llama
from showtell.text.decoder import Decoder

SIZES = {
    "vocab_size": 61,
    "hidden_size": 24,
    "intermediate_size": 36,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "rms_norm_eps": 1e-5,
}
ALL = ("blocks.*.attn.?", "blocks.*.mlp.*")


@pytest.fixture()
def reference() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES)).eval()


def ours(reference: LlamaForCausalLM, folder: Path) -> Decoder:
    reference.save_pretrained(folder)
    return llama.load(folder)


def logits(model: Decoder, ids: Tensor) -> Tensor:
    length = ids.shape[1]
    hidden = model(model.embed(ids), torch.arange(length)[None], causal_mask(length, length))
    return model.logits(hidden)


def shaken(model: nn.Module) -> None:
    torch.manual_seed(5)
    for layer in lora_layers(model).values():
        nn.init.normal_(layer.lora_B.weight, std=0.3)


@settings(max_examples=25, deadline=None)
@given(
    rank=st.integers(1, 5),
    alpha=st.floats(0.5, 20),
    wide=st.integers(1, 9),
    out=st.integers(1, 9),
    bias=st.booleans(),
    stabilised=st.booleans(),
)
def test_a_layer_starts_as_it_was_and_merges_exactly(
    rank: int, alpha: float, wide: int, out: int, bias: bool, stabilised: bool
) -> None:
    layer, x = nn.Linear(wide, out, bias=bias), torch.randn(3, wide)
    config = LoRAConfig(rank=rank, alpha=alpha, targets=("*",), rank_stabilised=stabilised)
    adapted = LoRALinear(layer, config)
    assert torch.equal(adapted(x), layer(x))
    nn.init.normal_(adapted.lora_B.weight)
    by_hand = config.scale * (x @ adapted.lora_A.weight.T @ adapted.lora_B.weight.T)
    torch.testing.assert_close(adapted(x), layer(x) + by_hand, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(adapted.merged()(x), adapted(x), rtol=1e-5, atol=1e-5 * max(1.0, config.scale * rank))


def test_a_model_merges_to_the_same_function(reference: LlamaForCausalLM, tmp_path: Path) -> None:
    model, ids = ours(reference, tmp_path), torch.randint(0, 61, (2, 7))
    plain = logits(model, ids)
    assert len(add_lora(model, LoRAConfig(rank=3, targets=ALL))) == 14
    assert torch.equal(logits(model, ids), plain)
    shaken(model)
    adapted = logits(model, ids)
    assert (adapted - plain).abs().max() > 1e-2
    assert len(merge_lora(model)) == 14 and not lora_layers(model)
    torch.testing.assert_close(logits(model, ids), adapted, rtol=1e-5, atol=1e-5)
    assert not any(isinstance(part, LoRALinear) for part in model.modules())


def test_files_are_read_by_peft_and_peft_s_by_us(reference: LlamaForCausalLM, tmp_path: Path) -> None:
    model, ids = ours(reference, tmp_path / "base"), torch.randint(0, 61, (2, 7))
    add_lora(model, LoRAConfig(rank=3, alpha=7.0, targets=("*.attn.q", "*.mlp.up"), rank_stabilised=True))
    shaken(model)
    save_adapter(model, llama.KEYS, tmp_path / "adapter", base="base")
    peft = PeftModel.from_pretrained(reference, str(tmp_path / "adapter")).eval()
    torch.testing.assert_close(peft(ids).logits, logits(model, ids), rtol=1e-5, atol=1e-5)


def test_peft_s_files_are_read_here(reference: LlamaForCausalLM, tmp_path: Path) -> None:
    model, ids = ours(reference, tmp_path / "base"), torch.randint(0, 61, (2, 7))
    wanted = PeftConfig(r=2, lora_alpha=6, target_modules=["v_proj", "o_proj", "down_proj"], init_lora_weights=False)
    peft = get_peft_model(reference, wanted).eval()
    peft.save_pretrained(str(tmp_path / "theirs"))
    config = load_adapter(model, llama.KEYS, tmp_path / "theirs")
    assert (config.rank, config.alpha, len(lora_layers(model))) == (2, 6.0, 6)
    torch.testing.assert_close(logits(model, ids), peft(ids).logits, rtol=1e-5, atol=1e-5)
    save_adapter(model, llama.KEYS, tmp_path / "again")
    for name in ("adapter_model.safetensors",):
        assert (tmp_path / "again" / name).stat().st_size > 0
    fresh = llama.load(tmp_path / "base")
    assert load_adapter(fresh, llama.KEYS, tmp_path / "again").targets == config.targets
    assert torch.equal(logits(fresh, ids), logits(model, ids))


def test_what_would_be_computed_otherwise_is_refused(reference: LlamaForCausalLM, tmp_path: Path) -> None:
    model = ours(reference, tmp_path / "base")
    with pytest.raises(ConfigError, match="names no linear layer"):
        add_lora(model, LoRAConfig(targets=("*.attn.z",)))
    with pytest.raises(ConfigError, match="rank"):
        LoRAConfig(rank=0)
    with pytest.raises(CheckpointError, match="no corrections"):
        save_adapter(model, llama.KEYS, tmp_path / "none")
    add_lora(model, LoRAConfig(rank=1))
    save_adapter(model, llama.KEYS, tmp_path / "a")
    config = tmp_path / "a" / "adapter_config.json"
    written = config.read_text()
    config.write_text(written.replace('"bias": "none"', '"bias": "all"'))
    with pytest.raises(ConfigError, match="bias"):
        load_adapter(llama.load(tmp_path / "base"), llama.KEYS, tmp_path / "a")
    config.write_text(written.replace('"r": 1', '"r": 2'))
    with pytest.raises(CheckpointError, match="shape"):
        load_adapter(llama.load(tmp_path / "base"), llama.KEYS, tmp_path / "a")
    with pytest.raises(CheckpointError, match="no correction of this model"):
        load_adapter(nn.Sequential(nn.Linear(2, 2)), {"model.x": "0"}, tmp_path / "a")


def test_it_learns_while_its_base_stands_aside(tmp_path: Path) -> None:
    """Two frozen layers learn a change of rank 2; state, gradients and files hold the correction alone."""
    torch.manual_seed(0)
    model, wanted = nn.Sequential(nn.Linear(9, 12), nn.ReLU(), nn.Linear(12, 7)), torch.randn(7, 2) @ torch.randn(2, 12)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = torch.randn(64, 9)
    target = (model(x) + 0.2 * torch.relu(model[0](x)) @ wanted.T).detach()
    assert add_lora(model, LoRAConfig(rank=2, alpha=4.0, targets=("2",), dropout=0.0)) == ["2"]
    frozen_aside(model, ("*.lora_?.weight",), torch.float32)
    assert list(model.state_dict()) == ["2.lora_A.weight", "2.lora_B.weight"]
    optimizer = make_optimizer(model, OptimizerConfig(lr=3e-2, weight_decay=0.0))
    losses = []
    for _ in range(250):
        loss = (model(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.02 * losses[0]
    assert all(torch.equal(model.get_buffer(name), tensor) for name, tensor in before.items())
    said = model(x)
    save_module(model, tmp_path / "a.safetensors")
    for parameter in model.parameters():
        parameter.data.zero_()
    load_module(model, tmp_path / "a.safetensors")
    assert torch.equal(model(x), said)


def test_parts_freeze_by_name(tmp_path: Path) -> None:
    """Without `frozen_aside`, the base of an adapted layer is frozen as it is, and the rest as `Part` says."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))
    add_lora(model, LoRAConfig(rank=1, targets=("1",)))
    groups = make_optimizer(model, OptimizerConfig(parts=(Part(prefix="0", frozen=True),))).param_groups
    assert {name for group in groups for name in group["names"]} == {"1.lora_A.weight", "1.lora_B.weight"}
