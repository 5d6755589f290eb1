"""EfficientNet-Lite0 against timm 1.0.31, by numbers timm computed.

timm needs torchvision to be imported, and there is no torchvision for the CPU build of torch; so its outputs are kept
in `golden_efficientnet.safetensors`, made once with stand-ins for torchvision:

    model = timm.create_model(architecture, num_classes=7).eval(); model.load_state_dict(drawn(model.state_dict()))
    model.forward_intermediates(PIXELS, intermediates_only=True), model.forward_features(PIXELS), model(PIXELS)

Sides are odd, where TensorFlow's padding and PyTorch's differ. On the real weights of the registry package our maps
were equal to timm's to the bit on that day.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from reference import assert_close, assert_same_files, noise
from safetensors.torch import load_file, save_file
from torch import Tensor

from showtell.core.errors import CheckpointError, ConfigError
from showtell.vision import efficientnet_files as files
from showtell.vision.efficientnet import EfficientNet

GOLDEN = Path(__file__).with_name("golden_efficientnet.safetensors")
PIXELS = noise(2, 3, 39, 26)


def drawn(tensors: Mapping[str, Tensor], seed: int = 1) -> dict[str, Tensor]:
    """Every floating tensor redrawn, in order of its name, so that activations stay of moderate size in all stages."""
    generator = torch.Generator().manual_seed(seed)
    result: dict[str, Tensor] = {}
    for name, old in sorted(tensors.items()):
        x = torch.randn(old.shape, generator=generator) if old.is_floating_point() else old.clone()
        if name.endswith("running_var"):
            x = 0.5 + x.abs()
        elif x.dim() > 1:
            x = x * (2 / x[0].numel()) ** 0.5
        elif old.is_floating_point():
            x = 0.2 * x + (1 if name.endswith("weight") else 0)
        result[name] = x
    return result


def write_folder(folder: Path, architecture: str) -> None:
    config = {"architecture": architecture, "num_classes": 7}
    tensors = drawn(files.to_hf(EfficientNet(files.config_from_hf(config))))
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("architecture", ["tf_efficientnet_lite0", "efficientnet_lite0"])
def test_maps_tokens_and_scores(tmp_path: Path, architecture: str) -> None:
    write_folder(tmp_path, architecture)
    network = files.load(tmp_path)
    golden = {name.removeprefix(f"{architecture}."): t for name, t in load_file(GOLDEN).items()}
    with torch.no_grad():
        pyramid, out = network.pyramid(PIXELS), network(PIXELS)
        scores = network.logits(out.pooled)
    assert pyramid.strides == (2, 4, 8, 16, 32)
    for level, ours in enumerate(pyramid.maps):
        assert_close(ours, golden[f"maps.{level}"])
    assert_close(out.tokens, golden["features"].flatten(2).transpose(1, 2))
    assert_close(scores, golden["logits"])
    assert out.grid == (2, 1)
    assert_same_files(files.to_hf(network), tmp_path)


def test_the_package_file_bears_other_names_and_says_the_same(tmp_path: Path) -> None:
    network = EfficientNet(files.TF_LITE0)
    network.load_state_dict(drawn(network.state_dict()))
    named = files.names_for_hf(network, files.package_keys())
    assert "_blocks.15._depthwise_conv.weight" in named and "_blocks.0._expand_conv.weight" not in named
    torch.save(named, tmp_path / "lite0.pth")
    ours = files.load_package(tmp_path / "lite0.pth")
    with torch.no_grad():
        assert torch.equal(ours(PIXELS).tokens, network.eval()(PIXELS).tokens)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="architecture.*resnet50"):
        files.config_from_hf({"architecture": "resnet50"})
    with pytest.raises(CheckpointError, match="no such file"):
        files.load_package(tmp_path / "none.pth")
    (tmp_path / "bad.pth").write_bytes(b"\x80\x02not a checkpoint")
    with pytest.raises(CheckpointError, match="damaged, or not a file of plain tensors"):
        files.load_package(tmp_path / "bad.pth")
    torch.save({"_conv_stem.weight": Path}, tmp_path / "code.pth")
    with pytest.raises(CheckpointError, match="plain tensors|named tensors"):
        files.load_package(tmp_path / "code.pth")
