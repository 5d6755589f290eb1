"""Words that stand in pictures: which ones, in which letters, and how they are drawn.

Every word is upper case, 2 to 6 letters. One word in six and one typeface are held out of training, and one training
word in ten is a random string of letters, so that reading cannot be replaced by remembering the list. The typefaces are
subsets (A to Z) of fonts under the SIL Open Font License, shipped in `assets/fonts`: a picture does not depend
on what a machine has installed. Not here: where a word goes and on what plate (`contents.py`).
"""

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFont

TRAIN_FONTS = ("sans.ttf", "typewriter.otf", "humanist.otf", "comic.otf", "condensed.otf", "rounded.ttf")
HELD_OUT_FONTS = ("serif.ttf",)

_ALL = """
OPEN CLOSED STOP GO EXIT ENTER PUSH PULL HELP SALE FREE HOT COLD WET DRY UP DOWN LEFT RIGHT IN OUT ON OFF YES NO MENU
CAFE BAR TAXI BUS TRAIN CAR BIKE SHIP PLANE ROAD STREET PARK ZOO BEACH HOTEL BANK POST SHOP STORE MARKET SCHOOL HOME
HOUSE ROOM DOOR GATE WALL BOX BAG CUP TEA COFFEE MILK BREAD CAKE PIE EGG FISH MEAT SOUP RICE SALT SUGAR APPLE PEAR PLUM
LEMON BEAN CORN PEA NUT OIL JAM HONEY PIZZA TACO SUSHI CAT DOG COW PIG HEN DUCK FOX WOLF BEAR LION TIGER ZEBRA HORSE
SHEEP GOAT MOUSE RAT BAT OWL EAGLE CROW SWAN ANT BEE FLY FROG TOAD SNAKE SHARK WHALE SEAL CRAB SUN MOON STAR SKY CLOUD
RAIN SNOW WIND STORM FIRE ICE WATER RIVER LAKE SEA OCEAN HILL ROCK SAND TREE LEAF ROSE GRASS FARM FIELD RED BLUE GREEN
BLACK WHITE PINK BROWN GRAY GOLD ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN DAY NIGHT WEEK MONTH YEAR NOW SOON
LATE EARLY FAST SLOW BIG SMALL TALL SHORT LONG WIDE NEW OLD YOUNG GOOD BAD BEST NICE HAPPY SAD LOVE HOPE LUCK PLAY GAME
BALL TOY KITE DRUM BELL PIANO MUSIC SONG DANCE SING READ WRITE DRAW PAINT BOOK PAGE MAP NOTE PEN INK CARD GIFT PARTY
CLOCK TIME LAMP LIGHT CHAIR TABLE BED SOFA DESK HAT COAT SHOE SOCK BOOT SHIRT GLOVE SCARF RING KING QUEEN KNIGHT ARMY
TEAM WIN LOSE RACE JUMP RUN WALK SWIM RIDE SAIL CLIMB EAT DRINK SLEEP WORK REST WAIT STAY COME BACK NEXT FIRST LAST
NORTH SOUTH EAST WEST CITY TOWN LAND WORLD EARTH MARS SPACE ROBOT PHONE RADIO MOVIE CAMERA
"""
WORDS = tuple(dict.fromkeys(_ALL.split()))
HELD_OUT_WORDS = WORDS[3::6]
TRAIN_WORDS = tuple(word for word in WORDS if word not in set(HELD_OUT_WORDS))
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@lru_cache(maxsize=256)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    path = Path(__file__).with_name("assets") / "fonts" / name
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=4096)
def _letters(word: str, font: str, size: int) -> UInt8[np.ndarray, "height width"]:
    mask = _font(font, size).getmask(word, mode="L")
    return np.asarray(mask, dtype=np.uint8).reshape(mask.size[1], mask.size[0])


@lru_cache(maxsize=4096)
def _borders(word: str, font: str, size: int) -> tuple[float, ...]:
    """Where each letter begins, and the last one ends, in pixels from the left of the word's mask."""
    typeface = _font(font, size)
    left = typeface.getbbox(word)[0]
    return tuple(typeface.getlength(word[:i]) - left for i in range(len(word) + 1))


def letters(
    word: str, font: str, size: int, angle_deg: float = 0.0
) -> tuple[UInt8[np.ndarray, "height width"], tuple[float, ...]]:
    """Coverage 0..255 of a word's letters, cropped to them, and the x of the borders between them, first and last
    included (of slanted words: along the middle line). `size` is the font size in pixels."""
    mask, borders = _letters(word, font, size), _borders(word, font, size)
    if angle_deg:
        middle = mask.shape[1] / 2
        turned = Image.fromarray(mask).rotate(angle_deg, Image.Resampling.BICUBIC, expand=True)
        mask = np.asarray(turned)
        rows, columns = np.flatnonzero(mask.max(1) > 32), np.flatnonzero(mask.max(0) > 32)
        shift, shrink = mask.shape[1] / 2 - float(columns[0]), math.cos(math.radians(angle_deg))
        borders = tuple((x - middle) * shrink + shift for x in borders)
        mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return mask, borders
