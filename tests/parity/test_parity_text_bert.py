"""BERT against `transformers`: every token of padded texts, and the mean that sentence encoders take of them."""

from pathlib import Path

import pytest
import torch
from reference import assert_close, save_redrawn
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from showtell.core.errors import CheckpointError, ConfigError
from showtell.text import bert
from showtell.text.bert import SentenceEncoder
from showtell.text.tokenizer import train_tokenizer

SIZES = {
    "vocab_size": 50,
    "hidden_size": 36,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 28,
    "max_position_embeddings": 11,
}
IDS = torch.tensor([[2, 7, 9, 12, 3, 0, 0], [2, 31, 8, 4, 44, 49, 3], [2, 5, 3, 0, 0, 0, 0]])
VALID = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1] * 7, [1, 1, 1, 0, 0, 0, 0]]).bool()


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_bert(tmp_path: Path, activation: str) -> None:
    reference = BertModel(BertConfig(**SIZES, hidden_act=activation))
    save_redrawn(reference, tmp_path)
    ours = bert.load(tmp_path)
    with torch.no_grad():
        theirs = reference(IDS, attention_mask=VALID.long()).last_hidden_state
        assert_close(ours(IDS, VALID)[VALID], theirs[VALID])
        mean = torch.stack([row[seen].mean(dim=0) for row, seen in zip(theirs, VALID, strict=True)])
        assert_close(ours.sentences(IDS, VALID), mean / mean.norm(dim=1, keepdim=True))
    saved, written = load_file(tmp_path / "model.safetensors"), bert.to_hf(ours)
    assert {name for name in saved if "pooler" not in name and "position_ids" not in name} == set(written)
    assert all(torch.equal(written[name], saved[name]) for name in written)


def test_sentences_do_not_depend_on_their_neighbours(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["a white kitten"] * 3, 300, ("[PAD]",))
    model = bert.Bert(bert.BertConfig(vocab_size=300, max_tokens=9, dim=24, depth=2, heads=2, mlp_dim=20)).eval()
    encode = SentenceEncoder(model, tokenizer, longest=9)
    texts = ["a", "a white kitten on a very long table", "kitten", "a white kitten"]
    together = encode(texts, batch=2)
    assert_close(together, torch.cat([encode([text]) for text in texts]))
    assert_close(together.norm(dim=1), torch.ones(4))


def test_another_position_scheme_and_other_tensors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="position_embedding_type"):
        bert.config_from_hf({**SIZES, "position_embedding_type": "relative_key"})
    save_redrawn(BertModel(BertConfig(**{**SIZES, "num_hidden_layers": 2})), tmp_path)
    (tmp_path / "config.json").write_text(
        (tmp_path / "config.json").read_text().replace('hidden_layers": 2', 'hidden_layers": 3')
    )
    with pytest.raises(CheckpointError, match="missing"):
        bert.load(tmp_path)
