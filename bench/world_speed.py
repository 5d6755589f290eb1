"""How fast are pictures and questions made?

    python bench/world_speed.py [--json]

Images per second of one process, times two: training loads them with two workers. The goal for shapes is 3,000 a
second. The clock counts the processor's time of this process, so that a busy machine blurs the numbers less.
"""

import time
from argparse import ArgumentParser

import numpy as np
from _report import Ratio, make_parser, report

from showtell.worlds.cutouts import load_pack
from showtell.worlds.language import exchanges
from showtell.worlds.scene import Scene, SceneConfig

WORKERS, GOAL, PICTURES = 2, 3000.0, 600


def rate(scene: Scene, pictures: int = PICTURES) -> float:
    """Pictures a second of `WORKERS` processes; the first fifty fill the caches."""
    for index in range(50):
        scene.sample(1, index)
    start = time.process_time()
    for index in range(pictures):
        scene.sample(0, index)
    return WORKERS * pictures / (time.process_time() - start)


def question_rate(scene: Scene, pictures: int = PICTURES) -> float:
    """Pictures a second for which eight exchanges are made."""
    facts = [scene.sample(2, index)[1] for index in range(pictures)]
    rng = np.random.Generator(np.random.Philox(key=0))
    start = time.process_time()
    for picture in facts:
        exchanges(picture, rng)
    return WORKERS * pictures / (time.process_time() - start)


def options() -> ArgumentParser:
    return make_parser(__doc__)


def main() -> None:
    given = options().parse_args()
    mixed = Scene(SceneConfig(), load_pack())
    ratios = [
        Ratio.rate("scenes of shapes / s", rate(Scene(SceneConfig())), GOAL),
        Ratio.rate("mixed scenes / s", rate(mixed), WORKERS / 1.5e-3),
        Ratio.rate("pictures with eight questions / s", question_rate(mixed), WORKERS / 0.4e-3),
    ]
    report("pictures and questions", ratios, as_json=given.json, columns=("measured", "wanted"))


if __name__ == "__main__":
    main()
