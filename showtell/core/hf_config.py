"""A published `config.json`, asked field by field.

    fields = Fields(read_json_file(folder / "config.json"))
    dim = fields.integer("hidden_size")                       a missing or mistyped field is a ConfigError with its name
    fields.only("mlp_bias", False)                            so is a setting that this library does not have

Such files carry a hundred bookkeeping fields that change no number, so an unknown name is not an error here; every
field that does change numbers must be asked for, or refused with `only`. Hugging Face's names appear in the
`config_from_hf` of each family and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from showtell.core.errors import ConfigError


@dataclass(frozen=True)
class Fields:
    """A mapping read from JSON; `where` opens each message (`text_config.`)."""

    data: Mapping[str, Any]
    where: str = ""

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.data.get(name) is not None

    def integer(self, name: str, default: int | None = None) -> int:
        value = self._get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(f"{self.where}{name}: expected a whole number, got {value!r}")
        return value

    def size(self, name: str, default: int | None = None) -> int:
        """A whole number of at least one."""
        value = self.integer(name, default)
        if value < 1:
            raise ConfigError(f"{self.where}{name}: expected at least 1, got {value}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        value = self._get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ConfigError(f"{self.where}{name}: expected a number, got {value!r}")
        return float(value)

    def flag(self, name: str, default: bool | None = None) -> bool:
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise ConfigError(f"{self.where}{name}: expected true or false, got {value!r}")
        return value

    def choice(self, name: str, known: Mapping[str, Any], default: str | None = None) -> Any:
        """What `known` has for the string in this field."""
        value = self._get(name, default)
        if not isinstance(value, str) or value not in known:
            raise ConfigError(f"{self.where}{name}: {value!r} is not supported; known here: {', '.join(known)}")
        return known[value]

    def inner(self, name: str) -> "Fields":
        """A nested mapping; empty where it is missing or null."""
        value = self.data.get(name) or {}
        if not isinstance(value, Mapping):
            raise ConfigError(f"{self.where}{name}: expected a mapping of fields, got {value!r}")
        return Fields(value, f"{self.where}{name}.")

    def only(self, name: str, *supported: Any) -> None:
        """Raise ConfigError unless the field is missing, null or one of the values this library implements."""
        value = self.data.get(name)
        if value is not None and value not in supported:
            raise ConfigError(f"{self.where}{name}: {value!r} is not supported; {supported!r} would be")

    def _get(self, name: str, default: Any) -> Any:
        value = self.data.get(name)
        if value is None and default is None:
            raise ConfigError(f"{self.where}{name}: the configuration needs this field")
        return default if value is None else value
