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

from collections.abc import Callable
from dataclasses import dataclass

from showtell.core.errors import ConfigError
from showtell.images.anyres import AnyResConfig, AnyResProcessor
from showtell.images.fixed import FixedConfig, FixedProcessor
from showtell.images.native import BlockConfig, BlockProcessor, FlexConfig, FlexProcessor
from showtell.images.normalize import CLIP_MEAN, CLIP_STD, HALF_MEAN, HALF_STD, IMAGENET_MEAN, IMAGENET_STD
from showtell.images.settings import Settings, extent, kernel, levels, mean_color, resize_step
from showtell.images.smooth import SmoothConfig, SmoothProcessor
from showtell.images.steps import (
    BetweenEdges,
    CenterCrop,
    EvenLongestEdge,
    LongestEdge,
    PadSquare,
    ShortestEdge,
    Step,
)
from showtell.images.tiles import QuarterConfig, QuarterProcessor, TileConfig, TileProcessor

AnyProcessor = (
    FixedProcessor
    | SmoothProcessor
    | TileProcessor
    | QuarterProcessor
    | AnyResProcessor
    | BlockProcessor
    | FlexProcessor
)

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
        crop = extent(settings, "crop_size")
        steps.append(CenterCrop(crop_height=crop["height"], crop_width=crop["width"]))
    return FixedProcessor(FixedConfig(steps=tuple(steps), resample=kernel(settings), levels=levels(settings)))


def letterbox(settings: Settings) -> FixedProcessor:
    """Everything is seen and shapes are kept: Janus."""
    longest = LongestEdge(longest=extent(settings, "size")["height"], at_least=settings["min_size"])
    steps = (longest, PadSquare(fill=mean_color(settings)))[: 2 if settings["do_pad"] else 1]
    return FixedProcessor(FixedConfig(steps=steps, resample=kernel(settings), levels=levels(settings)))


def smooth(settings: Settings) -> SmoothProcessor:
    """Resized between scaling and normalising: DINOv3."""
    size = extent(settings, "size")
    if not (settings["do_resize"] and settings["do_rescale"]) or settings["do_center_crop"]:
        raise ConfigError("do_resize, do_rescale: this processor is read here with both on, and do_center_crop off")
    return SmoothProcessor(
        SmoothConfig(height=size["height"], width=size["width"], resample=kernel(settings), levels=levels(settings))
    )


def tiled(settings: Settings) -> TileProcessor:
    """Stretched to whole tiles, the whole picture last: Idefics3, SmolVLM."""
    size, steps = settings["size"], list[Step]()
    if settings["do_resize"]:
        longest = set(size) == {"longest_edge"}
        steps.append(EvenLongestEdge(longest=size["longest_edge"]) if longest else resize_step(settings))
    return TileProcessor(
        TileConfig(
            steps=tuple(steps),
            tile=settings["max_image_size"]["longest_edge"],
            split=settings["do_image_splitting"],
            resample=kernel(settings),
            levels=levels(settings),
        )
    )


def quartered(settings: Settings) -> QuarterProcessor:
    """Any extent between two edges, with or without quarters: Idefics2."""
    size, steps = settings["size"], list[Step]()
    if settings["do_resize"]:
        edges = set(size) == {"shortest_edge", "longest_edge"}
        between = BetweenEdges(shortest=size["shortest_edge"], longest=size["longest_edge"]) if edges else None
        steps.append(between or resize_step(settings))
    split = settings["do_image_splitting"]
    return QuarterProcessor(
        QuarterConfig(steps=tuple(steps), split=split, resample=kernel(settings), levels=levels(settings))
    )


def any_resolution(settings: Settings) -> AnyResProcessor:
    """The grid that fits best, with margins: LLaVA-NeXT, LLaVA-OneVision."""
    if settings.get("aspect_ratio_setting", "anyres") != "anyres":
        raise ConfigError(f"aspect_ratio_setting: {settings['aspect_ratio_setting']!r} is not known here, 'anyres' is")
    inner = fixed({**settings, "do_pad": False}).config
    size = resize_step(settings)
    whole = (size.shortest, size.shortest) if isinstance(size, ShortestEdge) else (size.height, size.width)
    crop = extent(settings, "crop_size")["height"] if settings.get("crop_size") else whole[0]
    return AnyResProcessor(
        AnyResConfig(
            grids=tuple((height, width) for height, width in settings["image_grid_pinpoints"]),
            tile=crop,
            whole=whole,
            steps=inner.steps,
            margin=mean_color(settings),
            resample=inner.resample,
            levels=inner.levels,
        )
    )


def blocks(settings: Settings) -> BlockProcessor:
    """Native resolution in blocks of patches: Qwen2-VL, Qwen2.5-VL."""
    size = {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280, **settings.get("size", {})}
    if not settings["do_resize"] or set(size) != {"shortest_edge", "longest_edge"}:
        raise ConfigError(f"size: {size} with do_resize={settings['do_resize']} is not two areas in pixels")
    return BlockProcessor(
        BlockConfig(
            patch_size=settings["patch_size"],
            merge_size=settings["merge_size"],
            moments=settings["temporal_patch_size"],
            min_pixels=settings.get("min_pixels", size["shortest_edge"]),
            max_pixels=settings.get("max_pixels", size["longest_edge"]),
            resample=kernel(settings),
            levels=levels(settings),
        )
    )


def flexible(settings: Settings) -> FlexProcessor:
    """Native resolution up to a number of patches: SigLIP 2 NaFlex."""
    if not settings["do_resize"]:
        raise ConfigError("do_resize: patches need a resized picture; False is not known here")
    return FlexProcessor(
        FlexConfig(
            patch_size=settings["patch_size"],
            max_patches=settings["max_num_patches"],
            resample=kernel(settings),
            levels=levels(settings),
        )
    )


BASE: Settings = {
    "do_resize": True, "default_to_square": True, "resample": 3, "do_center_crop": False, "do_rescale": True,
    "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": CLIP_MEAN, "image_std": CLIP_STD,
}  # fmt: skip
IMAGENET: Settings = {"image_mean": IMAGENET_MEAN, "image_std": IMAGENET_STD}
HALF: Settings = {"image_mean": HALF_MEAN, "image_std": HALF_STD}
CROP: Settings = {
    "size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True,
    "default_to_square": False,
}  # fmt: skip

TILED: Settings = {
    **HALF, "size": {"longest_edge": 4 * 364}, "max_image_size": {"longest_edge": 364}, "resample": 1,
    "do_image_splitting": True,
}  # fmt: skip
TILING = ("do_image_splitting", "max_image_size", "do_pad", "video_sampling")
NEXT_GRIDS = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))
ONEVISION_GRIDS = tuple((384 * rows, 384 * columns) for rows in range(1, 7) for columns in range(1, 7))

KINDS: dict[str, Kind] = {
    "CLIP": Kind(build=fixed, defaults=CROP),
    "Bit": Kind(build=fixed, defaults=CROP),
    "Llava": Kind(build=fixed, defaults=CROP, own=("do_pad",)),
    "ViT": Kind(build=fixed, defaults={**HALF, "size": 224, "resample": 2}),
    "Siglip": Kind(build=fixed, defaults={**HALF, "size": 224}),
    "DINOv3ViT": Kind(build=smooth, defaults={**IMAGENET, "size": 224, "resample": 2}),
    "DeiT": Kind(build=fixed, defaults={**IMAGENET, "size": 256, "crop_size": 224, "do_center_crop": True}),
    "Blip": Kind(build=fixed, defaults={"size": 384}),
    "Idefics": Kind(build=fixed, defaults={"size": 224}, own=("image_size",)),
    "EfficientNet": Kind(
        build=fixed,
        defaults={**HALF, "size": 346, "crop_size": 289, "include_top": True},
        own=("rescale_offset", "include_top"),
    ),
    "Idefics2": Kind(
        build=quartered,
        defaults={
            **HALF,
            "size": {"shortest_edge": 378, "longest_edge": 980},
            "resample": 2,
            "do_image_splitting": False,
        },
        own=("do_image_splitting", "do_pad"),
    ),
    "Idefics3": Kind(build=tiled, defaults=TILED, own=TILING),
    "SmolVLM": Kind(build=tiled, defaults=TILED, own=TILING),
    "LlavaNext": Kind(
        build=any_resolution,
        defaults={**CROP, "image_grid_pinpoints": NEXT_GRIDS},
        own=("image_grid_pinpoints", "do_pad", "aspect_ratio_setting"),
    ),
    "LlavaOnevision": Kind(
        build=any_resolution,
        defaults={"size": 384, "image_grid_pinpoints": ONEVISION_GRIDS},
        own=("image_grid_pinpoints", "do_pad"),
    ),
    "Qwen2VL": Kind(
        build=blocks,
        defaults={"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2},
        own=("patch_size", "temporal_patch_size", "merge_size", "min_pixels", "max_pixels"),
    ),
    "Siglip2": Kind(
        build=flexible,
        defaults={**HALF, "resample": 2, "patch_size": 16, "max_num_patches": 256},
        own=("patch_size", "max_num_patches"),
    ),
    "Janus": Kind(build=letterbox, defaults={"size": 384, "min_size": 14, "do_pad": True}, own=("do_pad", "min_size")),
}
