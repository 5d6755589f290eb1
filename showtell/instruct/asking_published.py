"""Many questions about many pictures for a published model: pictures once, prompts side by side.

    pictures ─► tower, bridge, once each ─► image tokens         prompts of about one length ─► padded on the left
                                              └──────── spliced into 16 rows ──────────────┘ ─► 16 answers

The work of a picture is shared by all its questions, and rows together cost little more than one to decode on a CPU,
whose time goes into reading the weights. As in `asking.py`, tiles have fixed numbers of rows and paddings that a prompt
decides for itself, so that an answer does not depend on its company.
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.fusion.reader import Reader
from showtell.images.decode import Picture
from showtell.images.view import ViewTransform
from showtell.instruct.answer import Answer, AnswerToken
from showtell.instruct.published import Published
from showtell.instruct.published_chat import Speaking, sureness
from showtell.text.chat import Place, Turn
from showtell.text.generate import Generated, generate
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
    seen = {number: speaking.sight.see([pictures[number]]) for number in dict.fromkeys(number for number, _ in asked)}
    rows_of: dict[int, list[int]] = defaultdict(list)
    prompts = []
    blank = int(speaking.model.image_token_id == 0)  # any id that is no picture's
    for row, (number, question) in enumerate(asked):
        layouts = speaking.layouts([pictures[number]])
        prompts.append(speaking.prompt([Turn("user", (Place(0), question))], layouts))
        rows_of[(len(prompts[-1]) // STEP + 1) * STEP].append(row)
    written: dict[int, Generated] = {}
    for length, rows in sorted(rows_of.items()):
        for first in range(0, len(rows), ROWS):
            tile = rows[first : first + ROWS]
            full = (tile * ROWS)[:ROWS]  # a short tile repeats its own questions
            ids = torch.tensor([[blank] * (length - len(prompts[row])) + prompts[row] for row in full])
            valid = torch.tensor([[False] * (length - len(prompts[row])) + [True] * len(prompts[row]) for row in full])
            numbers = [asked[row][0] for row in full]
            found = _write(speaking, ids, valid, [pictures[n] for n in numbers], [seen[n] for n in numbers], sampling)
            written |= dict(zip(tile, found, strict=False))
    return [_answer(model, speaking, written[row], pictures[number]) for row, (number, _) in enumerate(asked)]


def _write(
    speaking: Speaking,
    ids: Tensor,
    valid: Tensor,
    pictures: Sequence[Picture],
    seen: Sequence[Tensor],
    sampling: SamplingConfig,
) -> list[Generated]:
    model, sight = speaking.model, speaking.sight
    assert isinstance(model, Reader) and sight is not None
    words = model.embed(torch.cat(list(seen), dim=1), ids)
    reading = sight.reading(ids, valid, [picture.frame for picture in pictures])
    return generate(
        model.decoder,
        words,
        valid,
        sampling,
        stop_id=speaking.stop_ids,
        forbidden=(model.image_token_id,) if model.image_token_id < model.decoder.config.vocab_size else (),
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
