"""`convert`: a checkpoint from Hugging Face's layout to ours and back, in other shards, in another number type."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import tyro

from showtell.cli import console
from showtell.cli.options import Json
from showtell.core.errors import CheckpointError, ConfigError

UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
Source = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SRC", help="A checkpoint folder, or a hub id.")]
Target = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DST", help="A folder that is not there yet.")]
Dtype = Annotated[
    Literal["as-is", "float32", "float16", "bfloat16"],
    tyro.conf.arg(help="Number type of the weights; as-is keeps each tensor's own."),
]
ShardSize = Annotated[str, tyro.conf.arg(metavar="SIZE", help="Largest file of weights: 500MB, 5GB.")]


def convert(
    source: Source, target: Target, /, dtype: Dtype = "as-is", shard_size: ShardSize = "5GB", json: Json = False
) -> int:
    """Write a published checkpoint in showtell's own layout, or one of those in Hugging Face's."""
    most_bytes = bytes_of(shard_size)
    if Path(target).exists():
        raise CheckpointError(f"{target} is there already; name a new folder")
    from showtell.core.hf_folder import read_json
    from showtell.instruct.converted import CONVERTED, DTYPES, to_ours, to_theirs
    from showtell.instruct.published import Published
    from showtell.load import find, load

    folder = find(source)
    if folder.suffix == ".gguf":
        raise CheckpointError(f"{source} is one GGUF file; only folders of safetensors have two layouts")
    declared = read_json(folder / "config.json").get("architecture")
    wanted = DTYPES.get(dtype)
    if declared == CONVERTED:
        done = to_theirs(folder, Path(target), wanted, most_bytes)
    else:
        model = load(folder)
        if not isinstance(model, Published) or declared is not None:
            raise CheckpointError(f"{source} is of an architecture of its own ({declared}), which has one layout only")
        done = to_ours(folder, model.model, Path(target), wanted, most_bytes)
    if json:
        console.emit({"path": target, **asdict(done)})
        return 0
    words = {"ours": "showtell's layout", "hf": "Hugging Face's layout"}[done.layout]
    console.out.print(f"{target}  {words}, {done.parameters:,} parameters in {done.dtype}, {len(done.files)} files")
    if done.left_out:
        console.note(f"left out, for they repeat others or count: {', '.join(done.left_out[:5])}")
    return 0


def bytes_of(size: str) -> int:
    """500MB -> 500,000,000; raises ConfigError for anything else than a number with a unit."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]B)", size.strip(), re.IGNORECASE)
    if match is None or float(match[1]) == 0:
        raise ConfigError(f"--shard-size {size}: write a number and KB, MB or GB, like 500MB")
    return int(float(match[1]) * UNITS[match[2].upper()])
