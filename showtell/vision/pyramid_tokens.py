"""Image tokens from two levels of a convolutional pyramid, for a decoder that must also see small things.

    stride 32   (batch, 1280, 7, 7)    after the head: what the classifier reads, good at names
    stride 16   (batch,  112, 14, 14)  the level before, each 2 x 2 square folded into one cell: (batch, 448, 7, 7)
                                       finer places, and colours that naming does not need
    tokens      [ normed 1280 | normed 448 ]          (batch, 49, 1728)

Each half is normalised by itself (a LayerNorm without gain), because their scales differ tenfold and a bridge that
starts from noise would see only the louder one. Nothing here is learned: the weights are those of the network inside.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from showtell.vision.efficientnet import EfficientNet
from showtell.vision.vit import VisionOutput


class PyramidTokens(nn.Module):
    """An EfficientNet read as a tower of tokens. Pictures whose sides divide by 32."""

    def __init__(self, network: EfficientNet):
        super().__init__()
        self.network = network
        self.fine, self.coarse = list(network.levels)[-2:]  # stages that end the two last strides
        self.dim = network.config.head_width + 4 * network.config.stages[self.fine].width

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> VisionOutput:
        maps = self.network.stage_maps(pixels)
        head = self.network.head(maps[self.coarse])  # (batch, head_width, rows, cols)
        folded = F.pixel_unshuffle(maps[self.fine], 2)  # (batch, 4 width, rows, cols)
        levels = [level.flatten(2).transpose(1, 2) for level in (head, folded)]  # (batch, rows * cols, channels)
        tokens = torch.cat([F.layer_norm(level, level.shape[-1:]) for level in levels], dim=-1)
        return VisionOutput(tokens, tokens.mean(dim=1), (head.shape[2], head.shape[3]), tokens[:, :0])
