"""showtell: a vision-language stack you can read, run and trust. `st.load("pocket").ask(image, question)`."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from showtell.load import load as load


class _Package(ModuleType):  # showtell.load is a file and st.load a function: the function wins, imported on first use
    load = property(lambda self: import_module("showtell.load").load, lambda self, submodule: None)


sys.modules[__name__].__class__ = _Package
