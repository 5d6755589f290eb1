"""Tools: what a view may use beside its state: the loaded model, the photographs, and a memory for slow parts.

One set of tools serves every reader. Whoever runs a view holds the model's lock (`runner.py`), so nothing in here needs
one of its own. A model that lacks what a demo needs is said so in one sentence (`Unavailable`), in the figure's place.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from showtell.contrastive.dual_encoder import DualEncoder
from showtell.contrastive.duets import open_duets
from showtell.images.decode import Picture, decode
from showtell.images.normalize import to_float
from showtell.images.resize import resize
from showtell.studio.limits import RequestError
from showtell.vision.vit import VisionTransformer

SAMPLES = Path(__file__).parents[2] / "pocket" / "samples"
MODELS = Path(__file__).parents[1] / "models"
PHOTOS = {
    "cat": "cat",
    "coffee": "coffee",
    "rocket": "rocket",
    "astronaut": "astronaut",
    "coins": "coins",
    "cameraman": "cameraman",
}
"""Sample photographs by name; each is `<name>.jpg` in the package."""
KEPT = 128
T = TypeVar("T")


class Unavailable(RequestError):
    """The loaded model cannot serve this demo."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, 409)


class Tools:
    """A loaded model, photographs, and a bounded memory."""

    def __init__(self, assistant: Any, samples: Path = SAMPLES) -> None:
        self.assistant, self.samples = assistant, samples
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    @property
    def model_name(self) -> str:
        return str(self.assistant.name)

    @property
    def tower(self) -> VisionTransformer:
        """The vision tower; raises Unavailable when the model has none of the library's own kind."""
        tower = getattr(getattr(self.assistant, "model", None), "vision", None)
        if not isinstance(tower, VisionTransformer):
            raise Unavailable(f"This figure looks into a vision transformer, and the model {self.model_name} has none.")
        return tower

    def picture(self, name: str) -> Picture:
        return self.remember(("picture", name), lambda: decode(self.samples / f"{name}.jpg"))

    def photo(self, name: str, side: int) -> Float[Tensor, "3 side side"]:
        """The middle square of a photograph, resized; 0..1."""
        return self.remember(("photo", name, side), lambda: middle_square(self.picture(name), side))

    def seen(self, name: str) -> Float[Tensor, "3 height width"]:
        """A photograph as the loaded model is given it: laid into the view and normalised."""
        return self.remember(("seen", name), lambda: self.assistant.processor(self.picture(name)).pixels)

    def duets(self, name: str) -> DualEncoder:
        """One of the small pairs of `recipes/duets.py`: "plain", or "twins" (trained with hard negatives)."""
        return self.remember(("duets", name), lambda: open_duets(MODELS / f"duets-{name}.safetensors"))

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """`make()`, once for each key, as long as there is room."""
        if key not in self._kept:
            with torch.no_grad():
                self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def middle_square(picture: Picture, side: int) -> Float[Tensor, "3 side side"]:
    height, width = picture.pixels.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return to_float(resize(picture.pixels[top : top + short, left : left + short], side, side, "bicubic"))
