"""Configs survive JSON and refuse what they do not know, naming the field."""

import json
from dataclasses import dataclass, field
from typing import Literal

import pytest

from showtell.core.config import from_dict, to_dict
from showtell.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    """dim: width. kind: which."""

    dim: int
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True, kw_only=True)
class Outer:
    """A config with every kind of field."""

    inner: Inner
    size: tuple[int, int] = (3, 5)
    rate: float = 0.5
    name: str | None = None
    flag: bool = False
    table: dict[str, str] = field(default_factory=dict)
    many: tuple[Inner, ...] = ()


def test_round_trip_through_json() -> None:
    config = Outer(inner=Inner(dim=7, kind="b"), rate=1.0, name="x", table={"k": "v"}, many=(Inner(dim=1),))
    assert from_dict(Outer, json.loads(json.dumps(to_dict(config)))) == config
    assert from_dict(Outer, {"inner": {"dim": 1}, "rate": 2}).rate == 2.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"inner": {"dim": 1, "dmi": 2}}, "inner.dmi: Inner has no such field"),
        ({"inner": {}}, "inner.dim: Inner needs this field"),
        ({"inner": {"dim": "1"}}, "inner.dim: expected int"),
        ({"inner": {"dim": True}}, "inner.dim: expected int"),
        ({"inner": {"dim": 1, "kind": "c"}}, "inner.kind"),
        ({"inner": {"dim": 1}, "size": [1]}, "size: expected 2 values"),
        ({"inner": {"dim": 1}, "many": [{"dim": 1}, {}]}, r"many\[1\].dim"),
        ({"inner": {"dim": 1}, "flag": 1}, "flag: expected bool"),
        ({"inner": 3}, "inner: expected a mapping"),
    ],
)
def test_what_does_not_fit_is_named(data: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_dict(Outer, data)
