"""What the tests of the series share: the pocket model loaded once, and the tools over it."""

from functools import cache

from showtell.instruct.assistant import Assistant
from showtell.load import load
from showtell.studio.series.tools import Tools


@cache
def pocket() -> Assistant:
    return load("pocket")


@cache
def pocket_tools() -> Tools:
    return Tools(pocket())
