"""Every demo, in reading order. A new demo is a file and a line here."""

from typing import Any

from showtell.studio.demos.atlas import Atlas
from showtell.studio.demos.attribution import Attribution
from showtell.studio.demos.bag import Bag
from showtell.studio.demos.ceiling import Ceiling
from showtell.studio.demos.classifier import Classifier
from showtell.studio.demos.cones import Cones
from showtell.studio.demos.dialect import Dialect
from showtell.studio.demos.find import Find
from showtell.studio.demos.follow import Follow
from showtell.studio.demos.gates import Gates
from showtell.studio.demos.gym import Gym
from showtell.studio.demos.kernel import Kernel
from showtell.studio.demos.labels import Labels
from showtell.studio.demos.latents import Latents
from showtell.studio.demos.light import Light
from showtell.studio.demos.meeting import Meeting
from showtell.studio.demos.neuron import Neuron
from showtell.studio.demos.phase import Phase
from showtell.studio.demos.resolution import Resolution
from showtell.studio.demos.sequence import Sequence
from showtell.studio.demos.shuffle import Shuffle
from showtell.studio.demos.stripes import Stripes
from showtell.studio.demos.survives import Survives
from showtell.studio.demos.thermostat import Thermostat
from showtell.studio.series.demo import Demo

DEMOS: tuple[Demo[Any], ...] = (
    Light(),
    Stripes(),
    Kernel(),
    Neuron(),
    Phase(),
    Labels(),
    Survives(),
    Shuffle(),
    Atlas(),
    Attribution(),
    Resolution(),
    Gym(),
    Thermostat(),
    Ceiling(),
    Classifier(),
    Cones(),
    Bag(),
    Find(),
    Sequence(),
    Dialect(),
    Gates(),
    Latents(),
    Meeting(),
    Follow(),
)
BY_NAME: dict[str, Demo[Any]] = {demo.name: demo for demo in DEMOS}
