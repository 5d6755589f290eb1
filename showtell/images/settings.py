"""The words of a preprocessor_config.json, each read once, strictly.

    "size": 224 | [224, 224] | {"height": 224, "width": 224}     Stretch(224, 224)
    "size": {"shortest_edge": 224}                               ShortestEdge(224)
    "resample": 3                                                "bicubic"
    "image_mean", "image_std", "rescale_factor", do_...          Levels

Which classes there are and what each leaves unsaid: `images/families.py`.
"""

from collections.abc import Mapping
from typing import Any

from showtell.core.errors import ConfigError
from showtell.images.levels import Levels, Triple
from showtell.images.placement import Color
from showtell.images.resize import Kernel
from showtell.images.steps import ShortestEdge, Stretch

Settings = Mapping[str, Any]

KERNELS: dict[int, Kernel] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}


def resize_step(settings: Settings) -> ShortestEdge | Stretch:
    """By one number, by {"shortest_edge"} or by {"height", "width"}."""
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
    normal = settings["do_normalize"]
    return Levels(
        scale=scale,
        shift=-1.0 if settings.get("rescale_offset") else 0.0,
        mean=triple(settings, "image_mean") if normal else (0.0, 0.0, 0.0),
        std=triple(settings, "image_std") if normal else (1.0, 1.0, 1.0),
        std_twice=bool(settings.get("include_top")),
    )


def mean_color(settings: Settings) -> Color:
    """The mean as grey levels: a margin of it is near zero after normalising."""
    red, green, blue = triple(settings, "image_mean")
    return int(red * 255), int(green * 255), int(blue * 255)


def triple(settings: Settings, name: str) -> Triple:
    """One number a channel."""
    value = settings[name]
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ConfigError(f"{name}: {value!r} is not one number for each of red, green and blue")
    return float(value[0]), float(value[1]), float(value[2])
