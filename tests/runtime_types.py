"""The run-time type checker of the test suite: beartype, with an int accepted where a float is asked for (PEP 484).

A signature that names a `Protocol` is left to the static checker: protocols have no `isinstance`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep3119Exception

F = TypeVar("F", bound=Callable[..., Any])
CONF = BeartypeConf(is_pep484_tower=True)


def checked(function: F) -> F:
    """`function`, with its arguments and result checked on every call."""
    try:
        return beartype(conf=CONF)(function)
    except BeartypeDecorHintPep3119Exception:
        return function
