"""The vocabulary of a GGUF file as a `Tokenizer`.

    tokenizer.ggml.tokens, token_type, merges      byte-level BPE ("gpt2"): Llama 3, SmolLM2, Qwen
    tokenizer.ggml.tokens, token_type, scores      SentencePiece BPE ("llama"): Llama 2, Vicuna, Mistral

The file names its pre-tokeniser (`tokenizer.ggml.pre`), the rule that cuts text into words before any merge, but does
not hold it; `WORDS` does. SentencePiece files hold scores instead of merges: two pieces join if their union is in the
vocabulary, the best score first. An unknown rule is refused, since it would be wrong in rare words only.
"""

from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as RustTokenizer

from showtell.core.errors import CheckpointError
from showtell.core.gguf import GGUFFile
from showtell.text.sentencepiece import Piece, bpe, decoder
from showtell.text.tokenizer import Tokenizer

CONTROL, USER_DEFINED = 3, 4
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA_3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST
QWEN_2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST


def gpt_2() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def digits_apart() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt_2()])


def pattern(words: str) -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(Regex(words), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


WORDS = {
    "default": gpt_2,
    "gpt-2": gpt_2,
    "smollm": digits_apart,
    "llama-bpe": lambda: pattern(LLAMA_3),
    "qwen2": lambda: pattern(QWEN_2),
}


def load_gguf_tokenizer(file: GGUFFile) -> Tokenizer:
    """The file's tokenizer; raises CheckpointError when it has none, or one of a kind that is not read here."""
    kind = file.entries.get("tokenizer.ggml.model")
    makers = {"gpt2": byte_level, "llama": sentencepiece}
    if kind not in makers:
        raise CheckpointError(f"{file.path} has a vocabulary of kind {kind!r}; known here: {', '.join(makers)}")
    tokens: list[str] = entry(file, "tokens", list)
    types = file.entries.get("tokenizer.ggml.token_type", [1] * len(tokens))
    rust = makers[kind](file, tokens)
    # In the order of their ids, so that each keeps its own.
    for token, type in zip(tokens, types, strict=True):
        if type == CONTROL:
            rust.add_special_tokens([AddedToken(token, special=True, normalized=False)])
        elif type == USER_DEFINED:
            rust.add_tokens([AddedToken(token, special=False, normalized=False)])
    if rust.get_vocab_size() != len(tokens):
        raise CheckpointError(f"{file.path}: its vocabulary has {len(tokens)} entries, some of them twice")
    return Tokenizer(rust)


def entry(file: GGUFFile, name: str, kind: type) -> Any:
    """`tokenizer.ggml.NAME`; raises CheckpointError when it is missing or of another type."""
    value = file.entries.get(f"tokenizer.ggml.{name}")
    if not isinstance(value, kind):
        raise CheckpointError(f"{file.path} has no tokenizer.ggml.{name}; its vocabulary cannot be rebuilt")
    return value


def byte_level(file: GGUFFile, tokens: Sequence[str]) -> RustTokenizer:
    """BPE over bytes, in the words of the file's pre-tokeniser."""
    words = file.entries.get("tokenizer.ggml.pre", "default")
    if words not in WORDS:
        raise CheckpointError(f"{file.path} cuts words by the rule {words!r}; known here: {', '.join(WORDS)}")
    merges = [tuple(merge.split(" ", 1)) for merge in entry(file, "merges", list)]
    vocabulary = {token: id for id, token in enumerate(tokens)}
    rust = RustTokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=words == "llama-bpe"))
    rust.normalizer = normalizers.NFC() if words == "qwen2" else None
    rust.pre_tokenizer = WORDS[words]()
    rust.decoder = decoders.ByteLevel()
    return rust


def sentencepiece(file: GGUFFile, tokens: Sequence[str]) -> RustTokenizer:
    """BPE over characters, spaces written as "\u2581", unknown characters as bytes."""
    types = file.entries.get("tokenizer.ggml.token_type", [1] * len(tokens))
    pieces = [Piece(*piece) for piece in zip(tokens, entry(file, "scores", list), types, strict=True)]
    rust = RustTokenizer(bpe(pieces))
    prefix = file.entries.get("tokenizer.ggml.add_space_prefix", True)
    spaces = normalizers.Replace(" ", "\u2581")
    rust.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), spaces]) if prefix else spaces
    rust.decoder = decoder(bool(prefix))
    return rust
