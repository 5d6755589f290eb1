"""Options that several commands share, so that they are spelled and explained once."""

from typing import Annotated

import tyro

Json = Annotated[
    bool,
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.arg(name="json", help="Print JSON, one value a line, and nothing else on stdout."),
]
Model = Annotated[
    str,
    tyro.conf.arg(metavar="NAME", help="The embedded model (pocket), a checkpoint folder, or a hub id."),
]
PicturePath = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE", help="A picture file.")]
