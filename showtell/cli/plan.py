"""`plan RECIPE …`: hours, memory, tokens and disk of a run before it is launched.

    showtell plan pocket --stage train                       every stage, rehearsed for a few steps on this machine
    showtell plan pocket --stage train --gpus 8 --on h100    and from counted operations, on accelerators not here
    showtell plan my/recipe.py --steps 20 --json

The recipe's own `main` is called, with its own options; its `train` is replaced by a rehearsal, in a scratch folder
unless one is given. What is measured and what is assumed is said beside each figure. Not here: the arithmetic
(`engine/estimate.py`).
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tyro
from rich.table import Table

from showtell.cli import console, train
from showtell.cli.options import Json
from showtell.core.errors import ConfigError, ShowtellError

if TYPE_CHECKING:
    from showtell.engine.estimate import Estimate


@dataclass(frozen=True)
class PlanOptions:
    """What to plan for.

    gpus: accelerators to predict for, besides this machine.
    on: which kind.
    utilisation: share of their peak the run is assumed to reach; vision-language training is reported at 0.3 to 0.4.
    price: of one accelerator for an hour.
    steps: how many steps of each stage are rehearsed.
    """

    gpus: int = 0
    on: str = "h100"
    utilisation: float = 0.35
    price: float = 0.0
    steps: int = 6
    json: Json = False


def plan(recipe: train.Name = "", /, json: Json = False) -> int:
    """Predict what a recipe will take; `showtell plan RECIPE --gpus 8 --on h100`."""
    if recipe:
        return run(recipe, ["--json"] if json else [])
    return train.train(json=json)


def run(name: str, arguments: Sequence[str]) -> int:
    """Rehearse every stage of a recipe and show what it will take; options that are not ours are the recipe's."""
    from showtell.engine.estimate import ACCELERATORS

    options, others = tyro.cli(
        PlanOptions, prog=f"showtell plan {name}", args=list(arguments), return_unknown_args=True
    )
    if options.on not in ACCELERATORS:
        raise ConfigError(f"--on {options.on}: the accelerators known are {', '.join(ACCELERATORS)}")
    if options.gpus < 0 or not 0 < options.utilisation <= 1 or options.steps < 1:
        raise ConfigError("--gpus is at least 0, --utilisation in (0, 1] and --steps at least 1")
    estimates = stages(name, others, options.steps)
    if options.json:
        console.emit({"stages": [as_json(estimate, options) for estimate in estimates]})
    else:
        show(estimates, options)
    return 0


def stages(name: str, arguments: Sequence[str], steps: int) -> "list[Estimate]":
    """The estimate of every call of `train` that the recipe makes."""
    from showtell.engine.estimate import planned

    recipe = train.imported(name)
    if not hasattr(recipe, "train"):
        raise ConfigError(f"{name} cannot be planned: it has no name `train`; import it with `from … import train`")
    found: list[Estimate] = []

    def rehearsal(config: Any, **given: Any) -> Any:
        estimate, outcome = planned(config, steps=steps, **given)
        found.append(estimate)
        return outcome

    real, recipe.train = recipe.train, rehearsal  # type: ignore[attr-defined]
    try:
        with tempfile.TemporaryDirectory() as scratch:
            own = [] if "--folder" in arguments else ["--folder", scratch]
            tyro.cli(recipe.main, prog=f"showtell plan {name}", args=[*arguments, *own])
    except (ShowtellError, FileNotFoundError):
        if not found:  # after its last stage a recipe may look for a result that a rehearsal does not write
            raise
    finally:
        recipe.train = real  # type: ignore[attr-defined]
    if not found:
        raise ConfigError(f"{name} made no call of train; its options may have switched training off")
    return found


def as_json(estimate: "Estimate", options: PlanOptions) -> dict[str, Any]:
    """An estimate with what the accelerators would take."""
    return estimate.to_json() | ({"elsewhere": elsewhere(estimate, options)} if options.gpus else {})


def elsewhere(estimate: "Estimate", options: PlanOptions) -> dict[str, float]:
    """Hours and cost on accelerators that are not here."""
    from showtell.engine.estimate import ACCELERATORS

    hours = estimate.seconds_on(options.gpus, ACCELERATORS[options.on], options.utilisation) / 3600
    return {"hours": hours, "cost": hours * options.gpus * options.price}


def show(estimates: "Sequence[Estimate]", options: PlanOptions) -> None:
    """One column a stage."""
    table = Table(title="predicted, stage by stage", title_justify="left")
    table.add_column("")
    for estimate in estimates:
        table.add_column(estimate.name, justify="right")
    for heading, cells in rows(estimates, options).items():
        table.add_row(heading, *cells)
    console.out.print(table)
    console.note(f"time: {options.steps} rehearsed steps, extrapolated; memory: counted, on top of this process")
    if options.gpus:
        console.note(
            f"{options.gpus} x {options.on}: counted operations at an assumed {options.utilisation:.0%} of the data "
            "sheet's peak, if the data keep up"
        )


def rows(estimates: "Sequence[Estimate]", options: PlanOptions) -> dict[str, list[str]]:
    """What is said of each stage."""
    table = {
        "steps x samples": [f"{e.steps:,} x {e.batch_size}" for e in estimates],
        "parameters, trained": [f"{e.parameters / 1e6:.2f} M, {e.trained / 1e6:.2f} M" for e in estimates],
        "trained tokens": [f"{e.tokens / 1e6:.2f} M" for e in estimates],
        "hours here": [f"{e.seconds / 3600:.2f}" for e in estimates],
        "seconds a step": [f"{e.seconds_per_step:.3g}" for e in estimates],
        "waiting for data": [f"{e.wait_share:.0%}" for e in estimates],
        "peak memory": [f"{e.memory.peak / 1e9:.2f} GB" for e in estimates],
        "  activations": [f"{e.memory.activations / 1e9:.2f} GB" for e in estimates],
        "  weights, moments, average": [
            f"{(e.memory.weights + e.memory.moments + e.memory.average) / 1e9:.2f} GB" for e in estimates
        ],
        "a checkpoint": [f"{e.checkpoint_bytes / 1e6:.0f} MB" for e in estimates],
        "operations a step": [f"{sum(e.flops.values()) / 1e9:,.1f} G" for e in estimates],
    }
    for part in dict.fromkeys(name for e in estimates for name in e.flops):
        table[f"  {part}"] = [f"{e.flops.get(part, 0.0) / sum(e.flops.values()):.0%}" for e in estimates]
    if options.gpus:
        there = [elsewhere(e, options) for e in estimates]
        table[f"hours on {options.gpus} x {options.on}"] = [f"{e['hours']:.3g}" for e in there]
        if options.price:
            table["cost there"] = [f"{e['cost']:.2f}" for e in there]
    return table
