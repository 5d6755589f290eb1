"""The conventions in which published models write boxes and points, one name each.

    DIALECTS["llava"].write([Labelled("dog", [box])])     ->  "dog [0.12, 0.25, 0.48, 0.90]"
    DIALECTS["qwen2-vl"].read(text, frame).found          ->  (Found(shape=Box(...), label="dog", ...),)

`frame` is the frame that the numbers refer to, and each entry says in words which one that is: for LLaVA the padded
square, for Qwen2.5-VL the picture as the processor resized it. `ViewTransform.to_original` (`images/view.py`) takes
the shapes from there to the picture. Reading and writing take about ten microseconds a box. Mean IoU of a box with
what comes back, by side of the box (20,000 boxes; held by the tests):

    side                                                     1 %    2 %    5 %    10 %   30 %
    llava, showui, seeclick (two decimals)                   0.37   0.61   0.82   0.90   0.97
    shikra, qwen*, deepseek, gemini, florence-2, cogagent    0.90   0.95   0.98   0.99   1.00
    doctags (500 steps), moondream                           0.82   0.90   0.96   0.98   0.99
    kosmos-2 (32 patches)                                    0.09   0.29   0.55   0.73   0.90
    qwen2.5-vl (pixels, 1932 x 1092)                         0.93   0.96   0.99   0.99   1.00

Whether a model's numbers are in one space or another is a fact about the model; no entry looks at how large they are.
Our own convention is `coordinates.py`.
"""

from showtell.text.axis import Axis
from showtell.text.dialects_markup import JsonDialect, MolmoDialect
from showtell.text.dialects_numbers import NumbersDialect
from showtell.text.dialects_tokens import CODES, PatchDialect, TokensDialect

Dialect = NumbersDialect | TokensDialect | PatchDialect | JsonDialect | MolmoDialect

ORIGINAL = "the original picture"
SQUARE = "the square that the picture was padded to, centred"
RESIZED = "the picture as the processor resized it"

DIALECTS: dict[str, Dialect] = {
    "llava": NumbersDialect(Axis(scale=1, places=2), SQUARE, box="[{}, {}, {}, {}]", point="[{}, {}]"),
    "shikra": NumbersDialect(
        Axis(scale=1, places=3), SQUARE, box="{},{},{},{}", point="{},{}", opening="[", closing="]", between=";"
    ),
    # Its own evaluation divides by 999; SeeClick's, of the same model, by 1000.
    "qwen-vl": NumbersDialect(
        Axis(scale=999),
        ORIGINAL,
        box="({},{}),({},{})",
        point="({},{})",
        opening="<box>",
        closing="</box>",
        label="<ref>{}</ref>",
    ),
    "qwen2-vl": NumbersDialect(
        Axis(scale=1000, top=999),
        ORIGINAL,
        box="({},{}),({},{})",
        point="({},{})",
        opening="<|box_start|>",
        closing="<|box_end|>",
        label="<|object_ref_start|>{}<|object_ref_end|>",
    ),
    "qwen2.5-vl": JsonDialect(Axis(scale="pixels"), RESIZED, "bbox_2d", "point_2d"),
    "qwen3-vl": JsonDialect(Axis(scale=1000), ORIGINAL, "bbox_2d", "point_2d"),
    "gemini": JsonDialect(Axis(scale=1000, order="yx"), ORIGINAL, "box_2d", "point"),
    "deepseek-vl2": NumbersDialect(
        Axis(scale=999),
        ORIGINAL,
        box="[{}, {}, {}, {}]",
        point="[{}, {}]",
        opening="<|det|>[",
        closing="]<|/det|>",
        between=", ",
        label="<|ref|>{}<|/ref|>",
    ),
    "cogagent": NumbersDialect(
        Axis(scale=1000, top=999),
        ORIGINAL,
        box="{},{},{},{}",
        point="{},{}",
        opening="[[",
        closing="]]",
        between=";",
        width=3,
    ),
    # Fuyu counts in steps of two pixels.
    "fuyu": NumbersDialect(
        Axis(scale="pixels", order="yx", unit=2), RESIZED, box="{}, {}, {}, {}", opening="<box>", closing="</box>"
    ),
    "showui": NumbersDialect(Axis(scale=1, places=2), ORIGINAL, box="[{}, {}, {}, {}]", point="[{}, {}]"),
    "seeclick": NumbersDialect(Axis(scale=1, places=2), ORIGINAL, box="({},{},{},{})", point="({},{})"),
    # Trained with 1023 steps and read so by its authors; dividing by 1024 costs up to ten points on small objects.
    "paligemma": TokensDialect(
        Axis(scale=1023, order="yx"),
        ORIGINAL,
        token="<loc{:04d}>",
        item="{boxes} {label}",
        reads="BOXES" + CODES + r"(?P<label>[^<;]{0,200})",
        separator=" ; ",
        one_each=True,
    ),
    "florence-2": TokensDialect(
        Axis(scale=1000, top=999, floor=True, middle=0.5),
        ORIGINAL,
        token="<loc_{}>",
        item="{label}{boxes}",
        reads=r"(?P<label>[^<>]{0,200})BOXES",
    ),
    "doctags": TokensDialect(
        Axis(scale=500, top=499),
        ORIGINAL,
        token="<loc_{}>",
        item="<{label}>{boxes}</{label}>",
        reads=r"(?:<(?P<label>[a-z_0-9]{1,40})>)?BOXES",
    ),
    "kosmos-2": PatchDialect(),
    "molmo": MolmoDialect(),
}
