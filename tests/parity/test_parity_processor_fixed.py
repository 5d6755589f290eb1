"""One picture, one array: bit for bit what the reference's Pillow classes make, on files that trip processors up.

The reference is saved to disk and its own file is what we read. Grey levels are compared too: with rescaling and
normalising switched off both sides return them.
"""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from showtell.images.decode import Limits, decode
from showtell.images.families import processor_from_hf
from showtell.images.fixed import FixedProcessor
from showtell.images.smooth import SmoothProcessor

ANY_SIZE = Limits(min_side=1)
EXTENTS = [(37, 53), (96, 41), (33, 33), (121, 50), (5, 9), (50, 121), (31, 1), (1, 40)]
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SQUARE = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}
STRETCHED = {"size": {"height": 28, "width": 21}}
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "clip": ("clip", "CLIP", SQUARE),
    "clip, odd": ("clip", "CLIP", {"size": {"shortest_edge": 29}, "crop_size": {"height": 29, "width": 29}}),
    "clip, oblong": ("clip", "CLIP", {"size": {"shortest_edge": 30}, "crop_size": {"height": 22, "width": 27}}),
    "clip, margins": ("clip", "CLIP", {"size": {"shortest_edge": 24}, "crop_size": {"height": 31, "width": 40}}),
    "clip, one number": ("clip", "CLIP", {"size": 29, "crop_size": 27}),
    "clip, no crop": ("clip", "CLIP", {**STRETCHED, "do_center_crop": False}),
    "clip, crop only": ("clip", "CLIP", {"do_resize": False, "crop_size": {"height": 20, "width": 20}}),
    "vit": ("vit", "ViT", STRETCHED),
    "vit, nearest": ("vit", "ViT", {**STRETCHED, "resample": 0}),
    "siglip": ("siglip", "Siglip", STRETCHED),
    "dinov2": ("bit", "Bit", {**SQUARE, "size": {"shortest_edge": 32}, **IMAGENET}),
    "deit": ("deit", "DeiT", {"size": {"height": 30, "width": 31}, "crop_size": {"height": 24, "width": 27}}),
    "blip": ("blip", "Blip", {"size": {"height": 24, "width": 24}}),
    "idefics": ("idefics", "Idefics", {"image_size": 26}),
    "efficientnet": ("efficientnet", "EfficientNet", STRETCHED),
    "efficientnet, signed": (
        "efficientnet",
        "EfficientNet",
        {**STRETCHED, "rescale_factor": 1 / 127.5, "rescale_offset": True, "include_top": False},
    ),
    "llava": ("llava", "Llava", SQUARE),
    "llava, padded": ("llava", "Llava", {**SQUARE, "do_pad": True}),
    "janus": ("janus", "Janus", {"size": {"height": 32, "width": 32}, "min_size": 6}),
}


def reference_of(kind: str, **settings: Any) -> Any:
    module, name, mine = KINDS[kind]
    imported = __import__(f"transformers.models.{module}.image_processing_pil_{module}", fromlist=[name])
    return getattr(imported, f"{name}ImageProcessorPil")(**{**mine, **settings})


def tensors_of(reference: Any, picture: Any, form: str = "pt") -> Any:
    """Idefics returns the pixels themselves, every other class a batch that holds them."""
    made = reference(picture, return_tensors=form)
    return (made["pixel_values"] if hasattr(made, "keys") else made)[0]


def ours_of(settings: dict[str, Any]) -> FixedProcessor:
    processor = processor_from_hf(settings)
    assert isinstance(processor, FixedProcessor)
    return processor


def saved(reference: Any, folder: Path) -> dict[str, Any]:
    reference.save_pretrained(folder)
    settings: dict[str, Any] = json.loads((folder / "preprocessor_config.json").read_text())
    return settings


def colors(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_is_equal_to_the_last_bit(kind: str, tmp_path: Path) -> None:
    reference = reference_of(kind)
    ours = ours_of(saved(reference, tmp_path))
    for height, width in EXTENTS:
        image = Image.fromarray(colors(height, width))
        theirs = tensors_of(reference, image)
        processed = ours(decode(image, ANY_SIZE))
        assert processed.pixels.shape == theirs.shape, (height, width)
        assert torch.equal(processed.pixels, theirs), (height, width)
        assert processed.view.target.box.xyxy == (0, 0, theirs.shape[2], theirs.shape[1])


@pytest.mark.parametrize("kind", KINDS)
def test_grey_levels_are_equal_before_any_number_is_made(kind: str) -> None:
    reference = reference_of(
        kind, do_rescale=False, do_normalize=False, **({"include_top": False} if "eff" in kind else {})
    )
    ours = ours_of({**reference.to_dict(), "rescale_offset": False})
    for height, width in EXTENTS:
        picture = decode(colors(height, width), ANY_SIZE)
        theirs = tensors_of(reference, Image.fromarray(picture.pixels), "np")
        np.testing.assert_array_equal(ours.pixels(picture).transpose(2, 0, 1), theirs.astype(np.uint8))


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def odd_files() -> dict[str, bytes]:
    picture = Image.fromarray(colors(37, 53))
    alpha = picture.copy()
    alpha.putalpha(Image.fromarray(colors(37, 53)[:, :, 0]))
    palette = picture.quantize(17)
    return {
        "grey": file_of(picture.convert("L")),
        "grey with alpha": file_of(alpha.convert("LA")),
        "alpha": file_of(alpha),
        "palette": file_of(palette),
        "palette with a transparent color": file_of(palette, transparency=3),
        "two colors": file_of(picture.convert("1")),
        "jpeg": file_of(picture, "JPEG", quality=80),
        "webp": file_of(alpha, "WEBP", quality=70),
    }


@pytest.mark.parametrize("name", odd_files())
def test_every_kind_of_file_has_the_same_pixels(name: str) -> None:
    data = odd_files()[name]
    for kind in ("clip", "siglip"):
        reference = reference_of(kind)
        theirs = tensors_of(reference, Image.open(BytesIO(data)))
        assert torch.equal(ours_of(reference.to_dict())(decode(data)).pixels, theirs)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_turned_once(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    Image.fromarray(colors(37, 53)).save(path, exif=exif)
    reference = reference_of("clip")
    theirs = tensors_of(reference, str(path))  # only paths are turned by the reference
    assert torch.equal(ours_of(reference.to_dict())(decode(path)).pixels, theirs)


def test_sixteen_bits_are_scaled_where_the_reference_clips() -> None:
    """The one file on which we differ on purpose: the reference turns every level above 255 of 65535 into white."""
    ramp = np.linspace(0, 65535, 37 * 53).reshape(37, 53).astype(np.uint16)
    data = file_of(Image.fromarray(ramp))
    reference = reference_of("clip", do_rescale=False, do_normalize=False)
    theirs = tensors_of(reference, Image.open(BytesIO(data)), "np")
    eight_bits = Image.fromarray(((ramp.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
    wanted = tensors_of(reference, eight_bits, "np")
    ours = ours_of(reference.to_dict()).pixels(decode(data)).transpose(2, 0, 1)
    assert theirs.mean() > 250
    np.testing.assert_array_equal(ours, wanted)


@pytest.mark.parametrize(("resample", "mode"), [(2, "bilinear"), (3, "bicubic")])
def test_dinov3_resizes_in_real_numbers(resample: int, mode: str) -> None:
    """Its class needs torchvision, which calls the interpolation below; so that is the oracle."""
    settings = {"image_processor_type": "DINOv3ViTImageProcessorFast", "size": {"height": 23, "width": 31}}
    ours = processor_from_hf({**settings, "resample": resample})
    assert isinstance(ours, SmoothProcessor)
    mean, std = (torch.tensor(IMAGENET[name])[:, None, None] for name in ("image_mean", "image_std"))
    for height, width in EXTENTS:
        pixels = colors(height, width)
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() * (1 / 255)
        resized = torch.nn.functional.interpolate(image, (23, 31), mode=mode, antialias=True)[0]
        processed = ours(decode(pixels, ANY_SIZE))
        torch.testing.assert_close(processed.pixels, (resized - mean) / std, atol=1e-5, rtol=0)
        assert processed.view.source.box.xyxy == (0, 0, width, height)
