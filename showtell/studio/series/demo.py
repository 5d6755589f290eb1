"""A demo: one Python object from which everything about a figure is made.

    State     frozen, typed, bounded                   -> the URL, the controls, the limits of the API
    view      State, Tools -> Scene; pure              -> the live figure, the poster without JavaScript
    claim     one sentence                             -> printed under the figure
    check     asserts the claim                        -> pytest
    source    of `view` and what it calls in showtell  -> the drawer under the figure

A demo calls the library and never re-implements it. A claim must hold by mathematics, or be checked on whatever model
is loaded; what merely tends to be so is said in `says`, with the numbers of the moment.
"""

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from showtell.studio.series.scene import Scene
from showtell.studio.series.tools import Tools

S = TypeVar("S")


class Demo(ABC, Generic[S]):
    """Subclasses set the class variables and define `view` and `check`."""

    name: ClassVar[str]
    """Its address: lower case, hyphens."""
    number: ClassVar[str]
    """Part and place, "2.1"."""
    title: ClassVar[str]
    lede: ClassVar[str]
    """What to try, in a sentence or two."""
    claim: ClassVar[str]
    state_type: ClassVar[type[Any]]

    @abstractmethod
    def view(self, state: S, tools: Tools) -> Scene:
        """The figure of a state. The same state gives the same numbers."""

    @abstractmethod
    def check(self, tools: Tools) -> None:
        """Assert the claim."""

    def default(self) -> S:
        return self.state_type()


def change(state: Any, **fields: Any) -> Any:
    """The state with some fields changed."""
    return dataclasses.replace(state, **fields)
