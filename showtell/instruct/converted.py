"""A published checkpoint in our own layout, and back, bit for bit.

    theirs   config.json {model_type, ...}       weights under Hugging Face's names
    ours     config.json {architecture, model_type, model: every field of our configuration, published: theirs}
             weights under the names of our modules, which are those of `trace` and of the chapters

Both may be sharded, and keep the number type the weights were published in. Tokenizer, processor and template are the
same files in both. Which families there are, and how one names its tensors, is `load.py`'s and theirs; the models
trained here have an architecture that nobody published and stay in our layout.
"""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import Tensor, nn

from showtell.core.checkpoint import sync_folder, write_atomically
from showtell.core.config import from_dict, to_dict
from showtell.core.errors import CheckpointError
from showtell.core.hf_folder import open_module, read_json, read_tensors, write_tensors

CONVERTED = "showtell-converted"
WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".pt", ".pth", ".h5", ".msgpack")
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
Names = Callable[[Any, Mapping[str, Any], str], dict[str, Tensor]]


@dataclass(frozen=True)
class Exchange:
    """How one family crosses over.

    model: the class whose `__init__` takes nothing but its configuration.
    names: (model, their config.json, prefix) to their names.
    prefixes: what may stand before the names of a tower, by the file it lies in.
    """

    model: type[nn.Module]
    names: Names
    prefixes: tuple[str, ...] = ("",)


def exchanges() -> dict[str, Exchange]:
    """By `model_type`."""
    from showtell.contrastive import clip, dual_encoder
    from showtell.contrastive import siglip as siglip_pair
    from showtell.fusion import (
        anyres,
        blip2,
        idefics,
        idefics2,
        idefics3,
        janus,
        llava,
        llava_next,
        paligemma,
        prefix_vlm,
        qwen2_vl,
        xattn_vlm,
    )
    from showtell.text.decoder import Decoder
    from showtell.text.families import FAMILIES
    from showtell.vision import clip_vit, dinov2, dinov3, siglip, siglip2, vit_hf, vit_mae
    from showtell.vision.vit import VisionTransformer

    def plain(to_hf: Callable[[Any], dict[str, Tensor]]) -> Names:
        return lambda model, theirs, prefix: to_hf(model)

    def tower(to_hf: Callable[[Any, str], dict[str, Tensor]]) -> Names:
        return lambda model, theirs, prefix: to_hf(model, prefix)

    vlm, tiles, dual = prefix_vlm.PrefixVLM, anyres.AnyResVLM, dual_encoder.DualEncoder
    added = "additional_vocab_size"
    return {
        "vit": Exchange(VisionTransformer, tower(vit_hf.to_hf), ("", vit_hf.PREFIX)),
        "vit_mae": Exchange(VisionTransformer, tower(vit_mae.to_hf), ("", vit_mae.PREFIX)),
        "clip_vision_model": Exchange(VisionTransformer, tower(clip_vit.to_hf), ("", clip_vit.PREFIX)),
        "siglip_vision_model": Exchange(VisionTransformer, tower(siglip.to_hf), ("", siglip.PREFIX)),
        "siglip2_vision_model": Exchange(siglip2.NaFlexTransformer, tower(siglip2.to_hf), ("", siglip2.PREFIX)),
        "dinov2": Exchange(VisionTransformer, tower(dinov2.to_hf), ("", "dinov2.")),
        "dinov2_with_registers": Exchange(VisionTransformer, tower(dinov2.to_hf), ("", "dinov2_with_registers.")),
        "dinov3_vit": Exchange(VisionTransformer, tower(dinov3.to_hf)),
        "clip": Exchange(dual, plain(clip.to_hf)),
        "siglip": Exchange(dual, plain(siglip_pair.to_hf)),
        "siglip2": Exchange(dual, plain(siglip_pair.to_hf)),
        **{name: Exchange(Decoder, plain(family.to_hf)) for name, family in FAMILIES.items()},
        "llava": Exchange(vlm, plain(llava.to_hf)),
        "llava_next": Exchange(tiles, plain(llava_next.to_hf)),
        "llava_onevision": Exchange(tiles, plain(llava_next.to_hf)),
        "paligemma": Exchange(vlm, plain(paligemma.to_hf)),
        "idefics": Exchange(xattn_vlm.CrossVLM, lambda m, theirs, prefix: idefics.to_hf(m, theirs.get(added) or 0)),
        "idefics2": Exchange(idefics2.Idefics2, plain(idefics2.to_hf)),
        "idefics3": Exchange(idefics3.Idefics3, plain(idefics3.to_hf)),
        "smolvlm": Exchange(idefics3.Idefics3, plain(idefics3.to_hf)),
        "qwen2_vl": Exchange(qwen2_vl.QwenVL, plain(qwen2_vl.to_hf)),
        "qwen2_5_vl": Exchange(qwen2_vl.QwenVL, plain(qwen2_vl.to_hf)),
        "blip-2": Exchange(blip2.Blip2, plain(blip2.to_hf)),
        "janus": Exchange(vlm, plain(janus.to_hf)),
    }


def exchange_of(declared: Any, where: Path) -> Exchange:
    table = exchanges()
    if declared not in table:
        raise CheckpointError(f"{where} is a {declared!r}, which has no other layout; known: {', '.join(table)}")
    return table[declared]


def open_converted(folder: Path) -> nn.Module:
    """The model of a folder in our layout, float32.

    Raises CheckpointError for missing or other tensors, ConfigError for a wrong field.
    """
    data = read_json(folder / "config.json")
    model = exchange_of(data.get("model_type"), folder).model
    config = from_dict(get_type_hints(model.__init__)["config"], data.get("model"), "model")
    return open_module(lambda: model(config), read_tensors(folder), None, str(folder))


@dataclass(frozen=True)
class Converted:
    """What was written. left_out: names of the source that say nothing of their own (repetitions, counters)."""

    layout: str
    files: list[str]
    parameters: int
    dtype: str
    left_out: list[str]


def to_ours(
    source: Path, model: nn.Module, target: Path, dtype: torch.dtype | None = None, most_bytes: int = 5 * 10**9
) -> Converted:
    """Write `model`, which was loaded from the published folder `source`, in our layout.

    Raises CheckpointError when the family has none, or the model would not give back what its file holds.
    """
    theirs = read_json(source / "config.json")
    exchange = exchange_of(theirs.get("model_type"), source)
    if type(model) is not exchange.model:
        raise CheckpointError(f"{source} holds a {type(model).__name__}; only the plain model of a family is converted")
    published = read_tensors(source)
    prefix = max(exchange.prefixes, key=lambda p: len(set(exchange.names(model, theirs, p)) & set(published)))
    left_out = check_back(published, exchange.names(model, theirs, prefix), source)
    kinds = Counter(dtype_name(t) for t in published.values() if t.is_floating_point())
    commonest = kinds.most_common(1)[0][0]
    kept = commonest if dtype is None else dtype_name(torch.empty(0, dtype=dtype))
    others = {} if dtype else {n: dtype_name(t) for n, t in published.items() if dtype_name(t) != commonest}
    others = {name: kind for name, kind in others.items() if name not in left_out}
    config = {
        "architecture": CONVERTED, "model_type": theirs["model_type"], "prefix": prefix, "dtype": kept,
        "other_dtypes": others, "model": to_dict(model.config), "published": theirs,
    }  # fmt: skip
    stored = torch.float32 if others else DTYPES[kept]  # where types are mixed: the one that loses nothing of any
    tensors = {name: cast_to(t, stored) for name, t in model.state_dict().items() if t.numel()}
    files = write_folder(target, config, tensors, most_bytes, source)
    return Converted("ours", files, count(model), kept, left_out)


def to_theirs(source: Path, target: Path, dtype: torch.dtype | None = None, most_bytes: int = 5 * 10**9) -> Converted:
    """Write a folder of our layout under Hugging Face's names, each tensor in the type it was published in."""
    data = read_json(source / "config.json")
    theirs, model = data["published"], open_converted(source)
    named = exchange_of(data["model_type"], source).names(model, theirs, data["prefix"])
    kept = data["dtype"] if dtype is None else dtype_name(torch.empty(0, dtype=dtype))
    others = {} if dtype else data["other_dtypes"]
    tensors = {name: cast_to(t, DTYPES[others.get(name, kept)]) for name, t in named.items()}
    if dtype:
        theirs = theirs | {name: kept for name in ("dtype", "torch_dtype") if name in theirs}
    return Converted("hf", write_folder(target, theirs, tensors, most_bytes, source), count(model), kept, [])


def check_back(published: Mapping[str, Tensor], back: Mapping[str, Tensor], where: Path) -> list[str]:
    """Names of `published` that are not in `back`; CheckpointError unless all others are equal to the bit."""
    for name, tensor in back.items():
        if name in published and not torch.equal(tensor.to(published[name].dtype), published[name]):
            raise CheckpointError(f"{where}: {name} would not come back as it was; please report this family")
    return sorted(set(published) - set(back))


def write_folder(
    target: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor], most_bytes: int, beside: Path
) -> list[str]:
    """Everything in a new folder that appears at once, with the small files of `beside`."""
    if target.exists():
        raise CheckpointError(f"{target} is there already; name a new folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as name:
        folder = Path(name) / target.name
        folder.mkdir()
        write_tensors(tensors, folder, most_bytes)
        write_atomically(folder / "config.json", json.dumps(config, indent=1).encode())
        for path in beside.iterdir():
            if path.is_file() and path.name != "config.json" and not path.name.endswith(WEIGHTS):
                shutil.copy2(path, folder / path.name)
        folder.rename(target)
    sync_folder(target.parent)
    return sorted(path.name for path in target.iterdir())


def cast_to(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def dtype_name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
