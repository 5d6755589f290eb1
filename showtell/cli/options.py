"""Options that several commands share, so that they are spelled and explained once."""

from typing import TYPE_CHECKING, Annotated

import tyro

from showtell.core.errors import ConfigError

if TYPE_CHECKING:
    from showtell.instruct.assistant import Assistant
    from showtell.instruct.published import Published

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


def asked(model: "Assistant | Published") -> "Assistant | Published":
    """`model`, for a command that asks in words; raises ConfigError for one that cannot be asked."""
    from showtell.instruct.published import Published

    if isinstance(model, Published):
        model.speaking()
    return model


def answering(model: "Assistant | Published") -> "Assistant":
    """`model`, for a command that asks it questions; raises ConfigError for one that is opened but not asked here."""
    from showtell.instruct.published import Published

    if isinstance(model, Published):
        raise ConfigError(
            f"{model.name} is a {model.kind} ({model.family}); this command asks models with showtell's own template. "
            "`showtell card` says what it is, and showtell.load opens it in Python"
        )
    return model
