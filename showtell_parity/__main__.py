"""python -m showtell_parity FOLDER PICTURE [--text WORDS]: one line of JSON; `showtell parity` shows it."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from transformers import AutoImageProcessor

from showtell.core.errors import ConfigError, ShowtellError
from showtell.images.decode import decode
from showtell.instruct.published import Published
from showtell.load import load
from showtell_parity import ours, theirs
from showtell_parity.compare import report
from showtell_parity.stages import plain_ids

NAMES = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}


def examine(found: Published, folder: Path, picture: str, text: str) -> dict[str, Any]:
    """Both sides on one picture and one text."""
    tokens = 0 if found.sight is None else found.layout(decode(picture).frame).tokens
    mine = ours.stages_of(found, picture, words_of(found, text))
    reference = theirs.stages_of(folder, found.kind, picture, text, tokens)
    return report(found.family, mine, reference, kernels(found, folder))


def words_of(found: Published, text: str) -> list[int]:
    """Ids of the text, or plain numbers for a checkpoint without tokenizer; both sides then take the same."""
    if found.tokenizer is not None:
        return found.tokenizer.encode(text)
    if found.kind == "vision encoder":
        return []
    model: Any = found.model
    text_model = model.text if found.kind == "dual encoder" else getattr(model, "decoder", model)
    return plain_ids(getattr(text_model.config, "vocab_size", 1))


def kernels(found: Published, folder: Path) -> tuple[str | None, str | None]:
    """The resizing kernels that the two sides will use."""
    if found.processor is None or found.kind == "language model":
        return None, None
    there = AutoImageProcessor.from_pretrained(folder).resample
    return found.processor.config.resample, NAMES.get(int(there))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("picture")
    parser.add_argument("--text", default="what is in the picture?")
    given = parser.parse_args()
    try:
        found = load(given.folder)
        if not isinstance(found, Published):
            raise ConfigError(f"{given.folder}: is a model of ours; there is no reference to compare it with")
        answer = examine(found, given.folder, given.picture, given.text)
    except ShowtellError as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
