"""How long does a person wait for the first answer, for the second, and how much memory does it take?

    python bench/ask.py [--json] [--model pocket] [--picture FILE] [--question TEXT] [--rounds 5]

    cold start        the whole process of `showtell ask PICTURE QUESTION --json`, from its start to its end
    peak memory       the largest resident set of that process
    second question   in a process that has the model loaded and has looked at the picture
    import showtell   the whole process of `python -c "import showtell"`, against that of torch plus 0.2 s

The costs have limits, so the ratios are allowed / measured. The processes alternate within a round; the first round
only brings the files into the memory of the machine (a start from a cold disk is not measured), and the medians of the
others are reported. `import showtell` alone loads nothing yet, so the table also says what it costs with everything
that an answer needs.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from _report import Ratio, make_parser, report

SAMPLES = Path(__file__).parents[1] / "showtell" / "pocket" / "samples"
COLD_SECONDS, MEGABYTES, SECOND_SECONDS, IMPORT_SECONDS = 3.0, 900.0, 0.3, 0.2
QUESTIONS = ("how many cats are there?", "where is the cat?", "is there a car?", "what color is the cat?")


@dataclass(frozen=True)
class Process:
    """What a whole process cost: wall-clock seconds, largest resident set in MB (10^6 bytes), processor seconds.

    The processor's time, summed over its cores, hardly depends on what else the machine does.
    """

    seconds: float
    megabytes: float
    work: float


def cost(*arguments: str) -> Process:
    """Run `python ARGUMENTS` to its end.

    Linux lets a child inherit the peak of the process it was forked from, so this is called before torch is imported
    here. Raises ChildProcessError with what the process wrote, when it fails.
    """
    with tempfile.TemporaryFile() as written:
        began = time.perf_counter()
        child = subprocess.Popen([sys.executable, *arguments], stdout=written, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)  # already waited for; Popen is told
        if child.returncode != 0:
            written.seek(0)
            said = written.read().decode(errors="replace").strip()
            raise ChildProcessError(f"python {' '.join(arguments)} ended with {child.returncode}: {said}")
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return Process(seconds, usage.ru_maxrss * unit / 1e6, usage.ru_utime + usage.ru_stime)


def processes(commands: dict[str, list[str]], rounds: int) -> dict[str, Process]:
    """The median cost of each command, one of each a round; the first round does not count."""
    costs: dict[str, list[Process]] = {name: [] for name in commands}
    for number in range(1 + rounds):
        for name, arguments in commands.items():
            spent = cost(*arguments)
            if number:
                costs[name].append(spent)
    return {name: median(all_spent) for name, all_spent in costs.items()}


def median(costs: Sequence[Process]) -> Process:
    """Each figure's own median."""
    return Process(*(statistics.median(values) for values in zip(*map(astuple, costs), strict=True)))


def second_question(model: str, picture: Path, first: str, rounds: int) -> float:
    """Median seconds of an answer about a picture that was looked at before."""
    from showtell.load import load

    assistant = load(model)
    state = assistant.encode(picture)
    assistant.ask(state, first)
    seconds = []
    for number in range(rounds):
        began = time.perf_counter()
        assistant.ask(state, QUESTIONS[number % len(QUESTIONS)])
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def options() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--model", default="pocket", help="pocket, or a folder")
    parser.add_argument("--picture", type=Path, default=SAMPLES / "cat.jpg")
    parser.add_argument("--question", default="what is in the picture?")
    parser.add_argument("--rounds", type=int, default=5)
    return parser


def main() -> None:
    given = options().parse_args()
    ask = ["-m", "showtell", "ask", str(given.picture), given.question, "--model", given.model, "--json"]
    commands = {
        "import torch": ["-c", "import torch"],
        "import showtell": ["-c", "import showtell"],
        "import all": ["-c", "import showtell; showtell.load"],
        "ask": ask,
    }
    spent = processes(commands, given.rounds)
    torch, ours, everything, cold = (spent[name] for name in commands)
    second = second_question(given.model, given.picture, given.question, max(given.rounds, len(QUESTIONS)))
    report(
        f"asking, {os.cpu_count()} cores",
        [
            Ratio.limit("cold start of showtell ask, s", cold.seconds, COLD_SECONDS),
            Ratio.limit("peak memory of showtell ask, MB", cold.megabytes, MEGABYTES),
            Ratio.limit("second question, s", second, SECOND_SECONDS),
            Ratio.limit("import showtell, s", ours.seconds, torch.seconds + IMPORT_SECONDS),
        ],
        as_json=given.json,
        columns=("measured", "allowed"),
        beside=[
            ("import showtell and all an answer needs, s", everything.seconds, torch.seconds + IMPORT_SECONDS),
            ("the same, MB", everything.megabytes, None),
            ("import torch, s", torch.seconds, None),
            ("showtell ask, processor seconds", cold.work, None),
            ("import torch, processor seconds", torch.work, None),
            ("import torch, MB", torch.megabytes, None),
        ],
    )


if __name__ == "__main__":
    main()
