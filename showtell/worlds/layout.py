"""A picture in the making: what is where, and whether one more thing may be laid down.

    lay one down:  it stands out from what is behind it
                   every thing under it keeps VISIBLE of its pixels in sight, a word keeps all
                   owner[solid] = its number

`owner` is the only truth about what can be seen: boxes are read from it when the picture is finished, and a thing of
which too little is left is dropped. Not here: which things there are (`contents.py`), how one is drawn (`sprites.py`).
"""

import numpy as np
from jaxtyping import UInt8

from showtell.core.geometry import Box, Frame
from showtell.worlds.backgrounds import Canvas
from showtell.worlds.dice import Dice
from showtell.worlds.facts import CLEAR_SIZE, Item
from showtell.worlds.shapes import COLORS, shade
from showtell.worlds.sprites import Sprite

VISIBLE = 0.55  # of its own pixels: what every thing keeps in sight
MOST_THINGS = 10
TRIES = 16
_SHADES = np.array([shade(color, 0.5, 0.5, 0.5) for color in COLORS], dtype=np.float32).T[:, :, None]


class Layout:
    """A picture in the making: what is where, and whether one more thing may be laid down."""

    def __init__(self, canvas: Canvas, overlap: bool) -> None:
        self.canvas = canvas
        self.height, self.width = canvas.shape[1:]
        self.kinds: list[str] = []
        self._overlap = overlap
        self._owner = np.zeros((self.height, self.width), dtype=np.uint8)
        self._sprites: list[tuple[Sprite, int, int]] = []
        self._left: list[int] = []  # solid pixels of each thing that can still be seen
        self._words: list[tuple[int, int, int, int]] = []
        self._shadow = 0.0
        step = max(1, min(self.height, self.width) // 7)
        self._behind = canvas[:, step // 2 :: step, step // 2 :: step].reshape(3, -1)
        alike = np.abs(self._behind[:, None, :] - _SHADES).sum(0) < 135
        share = (np.count_nonzero(alike, axis=1) / alike.shape[1]).tolist()
        self.distinct_colors = [color for color, part in zip(COLORS, share, strict=True) if part < 0.08]

    def ink(self, dice: Dice) -> tuple[float, float, float] | None:
        """A colour for plain letters, far in brightness from everything behind; None over a mixed ground."""
        bright = np.array((0.3, 0.59, 0.11), dtype=np.float32) @ self._behind
        low, high = float(bright.min()), float(bright.max())
        if low > 125:
            return dice.between(0, 50), dice.between(0, 50), dice.between(0, 50)
        if high < 130:
            return dice.between(215, 255), dice.between(215, 255), dice.between(215, 255)
        return None

    def place(self, sprite: Sprite, dice: Dice) -> bool:
        """Lay a sprite down at a random place that is allowed; False when none was found."""
        height, width = sprite.alpha.shape
        if height > self.height or width > self.width or sprite.pixels < 24 or len(self._sprites) >= MOST_THINGS:
            return False
        x1, y1, x2, y2 = sprite.extent
        if min(x2 - x1, y2 - y1) < 5:
            return False
        for _ in range(TRIES):
            x, y = dice.below(self.width - width + 1), dice.below(self.height - height + 1)
            if self._allowed(sprite, x, y) and self._stands_out(sprite, x, y):
                self._lay(sprite, x, y, dice)
                return True
        return False

    def _allowed(self, sprite: Sprite, x: int, y: int) -> bool:
        height, width = sprite.alpha.shape
        for x1, y1, x2, y2 in self._words:
            if x < x2 + 1 and x + width > x1 - 1 and y < y2 + 1 and y + height > y1 - 1:
                return False
        if not self._sprites:
            return True
        under = self._owner[y : y + height, x : x + width]
        if not under.any():
            return True
        if sprite.kind == "word" or not self._overlap:
            return not bool(under[sprite.solid].any())
        hidden = np.bincount(under[sprite.solid], minlength=len(self._left) + 1).tolist()
        return all(
            left - lost >= VISIBLE * below[0].pixels
            for left, lost, below in zip(self._left, hidden[1:], self._sprites, strict=True)
        )

    def _stands_out(self, sprite: Sprite, x: int, y: int) -> bool:
        height, width = sprite.alpha.shape
        step = 1 if sprite.kind == "word" else 2 if height < 28 else 3
        behind = self.canvas[:, y : y + height : step, x : x + width : step]
        difference = np.abs(behind - sprite.premultiplied[:, ::step, ::step])
        solid = sprite.solid[::step, ::step]
        alike = (difference[0] + difference[1] + difference[2] < 85) & solid
        near = int(np.count_nonzero(alike)) / max(1, int(np.count_nonzero(solid)))
        return near < (0.12 if sprite.kind == "shape" else 0.30)

    def _lay(self, sprite: Sprite, x: int, y: int, dice: Dice) -> None:
        height, width = sprite.alpha.shape
        if not self._sprites:
            self._shadow = dice.between(0.15, 0.45) if dice.chance(0.3) else 0.0
        if self._shadow:
            dy = min(self.height - height - y, 1 + height // 16)
            dx = min(self.width - width - x, 1 + width // 20)
            shadow = self.canvas[:, y + dy : y + dy + height, x + dx : x + dx + width]
            shadow *= 1 - np.float32(self._shadow) * sprite.alpha
        window = self.canvas[:, y : y + height, x : x + width]
        window *= 1 - sprite.alpha
        window += sprite.premultiplied
        owner = self._owner[y : y + height, x : x + width]
        if self._sprites and self._overlap:
            hidden = np.bincount(owner[sprite.solid], minlength=len(self._left) + 1).tolist()
            self._left = [left - lost for left, lost in zip(self._left, hidden[1:], strict=True)]
        self._sprites.append((sprite, x, y))
        owner[sprite.solid] = len(self._sprites)
        self._left.append(sprite.pixels)
        self.kinds.append(sprite.name)
        if sprite.kind == "word":
            self._words.append((x, y, x + width, y + height))

    def finish(self) -> tuple[tuple[Item, ...], UInt8[np.ndarray, "height width"]]:
        """The items that can be seen, numbered without gaps, and which of them owns each pixel."""
        frame = Frame(self.width, self.height)
        seen: list[tuple[Sprite, Box, int]] = []
        for number, ((sprite, x, y), left) in enumerate(zip(self._sprites, self._left, strict=True), start=1):
            x1, y1, x2, y2 = sprite.extent
            if left < sprite.pixels:
                height, width = sprite.alpha.shape
                own = self._owner[y : y + height, x : x + width] == number
                rows, columns = own.any(1).nonzero()[0], own.any(0).nonzero()[0]
                x1, y1, x2, y2 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
            if left < 20 or min(x2 - x1, y2 - y1) < 5:
                self._owner[self._owner == number] = 0
                continue
            seen.append((sprite, Box(float(x + x1), float(y + y1), float(x + x2), float(y + y2), frame), x))
            if len(seen) != number:
                self._owner[self._owner == number] = len(seen)
        areas = [box.area for _, box, _ in seen]
        names = [sprite.name for sprite, _, _ in seen]
        items = tuple(
            Item(
                kind=sprite.kind,
                name=sprite.name,
                color=sprite.color,
                text=sprite.text,
                size=_size_word(i, names, areas),
                box=box,
                center=box.center,
                instance=sprite.instance,
                index=i,
                letters=tuple(x + border for border in sprite.letters),
            )
            for i, (sprite, box, x) in enumerate(seen)
        )
        return items, self._owner


def _size_word(i: int, names: list[str], areas: list[float]) -> str | None:
    """The word "large" or "small" where exactly two things share a name and differ clearly."""
    same = [j for j, name in enumerate(names) if name == names[i]]
    if len(same) != 2:
        return None
    ratio = areas[i] / areas[same[0] if same[1] == i else same[1]]
    return "large" if ratio >= CLEAR_SIZE else "small" if ratio <= 1 / CLEAR_SIZE else None
