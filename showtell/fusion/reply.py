"""One conversation with pictures, continued by a published model.

    ids of the prompt (placeholders and all), its pictures  ->  see, splice, read, write  ->  ids of the reply

The prompt is rendered beforehand (`text/chat.py`, with the ids of `ImageLayout.ids`); the placeholder of a picture can
be read but never written.
"""

from collections.abc import Callable, Sequence

import torch

from showtell.fusion.reader import Reader
from showtell.fusion.sight import Sight
from showtell.images.decode import Picture
from showtell.text.generate import Generated, generate
from showtell.text.sampling import SamplingConfig


@torch.no_grad()
def reply(
    model: Reader,
    sight: Sight,
    ids: Sequence[int],
    pictures: Sequence[Picture],
    config: SamplingConfig = SamplingConfig(),
    *,
    stop_id: int,
    generator: torch.Generator | None = None,
    on_token: Callable[[list[int]], None] | None = None,
) -> Generated:
    """What the model writes after `ids`.

    Args:
        ids: the prompt, with as many placeholders as the layouts of the pictures say.
        pictures: in the order of their placeholders; none for a conversation without.
        on_token: called with each new id, in a list.

    Raises ValueError when placeholders and image tokens do not agree.
    """
    device = next(model.parameters()).device
    row = torch.tensor([list(ids)], device=device)
    valid = torch.ones_like(row, dtype=torch.bool)
    words = model.decoder.embed(row) if not pictures else model.embed(sight.see(pictures), row)
    reading = sight.reading(row, valid, [picture.frame for picture in pictures])
    placeholder = model.image_token_id
    written = generate(
        model.decoder,
        words,
        valid,
        config,
        stop_id=stop_id,
        forbidden=[placeholder] if placeholder < model.decoder.config.vocab_size else [],
        positions=reading.positions,
        mask=reading.mask,
        unwindowed=reading.unwindowed,
        generator=generator,
        on_token=on_token,
    )
    return written[0]
