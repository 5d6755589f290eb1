"""A name on the model hub becomes a folder on this disk.

    "org/name"              the newest revision            org/name@v1.0    a tag, a branch or a commit
    "org/name/file.gguf"    one file of a repository

The download, the cache and the tokens of private repositories are `huggingface_hub`'s and obey its settings: HF_HOME
moves the cache, HF_HUB_OFFLINE=1 uses it and nothing else. A repository that was fetched once opens without a network.
Only what this library reads is fetched: safetensors and the small text files beside them, never a pickle.
"""

import re
from pathlib import Path

from showtell.core.errors import CheckpointError

NAME = re.compile(
    r"(?P<repository>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:/(?P<file>[\w./-]+\.gguf))?(?:@(?P<revision>[\w./-]+))?"
)
WANTED = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.md")


def is_hub_name(name: str) -> bool:
    """Whether `name` has the form of a repository, or of a GGUF file in one."""
    return NAME.fullmatch(name) is not None


def fetch(name: str, revision: str | None = None) -> Path:
    """The folder of a repository (or the path of the GGUF file that `name` ends in), downloaded unless it is cached.

    Args:
        revision: tag, branch or commit; also written `org/name@revision`.

    Raises CheckpointError when the hub has no such repository or revision, asks for permission, or cannot be reached
    and nothing is cached, and when a repository holds no safetensors.
    """
    from huggingface_hub import errors, hf_hub_download, snapshot_download

    named = NAME.fullmatch(name)
    if named is None:
        raise CheckpointError(f"{name!r} is not the name of a repository; one is written organisation/name")
    repository, file, revision = named["repository"], named["file"], revision or named["revision"]
    at = f"{repository} at {revision}" if revision else repository
    try:
        if file:
            return Path(hf_hub_download(repository, file, revision=revision))
        folder = Path(
            snapshot_download(repository, revision=revision, allow_patterns=[*WANTED], ignore_patterns=["*/*"])
        )
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"{at}: its owners ask for permission first; accept their terms on the hub and log in there"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise CheckpointError(
            f"{at}: the hub has no such repository, or it is private; check the name, or log in there"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CheckpointError(f"{at}: the repository has no such revision; name a tag, branch or commit") from error
    except errors.LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"{at}: is not in the cache of this machine and the hub cannot be reached; connect once to fetch it, "
            "or unset HF_HUB_OFFLINE if it is set"
        ) from error
    except (errors.EntryNotFoundError, errors.HfHubHTTPError, OSError) as error:
        raise CheckpointError(f"{at}: could not be fetched ({' '.join(str(error).split())[:200]})") from error
    if not any(folder.glob("*.safetensors*")):
        raise CheckpointError(
            f"{at}: holds no safetensors; if its weights are pickles, which can run code when they are read, "
            "name a revision that has safetensors or convert them where you trust them"
        )
    return folder
