"""How faithful are the pocket model's answers to the boxes they name, and which map of a word is to be believed?

    python recipes/evidence.py [--model pocket] [--split composition] [--pictures 60] [--maps 40]   > evidence.json

Prints one JSON object: the evidence contract skill by skill, and the maps judged by deletion and by the truth, with
95 % intervals by picture (`showtell/grounding/faithfulness.py`). Needs a few seconds a picture on a free core.
"""

import argparse
import json
import sys

import torch

from showtell.grounding.faithfulness import cases, contract, maps
from showtell.instruct.assistant import Assistant
from showtell.instruct.evaluate import SPLITS
from showtell.load import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--split", choices=SPLITS, default="composition")
    parser.add_argument("--pictures", type=int, default=60, help="pictures whose answers are put to the test")
    parser.add_argument("--maps", type=int, default=40, help="of those answers, how many are also mapped")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    assistant = load(options.model)
    if not isinstance(assistant, Assistant):
        parser.error(f"{options.model} is not a model of showtell's own kind")
    found = cases(assistant, options.split, options.pictures, options.seed)
    with_evidence = [case for case in found if case.proof is not None]
    result = {
        "model": assistant.name,
        "edition": assistant.card.get("edition"),
        "split": options.split,
        "contract": contract(found),
        "maps": maps(assistant, with_evidence[:: max(1, len(with_evidence) // max(options.maps, 1))][: options.maps]),
    }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
