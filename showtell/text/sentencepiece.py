"""SentencePiece's own files (`tokenizer.model`) as a `Tokenizer` (Kudo and Richardson 2018).

    ModelProto   1: pieces   {1: text, 2: score, 3: type}      normal, unknown, control, user-defined, unused, byte
                 2: trainer  {3: unigram or BPE, 35: byte fallback}
                 3: normaliser {2: compiled character map, 3: space in front, 4: drop extra spaces}

    text -> character map -> extra spaces dropped -> one put in front -> " " becomes "\u2581" -> pieces
    unigram   the cut whose scores have the largest sum              BPE   the best-scored join first, again and again

Ids are the library's, but where marks are combined with letters in ways that no script does (its map is applied there
to another stretch of text). The file is a protocol buffer; the few fields above are read by hand. What a user types
never becomes a control piece. GGUF files hold the same vocabulary in other fields (`gguf_tokenizer.py`).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, decoders, models, normalizers
from tokenizers import Tokenizer as RustTokenizer

from showtell.core.errors import CheckpointError
from showtell.core.hf_folder import read_json
from showtell.text.tokenizer import Tokenizer, unreachable

SPACE = "\u2581"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM, BPE = 1, 2


@dataclass(frozen=True)
class Piece:
    """An entry of the vocabulary; its place is its id."""

    text: str
    score: float
    type: int


@dataclass(frozen=True, kw_only=True)
class SentencePieceModel:
    """What a file says.

    kind: UNIGRAM or BPE.
    byte_fallback: unknown characters are written as bytes.
    character_map: compiled rules of the normaliser; empty = text stays as it is.
    space_in_front: the text is read as if a space stood before it.
    extra_spaces_dropped: at both ends, and of several in a row all but one.
    """

    pieces: tuple[Piece, ...]
    kind: int = UNIGRAM
    byte_fallback: bool = False
    character_map: bytes = b""
    space_in_front: bool = True
    extra_spaces_dropped: bool = True


def read_tokenizer(folder: Path) -> Tokenizer | None:
    """The tokenizer of a checkpoint: its tokenizer.json, else its tokenizer.model, else None."""
    if (folder / "tokenizer.json").is_file():
        return Tokenizer.load(folder / "tokenizer.json")
    path = next((folder / n for n in ("tokenizer.model", "spiece.model") if (folder / n).is_file()), None)
    if path is None:
        return None
    settings = folder / "tokenizer_config.json"
    added = read_json(settings).get("added_tokens_decoder", {}) if settings.is_file() else {}
    names = {int(id): (token["content"], bool(token.get("special"))) for id, token in added.items()}
    return load_sentencepiece(path, names)


def load_sentencepiece(path: Path, added: dict[int, tuple[str, bool]] | None = None) -> Tokenizer:
    """The tokenizer in a `.model` file.

    Args:
        added: tokens by id that a checkpoint puts behind the vocabulary: (text, whether it is a control token).

    Raises CheckpointError when the file is missing, cut off or not SentencePiece's.
    """
    try:
        model = read_model(path.read_bytes())
    except (OSError, ValueError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not a readable SentencePiece model ({error}); fetch it again") from error
    rust = RustTokenizer(unigram(model) if model.kind == UNIGRAM else bpe(model.pieces, model.byte_fallback))
    rust.normalizer = normalizer(model)
    rust.decoder = decoder(model.space_in_front, model.extra_spaces_dropped)
    add_pieces(rust, model)
    for _, (text, special) in sorted((added or {}).items()):
        (rust.add_special_tokens if special else rust.add_tokens)([AddedToken(text, special=special, normalized=False)])
    for id, (text, _) in (added or {}).items():
        if rust.token_to_id(text) != id:
            raise CheckpointError(f"{path}: the added token {text} should be {id} and is {rust.token_to_id(text)}")
    return Tokenizer(rust)


def read_model(content: bytes) -> SentencePieceModel:
    """The fields that matter; ValueError for anything that is no such file."""
    pieces: list[Piece] = []
    trainer: dict[int, bytes | int | float] = {}
    rules: dict[int, bytes | int | float] = {}
    for number, value in fields_of(content):
        if number == 1 and isinstance(value, bytes):
            piece = dict(fields_of(value))
            text, score, type = piece.get(1, b""), piece.get(2, 0.0), piece.get(3, NORMAL)
            if not isinstance(text, bytes):
                raise ValueError("a piece without text")
            pieces.append(Piece(text.decode(), float(score), int(type)))
        elif number in (2, 3) and isinstance(value, bytes):
            (trainer if number == 2 else rules).update(fields_of(value))
    kind = int(trainer.get(3, UNIGRAM))
    if not pieces or kind not in (UNIGRAM, BPE):
        raise ValueError("no vocabulary" if not pieces else f"a model of kind {kind}; 1 (unigram) and 2 (BPE) are read")
    character_map = rules.get(2, b"")
    return SentencePieceModel(
        pieces=tuple(pieces),
        kind=kind,
        byte_fallback=bool(trainer.get(35, False)),
        character_map=character_map if isinstance(character_map, bytes) else b"",
        space_in_front=bool(rules.get(3, True)),
        extra_spaces_dropped=bool(rules.get(4, True)),
    )


def fields_of(content: bytes) -> Iterator[tuple[int, bytes | int | float]]:
    """(number, value) of each field of a protocol buffer."""
    at = 0
    while at < len(content):
        key, at = varint(content, at)
        number, wire = key >> 3, key & 7
        value: bytes | int | float
        if wire == 0:
            value, at = varint(content, at)
        elif wire == 2:
            size, at = varint(content, at)
            value, at = content[at : at + size], at + size
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, at = struct.unpack("<d" if wire == 1 else "<f", content[at : at + size])[0], at + size
        else:
            raise ValueError(f"a field of wire type {wire}")
        if at > len(content):
            raise ValueError("the file is cut off")
        yield number, value


def varint(content: bytes, at: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first, as long as the eighth is set; (value, place behind it)."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def unigram(model: SentencePieceModel) -> models.Unigram:
    """Scores decide; a user-defined piece outscores every cut of its text."""
    best = max((piece.score for piece in model.pieces if piece.type == NORMAL), default=0.0)

    def score(piece: Piece) -> float:
        return len(piece.text.encode()) * best - 0.1 if piece.type == USER_DEFINED else piece.score

    vocabulary = [
        (unreachable(piece.text) if piece.type in (CONTROL, UNKNOWN) else piece.text, score(piece))
        for piece in model.pieces
    ]
    unknown = next((id for id, piece in enumerate(model.pieces) if piece.type == UNKNOWN), None)
    return models.Unigram(vocabulary, unknown, model.byte_fallback)


def bpe(pieces: Sequence[Piece], byte_fallback: bool = True) -> models.BPE:
    """Joins in the order of their scores."""
    unknown = next((piece.text for piece in pieces if piece.type == UNKNOWN), "<unk>")
    return models.BPE(
        vocab={piece.text: id for id, piece in enumerate(pieces)},
        merges=merges_of(pieces),
        unk_token=unknown,
        fuse_unk=True,
        byte_fallback=byte_fallback,
    )


def merges_of(pieces: Sequence[Piece]) -> list[tuple[str, str]]:
    """Every way to join two pieces into a third: best score first, then longest halves, then in their order."""
    known = {piece.text: id for id, piece in enumerate(pieces) if piece.type in (NORMAL, USER_DEFINED)}
    merges: list[tuple[float, str, str]] = []
    for text, id in known.items():
        halves = ((text[:i], text[i:]) for i in range(1, len(text)))
        ways = [(left, right) for left, right in halves if left in known and right in known]
        ways.sort(key=lambda way: (known[way[0]], known[way[1]]))
        merges.extend((-pieces[id].score, left, right) for left, right in ways)
    merges.sort(key=lambda merge: (merge[0], -len(merge[1]), -len(merge[2])))
    return [(left, right) for _, left, right in merges]


def normalizer(model: SentencePieceModel) -> normalizers.Normalizer:
    """Characters as the map says, then spaces."""
    steps: list[normalizers.Normalizer] = []
    if model.character_map:
        steps.append(normalizers.Precompiled(model.character_map))
    if model.extra_spaces_dropped:
        steps += [normalizers.Replace(Regex(r"\A +|[ \u2581]+\z"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    if model.space_in_front:
        steps.append(normalizers.Prepend(SPACE))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])


def decoder(space_in_front: bool, extra_spaces_dropped: bool = False) -> decoders.Decoder:
    """Bytes joined, spaces restored, the one in front dropped (all of them, where extra ones were)."""
    strip = [decoders.Strip(" ", 2**31 if extra_spaces_dropped else 1, 0)] if space_in_front else []
    return decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip])


def add_pieces(rust: RustTokenizer, model: SentencePieceModel) -> None:
    """Declare control pieces, and for BPE user-defined ones, in the order of their ids, so that each keeps its own."""
    for piece in model.pieces:
        if piece.type in (CONTROL, UNKNOWN):
            name = unreachable(piece.text) if model.kind == UNIGRAM else piece.text
            rust.add_special_tokens([AddedToken(name, special=True, normalized=False)])
        elif piece.type == USER_DEFINED and model.kind == BPE:
            rust.add_tokens([AddedToken(piece.text, special=False, normalized=False)])
