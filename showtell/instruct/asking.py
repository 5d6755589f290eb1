"""Many questions about many pictures at once, each answered exactly as it would be in any other company.

    pictures  ─ 8 at a time ─►  tower, decoder's memory of each        questions  ─ 16 at a time ─►  answers
                                                                       prompts padded on the left to 8, 16, 24, ...

A sum of floats depends on the order of its terms, and matrix kernels choose that order by the *shape* of the batch: the
same question in a batch of 1 and of 16 differs in the sixth decimal, and now and then in a word. Here every forward
pass has one of a few fixed shapes. Short tiles are filled up, and how far a prompt is padded is decided by the prompt
alone; an answer is then the same to the bit whatever is asked with it and in which order (a test holds this). The sums
also depend on torch's threads, so that whoever needs equal bits on two machines runs with one.

Not here: single questions with an attention trace (`assistant.py`), published models (`published_chat.py`).
"""

from collections import defaultdict
from collections.abc import Sequence

import torch

from showtell.images.decode import Picture
from showtell.instruct.answer import Answer, read_answer
from showtell.instruct.assistant import Assistant, Question
from showtell.text.generate import Generated, generate
from showtell.text.kv_cache import KVCache, LayerKV
from showtell.text.sampling import SamplingConfig
from showtell.vision.dense_targets import stack_squares

PICTURES = 8
QUESTIONS = 16
STEP = 8  # prompts are padded to the next multiple of this


@torch.inference_mode()
def ask_all(
    assistant: Assistant,
    pictures: Sequence[Picture],
    asked: Sequence[tuple[int, Question]],
    sampling: SamplingConfig = SamplingConfig(),
) -> list[Answer]:
    """An answer for each (number of its picture, question), in order; boxes keep the labels that the model wrote.

    Raises ConfigError for an empty or endless question.
    """
    if not asked:
        return []
    views = [assistant.processor.view(picture.frame) for picture in pictures]
    memory = remember(assistant, pictures)
    prompts = [assistant.prompt(question, views[number]) for number, question in asked]
    written: dict[int, Generated] = {}
    for length, tile in _tiles([len(ids) for ids in prompts]):
        rows = (tile * QUESTIONS)[:QUESTIONS]  # a short tile repeats its own questions
        cache = memory.rows(torch.tensor([asked[row][0] for row in rows]))
        found = _write(assistant, cache, [prompts[row] for row in rows], length, sampling)
        written |= dict(zip(tile, found, strict=False))
    return [
        read_answer(
            written[row],
            assistant.template,
            views[number],
            model=assistant.name,
            grid=assistant.plan(pictures[number].frame).grid,
            timings={},
        )
        for row, (number, _) in enumerate(asked)
    ]


def remember(assistant: Assistant, pictures: Sequence[Picture]) -> KVCache:
    """The decoder's keys and values of every picture, one a row."""
    squares = [assistant.processor.square(p.pixels, assistant.processor.view(p.frame)) for p in pictures]
    parts: list[KVCache] = []
    for first in range(0, len(squares), PICTURES):
        tile = squares[first : first + PICTURES]
        pixels = stack_squares((tile * PICTURES)[:PICTURES], assistant.processor)
        parts.append(assistant.model.read_images(pixels).rows(torch.arange(len(tile))))
    return joined(parts)


def joined(parts: Sequence[KVCache]) -> KVCache:
    """The rows of several caches of one length, one after the other."""
    whole = KVCache(0)
    for layers in zip(*(part.layers for part in parts), strict=True):
        keys, values = zip(*((layer.keys, layer.values) for layer in layers), strict=True)
        whole.layers.append(LayerKV(torch.cat(keys), torch.cat(values)))
    return whole


def _tiles(lengths: Sequence[int]) -> list[tuple[int, list[int]]]:
    """(padded length, rows) of each forward pass."""
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row, length in enumerate(lengths):
        rows_of[(length // STEP + 1) * STEP].append(row)  # at least one column of padding: always the same kernels
    return [
        (length, rows[first : first + QUESTIONS])
        for length, rows in sorted(rows_of.items())
        for first in range(0, len(rows), QUESTIONS)
    ]


def _write(
    assistant: Assistant, cache: KVCache, prompts: Sequence[list[int]], length: int, sampling: SamplingConfig
) -> list[Generated]:
    template, decoder = assistant.template, assistant.model.decoder
    padded = torch.tensor([[template.padding_id] * (length - len(ids)) + ids for ids in prompts])
    valid = torch.ones(len(prompts), cache.length + length, dtype=torch.bool)
    for row, ids in enumerate(prompts):
        valid[row, cache.length : cache.length + length - len(ids)] = False
    return generate(
        decoder,
        decoder.embed(padded),
        valid,
        sampling,
        stop_id=template.end_id,
        forbidden=(template.image_id, template.padding_id),
        cache=cache,
    )
