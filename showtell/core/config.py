"""Configurations: frozen dataclasses in code, plain JSON on disk.

    @dataclass(frozen=True, kw_only=True)
    class ViTConfig:            {"image_size": 96, "dim": 192, ...}
        image_size: int    <->
        dim: int

`to_dict` and `from_dict` are inverse to each other. An unknown or missing key raises: a setting that nobody reads is
the quietest way to run a different experiment from the one you think you run. There is no registry, no inheritance
and no interpolation here; a run is a Python function that returns one of these objects.
"""

import dataclasses
import difflib
import types
import typing
from typing import Any, TypeVar

from showtell.core.errors import ConfigError

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """A nested plain dict of a frozen dataclass (tuples become lists, ready for JSON)."""
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise ConfigError(f"to_dict wants a dataclass instance, got {type(config).__name__}")
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def from_dict(cls: type[T], data: Any, where: str = "") -> T:
    """Build `cls` from a plain dict.

    Raises ConfigError for an unknown key, a missing required key, or a value whose type does not fit the field; the
    message carries the path of the field (`decoder.dim`).
    """
    if not isinstance(data, dict):
        raise ConfigError(f"{where or cls.__name__}: expected a mapping of fields, got {type(data).__name__}")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    prefix = f"{where}." if where else ""
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise ConfigError(f"{prefix}{unknown[0]}: {cls.__name__} has no such field{_nearest(unknown[0], list(fields))}")
    required = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    missing = sorted(required - set(data))
    if missing:
        raise ConfigError(f"{prefix}{missing[0]}: {cls.__name__} needs this field and it has no default")
    hints = typing.get_type_hints(cls)
    return cls(**{name: _typed(hints[name], value, prefix + name) for name, value in data.items()})


def _nearest(name: str, known: list[str]) -> str:
    """The end of the sentence: what was probably meant, or all there is where that is short."""
    close = difflib.get_close_matches(name, known, n=3)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; its fields are {', '.join(known)}" if len(known) <= 8 else f" among its {len(known)} fields"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _typed(hint: Any, value: Any, where: str) -> Any:
    """`value` (from JSON) as the type `hint` asks for; raises ConfigError if it does not fit."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        for option in (arg for arg in args if arg is not type(None)):
            try:
                return _typed(option, value, where)
            except ConfigError as error:
                last = error
        raise last
    if origin is typing.Literal:
        if value not in args:
            raise ConfigError(f"{where}: {value!r} is not one of {', '.join(map(repr, args))}")
        return value
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, where)
    if origin in (tuple, list):
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}: expected a list, got {value!r}")
        if origin is tuple and Ellipsis not in args and len(args) != len(value):
            raise ConfigError(f"{where}: expected {len(args)} values, got {len(value)}")
        kinds = args if origin is tuple and Ellipsis not in args else (args[0],) * len(value)
        return origin(
            _typed(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
        )
    if origin is dict:
        return {key: _typed(args[1], item, f"{where}[{key!r}]") for key, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value
