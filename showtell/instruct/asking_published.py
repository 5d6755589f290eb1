"""Many questions about many pictures for a published model: pictures once, prompts side by side.

    pictures ─► tower, bridge, decoder, once each ─► its memory of the prompt up to the picture's last token
                                                      └─ 16 rows ─ questions of about one length ─► 16 answers

The work of a picture is shared by all its questions, where the decoder reads from left to right; PaliGemma reads a
prompt whole and Qwen2-VL counts positions in another way, and of those only the tower's work is shared. Rows together
cost little more than one to decode on a CPU, whose time goes into reading the weights. As in `asking.py`, tiles have
fixed numbers of rows and paddings that a prompt decides for itself, so that an answer does not depend on its company.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.core.masks import causal_mask
from showtell.fusion.reader import Reader
from showtell.fusion.sight import CountedWords
from showtell.images.decode import Picture
from showtell.images.view import ViewTransform
from showtell.instruct.answer import Answer, AnswerToken
from showtell.instruct.asking import joined
from showtell.instruct.published import Published
from showtell.instruct.published_chat import Speaking, sureness
from showtell.text.chat import Place, Turn
from showtell.text.generate import Generated, generate
from showtell.text.kv_cache import KVCache
from showtell.text.sampling import SamplingConfig

ROWS = 16
STEP = 16  # prompts are padded to the next multiple of this


@torch.inference_mode()
def ask_published(
    model: Published,
    pictures: Sequence[Picture],
    asked: Sequence[tuple[int, str]],
    sampling: SamplingConfig = SamplingConfig(),
) -> list[Answer]:
    """An answer for each (number of its picture, question), in order.

    Raises ConfigError for a model that cannot be asked, or shown pictures.
    """
    speaking = model.speaking()
    if speaking.sight is None or not isinstance(speaking.model, Reader):
        raise ConfigError(f"{model.name}: a {model.kind} ({model.family}) reads no pictures among its words")
    prompts = [
        speaking.prompt([Turn("user", (Place(0), question))], speaking.layouts([pictures[number]]))
        for number, question in asked
    ]
    shared = type(speaking.sight).reading is CountedWords.reading  # what comes first is read without what follows
    begun = {}
    for row, (number, _) in enumerate(asked):
        if number not in begun:
            begun[number] = _begin(speaking, prompts[row] if shared else [], pictures[number])
    rows_of: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, (number, _) in enumerate(asked):
        rest = len(prompts[row]) - begun[number].length
        rows_of[begun[number].length, (rest // STEP + 1) * STEP].append(row)
    written: dict[int, Generated] = {}
    for (held, length), rows in sorted(rows_of.items()):
        for first in range(0, len(rows), ROWS):
            tile = rows[first : first + ROWS]
            full = (tile * ROWS)[:ROWS]  # a short tile repeats its own questions
            numbers = [asked[row][0] for row in full]
            tails = [prompts[row][held:] for row in full]
            found = _write(speaking, tails, length, [(begun[n], pictures[n]) for n in numbers], sampling)
            written |= dict(zip(tile, found, strict=False))
    return [_answer(model, speaking, written[row], pictures[number]) for row, (number, _) in enumerate(asked)]


@dataclass(frozen=True)
class Begun:
    """A picture that was looked at, and the decoder's memory of the prompt up to its last token; None = unread."""

    seen: Tensor
    cache: KVCache | None

    @property
    def length(self) -> int:
        return 0 if self.cache is None else self.cache.length


def _begin(speaking: Speaking, prompt: Sequence[int], picture: Picture) -> Begun:
    model, sight = speaking.model, speaking.sight
    assert isinstance(model, Reader) and sight is not None
    seen = sight.see([picture])
    if model.image_token_id not in prompt:
        return Begun(seen, None)
    length = len(prompt) - [*reversed(prompt)].index(model.image_token_id)
    ids = torch.tensor([list(prompt[:length])])
    cache = model.decoder.new_cache()
    model.decoder(model.embed(seen, ids), torch.arange(length)[None], causal_mask(length, length), cache)
    return Begun(seen, cache)


def _write(
    speaking: Speaking,
    tails: Sequence[Sequence[int]],
    length: int,
    seen: Sequence[tuple[Begun, Picture]],
    sampling: SamplingConfig,
) -> list[Generated]:
    """Continue each prompt, of which a cache may hold the beginning."""
    model, sight = speaking.model, speaking.sight
    assert isinstance(model, Reader) and sight is not None
    blank = int(model.image_token_id == 0)  # any id that is no picture's
    ids = torch.tensor([[blank] * (length - len(tail)) + list(tail) for tail in tails])
    valid = torch.tensor([[False] * (length - len(tail)) + [True] * len(tail) for tail in tails])
    forbidden = (model.image_token_id,) if model.image_token_id < model.decoder.config.vocab_size else ()
    write = partial(generate, model.decoder, config=sampling, stop_id=speaking.stop_ids, forbidden=forbidden)
    parts = [one.cache for one, _ in seen if one.cache is not None]
    if parts:
        valid = torch.cat([valid.new_ones(len(tails), parts[0].length), valid], dim=1)
        return write(prompt=model.decoder.embed(ids), valid=valid, cache=joined(parts))
    words = model.embed(torch.cat([one.seen for one, _ in seen], dim=1), ids)
    reading = sight.reading(ids, valid, [picture.frame for _, picture in seen])
    return write(
        prompt=words,
        valid=valid,
        positions=reading.positions,
        mask=reading.mask,
        unwindowed=reading.unwindowed,
    )


def _answer(model: Published, speaking: Speaking, said: Generated, picture: Picture) -> Answer:
    pieces = speaking.tokenizer.pieces(said.ids)
    return Answer(
        answer=speaking.tokenizer.decode(said.ids).strip(),
        boxes=(),
        points=(),
        confidence=sureness(said),
        model=model.name,
        timings={},
        tokens=tuple(AnswerToken(piece, p) for piece, p in zip(pieces, said.probabilities, strict=True)),
        grid=(0, 0),
        view=ViewTransform.identity(picture.frame),
    )
