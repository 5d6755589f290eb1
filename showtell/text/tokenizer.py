"""Text to ids and back, with control tokens kept apart from what a user may type.

The work is done by the `tokenizers` library on a `tokenizer.json`. What this file adds is a wall: `encode` treats its
input as *text*, so a user who types `<image>` gets the characters `<`, `i`, `m`, ... and never the control token.
Control tokens are reached by name through `id`; the template is the only place that puts them into a sequence. Added
tokens that a published tokenizer.json does not declare special (Gemma's runs of newlines) are text like any other,
unless the loader names them.

`train_tokenizer` makes a byte-level BPE (Sennrich et al. 2016) for a small model: any text can be written, common words
of the corpus become one token.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as RustTokenizer

from showtell.core.errors import CheckpointError


class Tokenizer:
    """A tokenizer.json with its control tokens told apart from text."""

    def __init__(self, rust: RustTokenizer):
        self.rust = walled(rust)
        self.rust.encode_special_tokens = True
        added = sorted(self.rust.get_added_tokens_decoder().items())
        self.control: dict[str, int] = {token.content.rstrip(): id for id, token in added if token.special}
        self.control_names = {id: name for name, id in self.control.items()}
        self.inner = without_prefix_space(self.rust)

    @classmethod
    def load(cls, path: Path, control: Sequence[str] = ()) -> "Tokenizer":
        """Read a tokenizer.json; raises CheckpointError when it is missing or not one.

        Args:
            control: added tokens that are control tokens although the file does not declare them special.
        """
        try:
            if not control:
                return cls(RustTokenizer.from_file(str(path)))
            content = json.loads(path.read_text(encoding="utf-8"))
            for token in content["added_tokens"]:
                token["special"] = token["special"] or token["content"] in control
            return cls(RustTokenizer.from_str(json.dumps(content)))
        except Exception as error:  # the Rust library raises bare Exception
            raise CheckpointError(
                f"{path} is not a readable tokenizer.json ({error}); fetch the model again"
            ) from error

    def save(self, path: Path) -> None:
        self.rust.save(str(path))

    def __len__(self) -> int:
        return self.rust.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; never a control token, whatever the text says."""
        return self.rust.encode(text, add_special_tokens=False).ids

    def encode_with_spans(self, text: str, at_start: bool = True) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids of plain text, and the characters (first, one past the last) that each stands for.

        Args:
            at_start: nothing comes before the text; some SentencePiece tokenizers put a space there, and only there.
        """
        encoding = (self.rust if at_start else self.inner).encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; control tokens are left out."""
        return self.rust.decode([id for id in ids if id not in self.control_names])

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """One readable string an id, control tokens by name, whose concatenation is the text."""
        return [self.control_names.get(id) or self.rust.decode([id]) for id in ids]

    def id(self, name: str) -> int:
        """Id of a control token; raises CheckpointError when the tokenizer has none of that name."""
        try:
            return self.control[name]
        except KeyError:
            raise CheckpointError(f"the tokenizer has no control token {name}; it belongs to another model") from None


def unreachable(name: str) -> str:
    """How a control token is kept in a vocabulary that cuts text by scores: no text holds a space once it is cut."""
    return f"{name} "


def walled(rust: RustTokenizer) -> RustTokenizer:
    """A unigram vocabulary in which typing the name of a control token does not reach it; others cannot be reached.

    Pieces of a BPE come from joins, and no join makes a control token; a unigram model takes any piece that fits.
    """
    if not isinstance(rust.model, models.Unigram):
        return rust
    content = json.loads(rust.to_str())
    vocabulary = content["model"]["vocab"]
    for token in content["added_tokens"]:
        id, name = token["id"], token["content"]
        if token["special"] and id < len(vocabulary) and vocabulary[id][0] == name and not name.endswith(" "):
            vocabulary[id][0] = token["content"] = unreachable(name)
    return RustTokenizer.from_str(json.dumps(content))


def without_prefix_space(rust: RustTokenizer) -> RustTokenizer:
    """How text in the middle of a sequence is read: as at its start, except where a space is put "first" only."""
    if getattr(rust.pre_tokenizer, "prepend_scheme", None) != "first":
        return rust
    content = json.loads(rust.to_str())
    content["pre_tokenizer"]["prepend_scheme"] = "never"
    inner = RustTokenizer.from_str(json.dumps(content))
    inner.encode_special_tokens = True
    return inner


def train_tokenizer(texts: Iterable[str], vocab_size: int, control: Sequence[str]) -> Tokenizer:
    """A byte-level BPE of `vocab_size` tokens in all, `control` tokens first (so that id 0 is the first of them)."""
    rust = RustTokenizer(models.BPE())
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rust.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(name, special=True, normalized=False) for name in control],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rust.train_from_iterator(texts, trainer)
    return Tokenizer(rust)
