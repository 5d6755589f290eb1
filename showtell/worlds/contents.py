"""Contents: what is laid on a background, thing by thing.

    single    one cut-out that fills most of the frame         equal    2 to 8 things of one name, then up to two others
    various   1 to 7 shapes and cut-outs, some twice           word     letters, plain or on a sign

The more things, the smaller each is. A thing that finds no place is left out: what the picture holds is read from the
layout when it is finished. Not here: which of these a picture is (`scene.py`), what its split allows
(`repertoire.py`), where a thing may lie (`layout.py`).
"""

from showtell.worlds.dice import Dice
from showtell.worlds.layout import Layout
from showtell.worlds.repertoire import Repertoire
from showtell.worlds.shapes import SHAPES
from showtell.worlds.sprites import Sprite, cutout_sprite, shape_sprite, sign_sprite, word_sprite
from showtell.worlds.words import LETTERS

# how many things, and how large (of the picture's side) when there are so many
_NUMBERS = ((1, 0.17), (2, 0.24), (3, 0.24), (4, 0.17), (5, 0.10), (6, 0.05), (7, 0.03))
_SIDES = {
    1: (0.25, 0.75),
    2: (0.20, 0.52),
    3: (0.19, 0.44),
    4: (0.18, 0.37),
    5: (0.17, 0.32),
    6: (0.16, 0.28),
    7: (0.15, 0.25),
    8: (0.15, 0.23),
}


class Contents:
    """Lays things on a background, as far as the repertoire of a split allows."""

    def __init__(
        self, repertoire: Repertoire, image_size: int, patterned_share: float = 0.0, random_word_share: float = 0.12
    ) -> None:
        self._may = repertoire
        self._image_size = image_size
        self._patterned_share = patterned_share
        self._random_word_share = random_word_share

    def single(self, layout: Layout, dice: Dice) -> None:
        """One cut-out as in a photograph of it; on a plain ground when it does not stand out from this one."""
        side = min(layout.width, layout.height) * dice.between(0.70, 1.0)
        sprite = self._cutout(side, dice)
        if sprite is None or max(sprite.alpha.shape) > min(layout.width, layout.height):
            sprite = self._cutout(0.68 * min(layout.width, layout.height), dice)
        if sprite is not None and not layout.place(sprite, dice):
            bright = float(sprite.premultiplied.sum()) / (3 * float(sprite.alpha.sum()) + 1e-6)
            layout.canvas[:] = dice.between(0, 40) if bright > 128 else dice.between(215, 255)
            layout.place(sprite, dice)

    def equal(self, layout: Layout, side: float, dice: Dice) -> None:
        """2 to 8 things of one name and, most often, one colour; then up to two others."""
        number = 2 + dice.below(7)
        base = side * dice.between(*_SIDES[number])
        with_shapes = not self._may.cutouts or self._may.split == "composition" or dice.chance(0.5)
        category = dice.choice(self._may.categories) if self._may.cutouts else None
        first = self._shape(layout, base, dice) if with_shapes else None
        one_color = dice.chance(0.7) and first is not None and first.color is not None
        for _ in range(number):
            size = base * dice.between(0.85, 1.15)
            if first is None and category:
                sprite = self._cutout(max(size, 0.21 * side), dice, category)
            elif first is None:
                return
            elif one_color:
                sprite = shape_sprite(first.name, str(first.color), size, dice)
            else:
                sprite = self._shape(layout, size, dice, first.name)
            if sprite is not None:
                layout.place(sprite, dice)
        if number < 7:
            for _ in range(dice.below(3)):
                self._thing(layout, "mixed", base, dice)

    def various(self, layout: Layout, kind: str, side: float, dice: Dice) -> None:
        """1 to 7 things, some of them of a name that is already there."""
        number = dice.weighted(_NUMBERS)
        for i in range(number):
            if i and layout.kinds and dice.chance(0.22):  # again something that is already there
                again, size = dice.choice(layout.kinds), side * dice.between(*_SIDES[number])
                if again in self._may.colors_of:
                    sprite = self._shape(layout, size, dice, again)
                elif again in self._may.cutouts:
                    sprite = self._cutout(max(1.15 * size, 0.25 * side), dice, again)
                else:
                    continue
                if sprite is not None:
                    layout.place(sprite, dice)
            else:
                force = i == 0 and self._may.split == "composition"
                self._thing(layout, "shapes" if force else kind, side * dice.between(*_SIDES[number]), dice)

    def word(self, layout: Layout, dice: Dice) -> None:
        """A word, as plain letters or on a sign; a few are only letters. A split of unseen words keeps to its list."""
        text = dice.choice(self._may.words)
        if self._may.split != "word" and dice.chance(self._random_word_share):
            text = "".join(dice.choice(LETTERS) for _ in range(2 + dice.below(4)))
        font, unit = dice.choice(self._may.fonts), self._image_size / 96
        most = (layout.width - 2, layout.height - 2)
        for _ in range(5):
            size = round(unit * dice.between(13, 26))
            if dice.chance(0.55) and layout.distinct_colors:
                sprite = sign_sprite(text, font, size, dice.choice(layout.distinct_colors), dice, most)
            else:
                ink = layout.ink(dice)
                sprite = word_sprite(text, font, size, ink, dice, most) if ink else None
            if sprite is not None and layout.place(sprite, dice):
                return

    def _thing(self, layout: Layout, kind: str, size: float, dice: Dice) -> None:
        """A new thing; a second one is tried when the first finds no place."""
        for _ in range(2):
            if kind == "shapes" or not self._may.cutouts or (kind == "mixed" and dice.chance(0.5)):
                sprite = self._shape(layout, size, dice)
            else:
                sprite = self._cutout(max(1.25 * size, 0.26 * self._image_size), dice)
            if sprite is not None and layout.place(sprite, dice):
                return

    def _shape(self, layout: Layout, side: float, dice: Dice, shape: str | None = None) -> Sprite | None:
        """A shape in a colour that the background does not have, or in two of them."""
        shape = shape or dice.choice(tuple(SHAPES))
        if len(layout.distinct_colors) > 1 and dice.chance(self._patterned_share):
            first, second = dice.shuffled(layout.distinct_colors)[:2]
            return shape_sprite(shape, first, side, dice, second)
        colors = [color for color in self._may.colors_of[shape] if color in layout.distinct_colors]
        return shape_sprite(shape, dice.choice(colors), side, dice) if colors else None

    def _cutout(self, side: float, dice: Dice, category: str | None = None) -> Sprite | None:
        """A cut-out of a category, or of any."""
        cutout = dice.choice(self._may.cutouts[category or dice.choice(self._may.categories)])
        assert self._may.pack is not None
        most = 0.62 * self._image_size
        return cutout_sprite(self._may.pack.rgba(cutout), cutout.category, cutout.instance, side, most, dice)
