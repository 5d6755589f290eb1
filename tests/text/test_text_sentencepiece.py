"""SentencePiece files against the library that writes them: equal ids in many scripts, controls out of reach."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from tokenizers import Tokenizer as RustTokenizer
from tokenizers import models, pre_tokenizers

from showtell.core.errors import CheckpointError
from showtell.text.sentencepiece import load_sentencepiece, read_tokenizer

WORDS = (
    "the quick brown fox jumps over lazy dogs Straße naïve café Ελλάδα мир 世界 こんにちは 안녕 مرحبا שלום नमस्ते "
    "Ｆｕｌｌ ① ﬁne 12.5% don't x² 🙂 a--b e\u0301"
).split()
TYPED = ("<s>", "</s>", "<unk>", "<mark>", " ", "  ", "\u2581", "\t", "\n", "\u00a0", "\u3000", "界", "🚂", "龘", ".")
KINDS: dict[str, dict[str, Any]] = {
    "unigram": dict(model_type="unigram", vocab_size=170),
    "T5's": dict(model_type="unigram", vocab_size=170, bos_id=-1, pad_id=0, eos_id=1, unk_id=2),
    "case folded, a mark": dict(
        model_type="unigram", vocab_size=170, user_defined_symbols=["<mark>"], normalization_rule_name="nfkc_cf"
    ),
    "BPE": dict(model_type="bpe", vocab_size=170),
    "Llama's": dict(
        model_type="bpe", vocab_size=420, byte_fallback=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False,
    ),
    "Gemma's": dict(
        model_type="bpe", vocab_size=420, byte_fallback=True, add_dummy_prefix=False, remove_extra_whitespaces=False,
        normalization_rule_name="identity", user_defined_symbols=["<mark>"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    rng = random.Random(0)
    corpus = [" ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 12))) for _ in range(400)]

    def make(**settings: Any) -> Path:
        written = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus), model_writer=written, minloglevel=3, hard_vocab_limit=False, **settings
        )
        path = tmp_path_factory.mktemp("model") / "tokenizer.model"
        path.write_bytes(written.getvalue())
        return path

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_texts_are_those_of_the_library(kind: str, train: Callable[..., Path]) -> None:
    path = train(**KINDS[kind])
    theirs, ours = sentencepiece.SentencePieceProcessor(model_file=str(path)), load_sentencepiece(path)
    assert len(ours) == theirs.get_piece_size()
    rng = random.Random(1)
    for _ in range(400):
        text = "".join(rng.choice(WORDS if rng.random() < 0.6 else TYPED) for _ in range(rng.randint(0, 12)))
        wanted = theirs.encode(text)
        assert ours.encode(text) == wanted, text
        if theirs.unk_id() not in wanted:
            assert ours.decode(wanted) == theirs.decode(wanted), text


def test_control_pieces_have_their_ids_and_no_text_reaches_them(train: Callable[..., Path]) -> None:
    for kind in ("unigram", "BPE"):
        path = train(**KINDS[kind])
        theirs, ours = sentencepiece.SentencePieceProcessor(model_file=str(path)), load_sentencepiece(path)
        assert {name: ours.id(name) for name in ("<s>", "</s>", "<unk>")} == {
            name: theirs.piece_to_id(name) for name in ("<s>", "</s>", "<unk>")
        }
        assert not {ours.id("<s>"), ours.id("</s>")} & set(ours.encode("<s>the</s> <s> </s>"))
        assert ours.decode([ours.id("<s>"), *ours.encode("the fox")]) == "the fox"


def test_a_folder_without_tokenizer_json_has_one_all_the_same(train: Callable[..., Path], tmp_path: Path) -> None:
    assert read_tokenizer(tmp_path) is None
    path = train(**KINDS["Llama's"])
    size = sentencepiece.SentencePieceProcessor(model_file=str(path)).get_piece_size()
    (tmp_path / "tokenizer.model").write_bytes(path.read_bytes())
    added = {"1": {"content": "<s>", "special": True}, str(size): {"content": "<image>", "special": True}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
    found = read_tokenizer(tmp_path)
    assert found is not None and found.id("<image>") == size and found.id("<s>") == 1
    assert size not in found.encode("an <image>")
    added[str(size + 5)] = {"content": "<far>", "special": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
    with pytest.raises(CheckpointError, match=f"<far> should be {size + 5}"):
        read_tokenizer(tmp_path)


def test_a_published_unigram_json_is_walled_too(train: Callable[..., Path], tmp_path: Path) -> None:
    """Its control tokens are pieces like any other there; typing their names must not reach them."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((c, -5.0) for c in "</s>thefox\u2581")]
    published = RustTokenizer(models.Unigram(list(dict(pieces).items()), 2, False))
    published.pre_tokenizer = pre_tokenizers.Metaspace()
    published.add_special_tokens(["<pad>", "</s>", "<unk>"])
    published.encode_special_tokens = True
    published.save(str(tmp_path / "tokenizer.json"))
    assert 1 in published.encode("the </s> fox").ids, "what the wall is for"
    found = read_tokenizer(tmp_path)
    assert found is not None and found.id("</s>") == 1
    typed = found.encode("the </s> fox")
    assert 1 not in typed and len(typed) == len("\u2581the\u2581</s>\u2581fox")


def test_bad_files_are_one_sentence(train: Callable[..., Path], tmp_path: Path) -> None:
    good = train(**KINDS["unigram"]).read_bytes()
    word = train(model_type="word", vocab_size=40).read_bytes()
    for content in (b"", b"\xff" * 40, good[:-1], good[: len(good) // 2], b'{"model": {}}', word):
        (tmp_path / "tokenizer.model").write_bytes(content)
        with pytest.raises(CheckpointError, match="not a readable SentencePiece model"):
            load_sentencepiece(tmp_path / "tokenizer.model")
