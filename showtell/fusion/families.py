"""Every published vision-language model this library reads: one table from `model_type` in config.json to its family.

    load_vlm(folder) -> PublishedVLM(model, sight)        what differs between families stands at the top of its file

Idefics looks aside instead of reading pictures, so it has no `Sight`; open it with `idefics.load`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from showtell.core.errors import CheckpointError
from showtell.core.hf_folder import read_json
from showtell.fusion import (
    blip2,
    idefics2,
    idefics3,
    janus,
    llava,
    llava_next,
    llava_onevision,
    paligemma,
    qwen2_vl,
)
from showtell.fusion.reader import Reader
from showtell.fusion.sight import (
    AnyResSight,
    FixedSight,
    NativeSight,
    QuarterSight,
    Sight,
    TileSight,
    WholePromptSight,
    one_run,
)
from showtell.images.anyres import AnyResProcessor
from showtell.images.families import AnyProcessor, processor_from_hf
from showtell.images.fixed import FixedProcessor
from showtell.images.native import BlockProcessor
from showtell.images.tiles import QuarterProcessor, TileProcessor


@dataclass(frozen=True)
class Family:
    """How one family is opened.

    load: the model of a folder.
    processor: the kind of image processor its pictures need.
    sight: both together.
    """

    load: Callable[[str | Path], Any]
    processor: type
    sight: Callable[[Any, Any], Sight]


@dataclass(frozen=True)
class PublishedVLM:
    """A published model, ready to be shown pictures.

    model: image tokens and ids to hidden states.
    sight: pictures to image tokens, layouts, and how to read them.
    """

    model: Reader
    sight: Sight


def patches(model: Any) -> int:
    """Tokens of a tower that keeps one a patch."""
    rows, cols = model.config.vision.grid
    return int(rows * cols)


def janus_sight(model: Any, processor: FixedProcessor) -> Sight:
    return FixedSight(model, processor, one_run(patches(model), "<begin_of_image>", "<end_of_image>"))


FAMILIES: dict[str, Family] = {
    "llava": Family(llava.load, FixedProcessor, lambda m, p: FixedSight(m, p, one_run(patches(m)))),
    "llava_next": Family(llava_next.load, AnyResProcessor, AnyResSight),
    "llava_onevision": Family(llava_onevision.load, AnyResProcessor, lambda m, p: AnyResSight(m, p, once=True)),
    "paligemma": Family(paligemma.load, FixedProcessor, lambda m, p: WholePromptSight(m, p, one_run(patches(m)))),
    "idefics2": Family(idefics2.load, QuarterProcessor, QuarterSight),
    "idefics3": Family(idefics3.load, TileProcessor, TileSight),
    "smolvlm": Family(idefics3.load, TileProcessor, TileSight),
    "qwen2_vl": Family(qwen2_vl.load, BlockProcessor, NativeSight),
    "qwen2_5_vl": Family(qwen2_vl.load, BlockProcessor, NativeSight),
    "blip-2": Family(blip2.load, FixedProcessor, lambda m, p: FixedSight(m, p, one_run(m.config.qformer.queries))),
    "janus": Family(janus.load, FixedProcessor, janus_sight),
}


def load_vlm(folder: str | Path) -> PublishedVLM:
    """The model of a folder in Hugging Face layout with its image processor, whatever its family.

    Raises CheckpointError for an architecture that is not known here or a processor that belongs to another one.
    """
    folder = Path(folder)
    declared = read_json(folder / "config.json").get("model_type")
    if not isinstance(declared, str) or declared not in FAMILIES:
        raise CheckpointError(f"{folder}: model_type {declared!r} is not known here; known are {', '.join(FAMILIES)}")
    family = FAMILIES[declared]
    processor = read_processor(folder)
    if not isinstance(processor, family.processor):
        raise CheckpointError(
            f"{folder}: the image processor is a {type(processor).__name__}, but {declared} is shown pictures by a "
            f"{family.processor.__name__}; the files are of different models"
        )
    model = family.load(folder)
    return PublishedVLM(model, family.sight(model, processor))


def read_processor(folder: Path) -> AnyProcessor:
    """The image processor of a folder; newer files keep it inside processor_config.json."""
    if (folder / "preprocessor_config.json").is_file():
        return processor_from_hf(read_json(folder / "preprocessor_config.json"))
    settings = read_json(folder / "processor_config.json").get("image_processor")
    if not isinstance(settings, dict):
        raise CheckpointError(f"{folder}: no preprocessor_config.json; fetch the model again")
    return processor_from_hf(settings)
