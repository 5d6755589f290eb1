"""Two gloo processes give the weights that one process gives on the same global batches."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from engine_task import make_model, run

from showtell.core.checkpoint import load_tensors

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, torch
from pathlib import Path
sys.path.insert(0, {tests!r})
from engine_task import make_model, run
torch.set_num_threads(1)
model = make_model(dropout=0.0, dtype=torch.float64)
if int(sys.argv[2]):
    torch.nn.init.zeros_(model[0].weight)  # rank 1 starts elsewhere and must be told
outcome = run(Path(sys.argv[1]), model, micro_batches=2, max_steps=6, stop_after_steps=int(sys.argv[3]) or None)
print(outcome.reason)
"""


def launch(folder, stop_after=0):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "PYTHONPATH": str(ROOT)}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(folder), str(rank), str(stop_after)],
            env=os.environ | shared | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    said = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    return [text.split()[-1] for text in said]


@pytest.mark.parametrize("stop_after", [0, 3])
def test_two_ranks_equal_one(tmp_path, stop_after):
    run(tmp_path / "one", make_model(dropout=0.0, dtype=torch.float64), max_steps=6)
    if stop_after:
        assert launch(tmp_path / "two", stop_after) == ["paused", "paused"]
    assert launch(tmp_path / "two") == ["finished", "finished"]
    one, two = (load_tensors(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-10, atol=1e-10)
