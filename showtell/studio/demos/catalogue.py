"""Every demo, in reading order. A new demo is a file and a line here."""

from typing import Any

from showtell.studio.demos.atlas import Atlas
from showtell.studio.demos.shuffle import Shuffle
from showtell.studio.demos.survives import Survives
from showtell.studio.series.demo import Demo

DEMOS: tuple[Demo[Any], ...] = (Survives(), Shuffle(), Atlas())
BY_NAME: dict[str, Demo[Any]] = {demo.name: demo for demo in DEMOS}
