"""`generate`: a language model behind an address writes conversations and descriptions of made-up pictures.

Nothing is sent anywhere but to the endpoint that is named. The key comes from an environment variable, so that it
stands in no shell history and no file. `--endpoint local` asks a chat model on this machine instead. Stopped and
started again, the run goes on where it was.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.progress import Progress

from showtell.cli import console
from showtell.cli.options import Json
from showtell.core.errors import ConfigError

if TYPE_CHECKING:
    from showtell.instruct.published_chat import Speaking

Folder = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER", help="Where the data goes.")]
Url = Annotated[str, tyro.conf.arg(metavar="URL", help="OpenAI-compatible, up to /v1; or: local")]
Name = Annotated[str, tyro.conf.arg(metavar="NAME", help="The model's name at the endpoint.")]
KeyName = Annotated[str, tyro.conf.arg(metavar="VARIABLE", help="Environment variable that holds the key, if any.")]
Kinds = Annotated[
    tuple[Literal["conversation", "description", "reasoning"], ...], tyro.conf.arg(help="What to write, in turn.")
]
Budget = Annotated[float | None, tyro.conf.arg(metavar="MONEY", help="Spend at most this, in the prices' currency.")]
Price = Annotated[float, tyro.conf.arg(metavar="MONEY", help="Price of a million tokens.")]


def generate(
    folder: Folder,
    /,
    endpoint: Url,
    model: Name,
    rows: Annotated[int, tyro.conf.arg(help="How many pictures, one row each.")] = 100,
    kinds: Kinds = ("conversation", "description", "reasoning"),
    key_variable: KeyName = "",
    concurrency: Annotated[int, tyro.conf.arg(help="Requests in flight at most.")] = 8,
    budget: Budget = None,
    price_in: Price = 0.0,
    price_out: Price = 0.0,
    temperature: float = 0.7,
    max_tokens: Annotated[int, tyro.conf.arg(help="Longest answer.")] = 800,
    timeout: Annotated[float, tyro.conf.arg(help="Seconds that one answer may take.")] = 60.0,
    tries: Annotated[int, tyro.conf.arg(help="How often a request that failed is sent at most.")] = 5,
    seed: Annotated[int, tyro.conf.arg(help="Of the pictures.")] = 0,
    image_size: Annotated[int, tyro.conf.arg(help="Longer side of the pictures, in pixels.")] = 96,
    keep_denied: Annotated[bool, tyro.conf.arg(help="Keep rows that the facts deny, marked.")] = False,
    json: Json = False,
) -> int:
    """Let a language model write training data about made-up pictures, and hold it against their facts."""
    from showtell.instruct.endpoint import Endpoint, EndpointConfig
    from showtell.instruct.local_teacher import LocalTeacher
    from showtell.instruct.teaching import Teaching, TeachingConfig
    from showtell.worlds.cutouts import load_pack
    from showtell.worlds.scene import Scene, SceneConfig

    key = os.environ.get(key_variable) if key_variable else None
    if key_variable and not key:
        raise ConfigError(f"the environment variable {key_variable} is empty; put the key there")
    config = TeachingConfig(
        rows=rows, kinds=kinds, seed=seed, concurrency=concurrency, budget=budget, price_in=price_in,
        price_out=price_out, keep_denied=keep_denied,
    )  # fmt: skip
    asked: Endpoint | LocalTeacher
    if endpoint == "local":
        asked = LocalTeacher(published(model), min(max_tokens, 120))
    else:
        asked = Endpoint(
            EndpointConfig(
                url=endpoint, model=model, key=key, temperature=temperature, max_tokens=max_tokens, timeout_s=timeout,
                tries=tries,
            )
        )  # fmt: skip
    world = Scene(SceneConfig(image_size=image_size), load_pack())
    try:
        with Progress(console=console.err, transient=True) as progress:
            bar = progress.add_task("rows", total=rows)
            report = Teaching(config, world, asked, Path(folder)).run(lambda _: progress.advance(bar))
    finally:
        asked.close()
    found = report.to_json() | {"requests": asked.requests, "troubles": dict(asked.troubles)}
    if json:
        console.emit(found)
        return 0
    for name, value in found.items():
        console.out.print(f"{name.replace('_', ' '):<12} {value}")
    console.note(f"{folder}/train.jsonl    showtell inspect {folder}/train.jsonl --stats")
    return 0


def published(name: str) -> "Speaking":
    """A chat model of this machine; raises ConfigError for one that cannot be talked to."""
    from showtell.instruct.published import Published
    from showtell.load import load

    model = load(name)
    if not isinstance(model, Published):
        raise ConfigError(f"{name} sees pictures and does not write from lists; name a language model")
    return model.speaking()
