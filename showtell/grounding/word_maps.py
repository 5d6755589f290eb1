"""Which parts of the picture did the words come from? Two experiments, two readings, one map of patches each.

    chance(words | pixels) = exp of the mean log-probability of the written tokens, the model made to repeat them

    occlusion    hide a window of 3 x 3 patches (`hiding.py`)            how far the log-probability falls
    patching     put a blank picture's token in the place of one token   the same            (activation patching)
    attention    nothing is touched: share of attention from the written tokens to each image token, mean over layers
                 and heads
    gradient     nothing is touched: sum over a patch of |pixel * d log-probability / d pixel|

    swap         another picture in the place of this one: what is left of the chance is guessed from the question

Patches are those of the model's grid, row by row, in the frame that it sees. Which of the maps to believe is decided by
`deletion.py`. Only for models of the prefix kind, whose image tokens are patches. Not here: the same for a tower alone
(`vision/attribution.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.core.geometry import Box
from showtell.core.masks import causal_mask
from showtell.core.trace import trace
from showtell.grounding.hiding import fill
from showtell.images.decode import Picture
from showtell.images.view import ViewTransform
from showtell.instruct.answer import Answer
from showtell.instruct.assistant import Assistant, Question
from showtell.vision.dense_targets import stack_squares

KINDS = ("occlusion", "patching", "attention", "gradient")
TOGETHER = 32
WINDOW = 3  # patches a side: things are larger than a patch, and the rest of them would still tell


@dataclass(frozen=True, eq=False)
class Words:
    """A question about a picture and the answer that was written, ready to be scored on other pixels.

    square: what the model saw, in grey levels.
    grid: (rows, cols) of its patches.
    prompt, written: ids; `written` ends with the token that ends an answer.
    span: which of the written tokens count.
    """

    assistant: Assistant
    square: UInt8[np.ndarray, "size size 3"]
    view: ViewTransform
    grid: tuple[int, int]
    prompt: tuple[int, ...]
    written: tuple[int, ...]
    span: slice = field(default_factory=lambda: slice(None))

    @property
    def patches(self) -> int:
        return self.grid[0] * self.grid[1]


def words_of(
    assistant: Assistant, picture: Picture, question: Question, answer: Answer, span: slice | None = None
) -> Words:
    """Raises ConfigError when the answer was not written by this model."""
    view = assistant.processor.view(picture.frame)
    ids = [token.id for token in answer.tokens]
    if answer.model != assistant.name or None in ids:
        raise ConfigError(f"the answer is by {answer.model}, and {assistant.name} cannot be asked where it came from")
    written = (*(one for one in ids if one is not None), assistant.template.end_id)
    square = assistant.processor.square(picture.pixels, view)
    grid = assistant.plan(picture.frame).grid
    return Words(assistant, square, view, grid, tuple(assistant.prompt(question, view)), written, span or slice(None))


def patch_mask(words: Words, cells: Sequence[int]) -> Bool[np.ndarray, "size size"]:
    """The pixels of the view that belong to these patches."""
    rows, cols = words.grid
    chosen = np.zeros(words.patches, dtype=bool)
    chosen[list(cells)] = True
    size = words.square.shape[0]
    row, col = np.arange(size) * rows // size, np.arange(size) * cols // size
    return chosen.reshape(rows, cols)[row][:, col]


def box_shares(words: Words, boxes: Sequence[Box]) -> Float[Tensor, "patches"]:
    """Share of each patch that lies in one of the boxes, which are in pixels of the picture."""
    rows, cols = words.grid
    size = words.square.shape[0]
    inside = np.zeros((size, size), dtype=np.float32)
    for box in boxes:
        place = words.view.to_view(box).clip()
        inside[round(place.y1) : round(place.y2), round(place.x1) : round(place.x2)] = 1
    return torch.from_numpy(inside.reshape(rows, size // rows, cols, size // cols).mean(axis=(1, 3)).ravel())


def log_chances(words: Words, removals: Sequence[Sequence[int]]) -> Float[Tensor, "removals tokens"]:
    """Log-probability of each written token with these patches hidden, one row a removal."""
    squares = [fill(words.square, patch_mask(words, cells)) for cells in removals]
    found = []
    with torch.inference_mode():
        for first in range(0, len(squares), TOGETHER):
            pixels = stack_squares(squares[first : first + TOGETHER], words.assistant.processor)
            found.append(read(words, words.assistant.model.image_tokens(pixels)))
    return torch.cat(found)


def read(words: Words, image_tokens: Float[Tensor, "batch patches dim"]) -> Float[Tensor, "batch tokens"]:
    """Log-probability of each written token, given what the decoder is shown."""
    model, batch = words.assistant.model, len(image_tokens)
    ids = [model.image_token_id] * image_tokens.shape[1] + [*words.prompt, *words.written]
    rows = torch.tensor([ids] * batch)
    positions = torch.arange(len(ids))[None].expand(batch, -1)
    hidden = model.read(image_tokens, rows, positions, causal_mask(len(ids), len(ids), image_tokens.device))
    before = hidden[:, -len(words.written) - 1 : -1]  # the token before each written one predicts it
    scores = model.decoder.logits(before).float().log_softmax(dim=-1)
    return scores.gather(2, torch.tensor(words.written).expand(batch, -1)[..., None])[..., 0]


def spoken_chance(log_chances: Float[Tensor, "*rows tokens"], span: slice) -> Float[Tensor, "*rows"]:
    """Geometric mean of the probabilities of the tokens that count."""
    return log_chances[..., span].mean(dim=-1).exp()


def occlusion(words: Words) -> Float[Tensor, "patches"]:
    """How far the mean log-probability falls when windows that hold each patch are hidden."""
    return occlusion_by_token(words)[:, words.span].mean(dim=1)


def occlusion_by_token(words: Words) -> Float[Tensor, "patches tokens"]:
    """The same for each written token by itself: one row a patch, the mean over the windows that hold it."""
    hidden = windows(words.grid)
    found = log_chances(words, [[], *hidden])
    holds = torch.zeros(words.patches, len(hidden))
    for window, some in enumerate(hidden):
        holds[some, window] = 1
    return holds @ (found[:1] - found[1:]) / holds.sum(dim=1, keepdim=True)


def windows(grid: tuple[int, int], side: int = WINDOW) -> list[list[int]]:
    """The patches of every square window, those that reach over an edge of the grid included."""
    rows, cols = grid
    return [
        [row * cols + col for row in range(rows)[_reach(top, side)] for col in range(cols)[_reach(left, side)]]
        for top in range(1 - side, rows)
        for left in range(1 - side, cols)
    ]


def _reach(start: int, side: int) -> slice:
    return slice(max(start, 0), start + side)


@torch.inference_mode()
def patching(words: Words) -> Float[Tensor, "patches"]:
    """How far it falls when the decoder is shown a blank picture's token in the place of each one."""
    model = words.assistant.model
    blank = np.full_like(words.square, 128)
    clean, empty = model.image_tokens(stack_squares([words.square, blank], words.assistant.processor))
    swapped = clean.repeat(words.patches, 1, 1)  # (patches, patches, dim)
    swapped[range(words.patches), range(words.patches)] = empty
    found = [read(words, tile)[:, words.span].mean(dim=1) for tile in swapped.split(TOGETHER)]
    return read(words, clean[None])[0, words.span].mean() - torch.cat(found)


@torch.inference_mode()
def attention(words: Words) -> Float[Tensor, "patches"]:
    """Mean share of attention that the tokens before the written ones pay to each image token."""
    model = words.assistant.model
    tokens = model.image_tokens(stack_squares([words.square], words.assistant.processor))
    with trace(model.decoder, "blocks.*.attn.weights") as seen:
        read(words, tokens)
    layers = torch.stack([weights[0].mean(dim=0) for weights in seen.values()]).mean(dim=0)  # (queries, keys)
    return layers[-len(words.written) - 1 : -1, : words.patches][words.span].mean(dim=0)


def gradient(words: Words) -> Float[Tensor, "patches"]:
    """Gradient times input, its magnitude summed over each patch."""
    model = words.assistant.model
    pixels = stack_squares([words.square], words.assistant.processor).requires_grad_()
    with torch.enable_grad():
        value = read(words, model.image_tokens(pixels))[0, words.span].mean()
        (slope,) = torch.autograd.grad(value, pixels)
    influence = (slope * pixels).detach().abs().sum(dim=(0, 1))  # (height, width)
    rows, cols = words.grid
    height, width = influence.shape[0] // rows, influence.shape[1] // cols
    return influence.unfold(0, height, height).unfold(1, width, width).sum(dim=(-1, -2)).flatten()


def word_map(words: Words, kind: str) -> Float[Tensor, "patches"]:
    """One of `KINDS`. Raises ConfigError for any other."""
    known = {"occlusion": occlusion, "patching": patching, "attention": attention, "gradient": gradient}
    if kind not in known:
        raise ConfigError(f"{kind!r} is no map of words; choose from {', '.join(KINDS)}")
    return known[kind](words)


def swapped(words: Words, other: Picture) -> float:
    """The chance of the words on another picture, as a share of their chance on their own."""
    processor = words.assistant.processor
    squares = [words.square, processor.square(other.pixels, processor.view(other.frame))]
    with torch.inference_mode():
        found = read(words, words.assistant.model.image_tokens(stack_squares(squares, processor)))
    own, foreign = spoken_chance(found, words.span).tolist()
    return foreign / own
