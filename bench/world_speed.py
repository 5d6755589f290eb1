"""How fast are pictures and questions made?

    python bench/world_speed.py [--json]

Images per second of one process, times two: training loads them with two workers. The goal for shapes is 3,000 a
second. The clock counts the processor's time of this process, so that a busy machine blurs the numbers less.
"""

import argparse
import json
import sys
import time

import numpy as np

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    mixed = Scene(SceneConfig(), load_pack())
    measured = {
        "scenes of shapes": (rate(Scene(SceneConfig())), GOAL),
        "mixed scenes": (rate(mixed), WORKERS / 1.5e-3),
        "eight questions a picture": (question_rate(mixed), WORKERS / 0.4e-3),
    }
    rows = [
        {"name": f"{name} / s", "ratio": ours / goal, "goal": 1.0, "met": ours >= goal, "ours": ours, "peer": goal}
        for name, (ours, goal) in measured.items()
    ]
    if as_json:
        sys.stdout.write(json.dumps({"ratios": rows}) + "\n")
        return
    sys.stdout.write(f"{'':32}{'measured':>10}{'goal':>10}{'ratio':>8}\n")
    for row in rows:
        sys.stdout.write(f"{row['name']:32}{row['ours']:10.0f}{row['peer']:10.0f}{row['ratio']:8.2f}\n")


if __name__ == "__main__":
    main()
