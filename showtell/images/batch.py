"""Many pictures at once: decoded and processed side by side, in order.

    sources   a.jpg   b.png   c.jpg   d.jpg
    threads   ──────►──────►           each picture is one piece of work; Pillow and NumPy let go of the interpreter
              ──────►───────────►      while they compute, so that threads are enough
    results   [a,      b,      c,      d]

Most of a processor's time is spent in Pillow's resizing, which every processor with the same pixels has to spend. What
can be saved is waiting for it with one core. The number of threads is torch's, so that whoever limits torch (the
workers of a data loader do) limits this too.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from showtell.images.decode import Limits, Picture, Source, decode

Result = TypeVar("Result")


def process_all(
    processor: Callable[[Picture], Result], sources: Sequence[Source], limits: Limits = Limits()
) -> list[Result]:
    """`[processor(decode(source, limits)) for source in sources]`.

    Raises the ImageError of the first source, in order, that is not a readable picture.
    """

    def process(source: Source) -> Result:
        return processor(decode(source, limits))

    threads = min(torch.get_num_threads(), len(sources))
    if threads <= 1:
        return [process(source) for source in sources]
    # Made anew each time: a pool that was alive when a process forked is dead in the child, and waits forever.
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(process, sources))
