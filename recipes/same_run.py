"""A folder of results belongs to one configuration: what was made under another must not be mixed in silently.

same_run(run, folder)      first call: writes folder/run.json;  later calls: compares, and names what differs
"""

import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from showtell.core.checkpoint import write_atomically
from showtell.core.errors import ConfigError


def same_run(run: Any, folder: Path, free: Collection[str] = ()) -> None:
    """Hold `folder` to the dataclass `run`; fields in `free` may change from call to call.

    Raises ConfigError naming the first field that differs from what the folder was begun with.
    """
    wanted = json.loads(json.dumps({k: v for k, v in asdict(run).items() if k not in free}, default=str))
    path = folder / "run.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (json.dumps(wanted, indent=1) + "\n").encode())
        return
    begun = json.loads(path.read_text(encoding="utf-8"))
    for name in (*wanted, *begun):
        if begun.get(name) != wanted.get(name):
            raise ConfigError(
                f"{folder}: this folder was begun with {name} = {begun.get(name)} and is now asked to go on with "
                f"{wanted.get(name)}; use the old value or another folder"
            )
