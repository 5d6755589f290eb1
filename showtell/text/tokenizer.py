"""Text to ids and back, with control tokens kept apart from what a user may type.

The work is done by the `tokenizers` library on a `tokenizer.json`. What this file adds is a wall: `encode` treats its
input as *text*, so a user who types `<image>` gets the characters `<`, `i`, `m`, ... and never the control token.
Control
tokens are reached by name through `control`, location tokens by their own names; the template is the only place that
puts them into a sequence.

`train_tokenizer` makes a byte-level BPE (Sennrich et al. 2016) for a small model: any text can be written, common words
of the corpus become one token.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as RustTokenizer

from showtell.core.errors import CheckpointError


class Tokenizer:
    """A tokenizer.json with its control tokens told apart from text."""

    def __init__(self, rust: RustTokenizer):
        self.rust = rust
        self.rust.encode_special_tokens = True
        added = rust.get_added_tokens_decoder()
        self.control: dict[str, int] = {token.content: id for id, token in sorted(added.items())}
        self.control_names = {id: name for name, id in self.control.items()}

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a tokenizer.json; raises CheckpointError when it is missing or not one."""
        try:
            return cls(RustTokenizer.from_file(str(path)))
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
