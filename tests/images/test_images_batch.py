"""Many pictures at once are the pictures one by one, and the first that cannot be read is named."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from showtell.core.errors import ImageError
from showtell.images.batch import process_all
from showtell.images.decode import decode
from showtell.images.families import processor_from_hf

CLIP = processor_from_hf({"image_processor_type": "CLIPImageProcessor", "size": 24, "crop_size": 24})


@pytest.mark.parametrize("threads", [1, 3])
def test_in_order_and_equal(threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (*rng.integers(10, 90, 2), 3), dtype=np.uint8)).save(path)
    for path, made in zip(paths, process_all(CLIP, paths), strict=True):
        assert torch.equal(made.pixels, CLIP(decode(path)).pixels)
    assert process_all(CLIP, []) == []
    paths[4].write_bytes(b"no picture")
    paths[5].unlink()
    with pytest.raises(ImageError, match="4.png"):
        process_all(CLIP, paths)
