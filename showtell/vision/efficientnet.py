"""EfficientNet-Lite0, a convolutional tower with a feature pyramid (Tan and Le 2019; its "lite" form for phones).

    224 x 224 x 3 -> stem, stride 2 -> seven stages of inverted residuals -> 1 x 1 convolution -> mean -> classes

    stage     1    2    3    4    5    6    7
    stride    2    4    8   16   16   32   32       the last stage of each stride is a level of the pyramid
    width    16   24   40   80  112  192  320

An inverted residual (Sandler et al. 2018, MobileNetV2) is narrow outside and wide inside, and its one spatial
convolution works on each channel alone:

    x -> 1x1, 6 times wider -> k x k on each channel -> 1x1, narrow again -> (+ x, where the shape is kept)

"Lite" means: no squeeze-and-excitation, ReLU6 everywhere, stem and head of fixed width. Weights that come from
TensorFlow pad as TensorFlow does ("same": as many zeros as the stride needs, the odd one at the end), which shifts the
picture by half a pixel against the symmetric padding of PyTorch: the shapes agree and the features do not. Where the
weights come from is `efficientnet_files.py`.
"""

from dataclasses import dataclass
from math import ceil
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from showtell.core.trace import Tap
from showtell.vision.vit import VisionOutput


@dataclass(frozen=True, kw_only=True)
class Stage:
    """`repeats` blocks of one width, the first with `stride`, all with `kernel`, `expand` times wider inside."""

    kernel: int
    stride: int
    expand: int
    width: int
    repeats: int


LITE0_STAGES = (
    Stage(kernel=3, stride=1, expand=1, width=16, repeats=1),
    Stage(kernel=3, stride=2, expand=6, width=24, repeats=2),
    Stage(kernel=5, stride=2, expand=6, width=40, repeats=2),
    Stage(kernel=3, stride=2, expand=6, width=80, repeats=3),
    Stage(kernel=5, stride=1, expand=6, width=112, repeats=3),
    Stage(kernel=5, stride=2, expand=6, width=192, repeats=4),
    Stage(kernel=3, stride=1, expand=6, width=320, repeats=1),
)


@dataclass(frozen=True, kw_only=True)
class EfficientNetConfig:
    """Shape and switches.

    stages: see `Stage`.
    stem_width, head_width: channels of the first and of the last convolution.
    classes: size of the classifier.
    padding: "same" as in TensorFlow, or "symmetric".
    norm_eps: added to the variance of every batch norm.
    """

    stages: tuple[Stage, ...] = LITE0_STAGES
    stem_width: int = 32
    head_width: int = 1280
    classes: int = 1000
    padding: Literal["same", "symmetric"] = "same"
    norm_eps: float = 1e-3


@dataclass(frozen=True)
class Pyramid:
    """Feature maps from fine to coarse, each (batch, width, rows, cols), and their strides in pixels."""

    maps: tuple[Tensor, ...]
    strides: tuple[int, ...]


class SameConv2d(nn.Conv2d):
    """Pads so that the output has ceil(side / stride) rows and columns; where the padding is odd, more at the end."""

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out rows cols"]:
        sides = zip(x.shape[2:], self.stride, self.kernel_size, strict=True)
        rows, cols = (max((ceil(side / stride) - 1) * stride + kernel - side, 0) for side, stride, kernel in sides)
        return super().forward(F.pad(x, (cols // 2, cols - cols // 2, rows // 2, rows - rows // 2)))


class ConvNorm(nn.Module):
    """Convolution, batch norm, activation."""

    def __init__(
        self,
        config: EfficientNetConfig,
        width: int,
        out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: nn.Module | None = None,
    ):
        super().__init__()
        if config.padding == "same" and stride > 1:  # with stride 1 both paddings are the same
            self.conv: nn.Conv2d = SameConv2d(width, out, kernel, stride, groups=groups, bias=False)
        else:
            pad = (stride - 1 + kernel - 1) // 2
            self.conv = nn.Conv2d(width, out, kernel, stride, pad, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=config.norm_eps)
        self.activation = nn.ReLU6() if activation is None else activation

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out rows cols"]:
        return self.activation(self.norm(self.conv(x)))


class Inverted(nn.Module):
    """Widen, mix space, narrow."""

    def __init__(self, config: EfficientNetConfig, width: int, out: int, stage: Stage, stride: int):
        super().__init__()
        inner = width * stage.expand
        self.expand = ConvNorm(config, width, inner) if stage.expand > 1 else nn.Identity()
        self.depthwise = ConvNorm(config, inner, inner, stage.kernel, stride, groups=inner)
        self.project = ConvNorm(config, inner, out, activation=nn.Identity())

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out rows cols"]:
        return self.project(self.depthwise(self.expand(x)))


class InvertedResidual(Inverted):
    """The same where the shape is kept: the input is added."""

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out rows cols"]:
        return x + super().forward(x)


class EfficientNet(nn.Module):
    """Pixels to tokens, to a pyramid, to class scores."""

    def __init__(self, config: EfficientNetConfig):
        super().__init__()
        self.config = config
        self.stem = ConvNorm(config, 3, config.stem_width, kernel=3, stride=2)
        widths = (config.stem_width, *(stage.width for stage in config.stages))
        self.stages = nn.ModuleList(
            make_stage(config, width, stage) for width, stage in zip(widths, config.stages, strict=False)
        )
        self.head = ConvNorm(config, widths[-1], config.head_width)
        self.classifier = nn.Linear(config.head_width, config.classes)
        self.levels = pyramid_levels(config)
        self.tokens = Tap()

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> VisionOutput:
        """Tokens are the cells of the last map after the head; `pooled` is their mean, what the classifier reads."""
        last = self.head(self.stage_maps(pixels)[-1])  # (batch, head_width, rows, cols)
        tokens = self.tokens(last.flatten(2).transpose(1, 2))  # (batch, rows * cols, head_width)
        return VisionOutput(tokens, tokens.mean(dim=1), (last.shape[2], last.shape[3]), tokens[:, :0])

    def pyramid(self, pixels: Float[Tensor, "batch 3 height width"]) -> Pyramid:
        """The last map of each stride."""
        maps = self.stage_maps(pixels)
        return Pyramid(tuple(maps[i] for i in self.levels), tuple(self.levels.values()))

    def logits(self, pooled: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch classes"]:
        return self.classifier(pooled)

    def stage_maps(self, pixels: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        maps = [self.stem(pixels)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]


def make_stage(config: EfficientNetConfig, width: int, stage: Stage) -> nn.Sequential:
    first_kind = InvertedResidual if stage.stride == 1 and width == stage.width else Inverted
    first = first_kind(config, width, stage.width, stage, stage.stride)
    rest = [InvertedResidual(config, stage.width, stage.width, stage, 1) for _ in range(stage.repeats - 1)]
    return nn.Sequential(first, *rest)


def pyramid_levels(config: EfficientNetConfig) -> dict[int, int]:
    """{number of the stage: its stride} for the last stage of each stride; the stem has stride 2."""
    stride, last = 2, {}
    for i, stage in enumerate(config.stages):
        stride *= stage.stride
        last[stride] = i
    return {i: stride for stride, i in last.items()}
