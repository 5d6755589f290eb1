"""Image processors of published checkpoints: preprocessor_config.json -> the processor it declares.

    {"image_processor_type": "CLIPImageProcessor",            FixedProcessor(
     "size": {"shortest_edge": 224}, "crop_size": 224,   ->     steps=(ShortestEdge(224), CenterCrop(224, 224)),
     "resample": 3, "image_mean": [...], ...}                    resample="bicubic", levels=Levels(mean=...))

A file says only what differs from the defaults of the class it names, so the defaults are tabled here: two files with
the same words mean different pictures under two classes (an absent `resample` is bilinear for ViT, bicubic for CLIP).
Older files name the same classes `...FeatureExtractor` and give sizes as one number. A switch that is on and is not
known here is refused: a step that is quietly left out costs accuracy and raises no error.

The pixels are those of the reference's Pillow classes. Its torchvision classes (`...Fast`) resize with other
arithmetic and differ from them by about one grey level; names with that ending are read as the Pillow class.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from showtell.core.errors import ConfigError
from showtell.images.fixed import FixedConfig, FixedProcessor
from showtell.images.levels import Levels
from showtell.images.normalize import CLIP_MEAN, CLIP_STD, HALF_MEAN, HALF_STD
from showtell.images.placement import Color
from showtell.images.resize import Kernel
from showtell.images.steps import CenterCrop, LongestEdge, PadSquare, ShortestEdge, Step, Stretch

Settings = Mapping[str, Any]
AnyProcessor = FixedProcessor

KERNELS: dict[int, Kernel] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}
# Said by some files and without influence on one picture that was decoded here: names, and the form of the reference's
# input and output.
SILENT = {
    "image_processor_type", "feature_extractor_type", "processor_class", "auto_map", "do_convert_rgb", "data_format",
    "image_num_channels", "input_data_format", "return_tensors", "device", "disable_grouping", "default_to_square",
    "return_row_col_info", "_valid_processor_keys", "background_color", "image_seq_length", "num_image_tokens",
}  # fmt: skip
COMMON = {
    "do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor", "do_normalize",
    "image_mean", "image_std",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One class of the reference.

    build: from complete settings to a processor.
    defaults: what a file leaves unsaid.
    own: settings that only this class knows.
    """

    build: "Callable[[Settings], AnyProcessor]"
    defaults: Settings
    own: tuple[str, ...] = ()


def processor_from_hf(settings: Settings) -> AnyProcessor:
    """The processor that the contents of a preprocessor_config.json (or the `image_processor` of a
    processor_config.json) declare.

    Raises ConfigError naming the class or the setting that is not known here.
    """
    declared = settings.get("image_processor_type") or settings.get("feature_extractor_type")
    name = str(declared)
    for ending in ("Pil", "Fast", "ImageProcessor", "FeatureExtractor"):
        name = name.removesuffix(ending)
    if name not in KINDS:
        raise ConfigError(f"image_processor_type: {declared!r} is not known here; known are {', '.join(KINDS)}")
    kind = KINDS[name]
    given = {key: value for key, value in settings.items() if value is not None}
    unknown = [key for key, value in given.items() if value and key not in {*SILENT, *COMMON, *kind.own}]
    if unknown:
        raise ConfigError(
            f"{unknown[0]}: {declared} is read here without this setting, whose value is {given[unknown[0]]!r}"
        )
    return kind.build({**BASE, **kind.defaults, **given})


def fixed(settings: Settings) -> FixedProcessor:
    """Pad, resize, crop: each when its switch is on."""
    steps: list[Step] = []
    if settings.get("do_pad"):
        steps.append(PadSquare(fill=mean_color(settings)))
    if settings["do_resize"]:
        steps.append(resize_step(settings))
    if settings["do_center_crop"]:
        steps.append(CenterCrop(**{f"crop_{side}": value for side, value in extent(settings, "crop_size").items()}))
    return FixedProcessor(FixedConfig(steps=tuple(steps), resample=kernel(settings), levels=levels(settings)))


def letterbox(settings: Settings) -> FixedProcessor:
    """Everything is seen and shapes are kept: Janus."""
    longest = LongestEdge(longest=extent(settings, "size")["height"], at_least=settings["min_size"])
    steps = (longest, PadSquare(fill=mean_color(settings)))[: 2 if settings["do_pad"] else 1]
    return FixedProcessor(FixedConfig(steps=steps, resample=kernel(settings), levels=levels(settings)))


def resize_step(settings: Settings) -> Step:
    size = settings.get("image_size", settings["size"])
    if isinstance(size, int) and not settings["default_to_square"]:
        size = {"shortest_edge": size}
    if isinstance(size, Mapping) and set(size) == {"shortest_edge"}:
        return ShortestEdge(shortest=size["shortest_edge"])
    return Stretch(**extent({"size": size}, "size"))


def extent(settings: Settings, name: str) -> dict[str, int]:
    """{"height", "width"}, also from one number or a (height, width) pair."""
    value = settings[name]
    if isinstance(value, int):
        value = (value, value)
    if isinstance(value, list | tuple) and len(value) == 2:
        value = {"height": value[0], "width": value[1]}
    if not isinstance(value, Mapping) or set(value) != {"height", "width"}:
        raise ConfigError(f"{name}: {value!r} is read here only as a height and a width")
    return dict(value)


def kernel(settings: Settings) -> Kernel:
    if settings["resample"] not in KERNELS:
        raise ConfigError(f"resample: kernel {settings['resample']!r} is not one of Pillow's {sorted(KERNELS)}")
    return KERNELS[settings["resample"]]


def levels(settings: Settings) -> Levels:
    """Rescaling and normalising, each when its switch is on."""
    scale = settings["rescale_factor"] if settings["do_rescale"] else 1.0
    mean, std = (tuple(map(float, settings[name])) for name in ("image_mean", "image_std"))
    if not settings["do_normalize"]:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return Levels(
        scale=scale,
        shift=-1.0 if settings.get("rescale_offset") else 0.0,
        mean=mean,
        std=std,
        std_twice=bool(settings.get("include_top")),
    )


def mean_color(settings: Settings) -> Color:
    """The mean as grey levels: a margin of it is near zero after normalising."""
    red, green, blue = (int(value * 255) for value in settings["image_mean"])
    return red, green, blue


BASE: Settings = {
    "do_resize": True, "default_to_square": True, "resample": 3, "do_center_crop": False, "do_rescale": True,
    "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": CLIP_MEAN, "image_std": CLIP_STD,
}  # fmt: skip
HALF: Settings = {"image_mean": HALF_MEAN, "image_std": HALF_STD}
CROP: Settings = {
    "size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True,
    "default_to_square": False,
}  # fmt: skip

KINDS: dict[str, Kind] = {
    "CLIP": Kind(build=fixed, defaults=CROP),
    "Bit": Kind(build=fixed, defaults=CROP),
    "Llava": Kind(build=fixed, defaults=CROP, own=("do_pad",)),
    "ViT": Kind(build=fixed, defaults={**HALF, "size": 224, "resample": 2}),
    "Siglip": Kind(build=fixed, defaults={**HALF, "size": 224}),
    "Blip": Kind(build=fixed, defaults={"size": 384}),
    "Idefics": Kind(build=fixed, defaults={"size": 224}, own=("image_size",)),
    "EfficientNet": Kind(
        build=fixed,
        defaults={**HALF, "size": 346, "crop_size": 289, "include_top": True},
        own=("rescale_offset", "include_top"),
    ),
    "Janus": Kind(build=letterbox, defaults={"size": 384, "min_size": 14, "do_pad": True}, own=("do_pad", "min_size")),
}
