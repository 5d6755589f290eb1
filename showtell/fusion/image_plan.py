"""How many tokens a picture costs, on which grid — decided once, from its size alone, before a pixel is decoded.

Tokenising, truncation, packing, positions, costs and coordinates all read this one object, so "image features and image
tokens do not match" cannot be said. `ImagePlan` is that of one fixed-size view a picture:

    640 x 427 photograph -> 96 x 96 view -> 8 x 8 grid of 12-pixel patches -> 64 tokens

Families that cut a picture into tiles or keep its size say in their files how many tokens come of it (`idefics3.py`,
`anyres.py`, `qwen2_vl.py`); what all of them hand to the prompt is an `ImageLayout`: runs of image tokens, and the
words between them.

    <row_1_col_1> 64 tokens <row_1_col_2> 64 tokens \\n <global-img> 64 tokens
"""

import re
from dataclasses import dataclass

from showtell.core.geometry import Frame
from showtell.text.tokenizer import Tokenizer
from showtell.vision.vit import ViTConfig


@dataclass(frozen=True)
class ImagePlan:
    """The cost and layout of one picture.

    source: the picture's own frame.
    view: the frame the tower sees.
    grid: (rows, cols) of tokens that enter the decoder.
    """

    source: Frame
    view: Frame
    grid: tuple[int, int]

    @property
    def tokens(self) -> int:
        return self.grid[0] * self.grid[1]


@dataclass(frozen=True)
class Piece:
    """A run of image tokens.

    before: the words that announce it.
    tokens: how many.
    """

    before: str
    tokens: int


@dataclass(frozen=True)
class ImageLayout:
    """How a picture stands in the prompt.

    pieces: its runs of tokens, in order.
    after: the words that close it.
    """

    pieces: tuple[Piece, ...]
    after: str = ""

    @property
    def tokens(self) -> int:
        """Image tokens, words not counted."""
        return sum(piece.tokens for piece in self.pieces)

    def text(self, mark: str = "<image>") -> str:
        """The picture as it is written in a prompt, `mark` standing for one image token."""
        return "".join(piece.before + mark * piece.tokens for piece in self.pieces) + self.after

    def ids(self, tokenizer: Tokenizer, image_id: int) -> list[int]:
        """The picture as ids, for `text/chat.py`: marks the tokenizer has as control tokens are one id, others text."""
        names = "|".join(map(re.escape, sorted(tokenizer.control, key=len, reverse=True)))
        ids: list[int] = []
        for piece in (*self.pieces, Piece(self.after, 0)):
            for part in filter(None, re.split(f"({names})", piece.before)):
                control = tokenizer.control.get(part)
                ids += tokenizer.encode_with_spans(part, at_start=False)[0] if control is None else [control]
            ids += [image_id] * piece.tokens
        return ids


def plan_image(source: Frame, vision: ViTConfig) -> ImagePlan:
    """The plan of one picture for a tower of fixed size."""
    height, width = vision.image_size
    return ImagePlan(source=source, view=Frame(width, height), grid=vision.grid)
