"""A run's log reads back as one run, also while it is being written."""

import json

from engine_task import STEPS, make_model, run

from showtell.engine.history import find_runs, read_run


def test_runs_are_found_and_read(tmp_path):
    run(tmp_path / "a" / "one", make_model(), stop_after_steps=7)
    run(tmp_path / "a" / "one", make_model())
    run(tmp_path / "b", make_model(), stop_after_steps=5, log_every=2)
    one, two = find_runs(tmp_path)
    assert (one.name, one.step, one.of, one.resumes, one.finished) == ("a/one", STEPS, STEPS, 1, True)
    assert len(one.curve) == STEPS and one.least[1] == min(loss for _, loss in one.curve) and one.seconds > 0
    assert (two.name, two.step, two.finished) == ("b", 4, False) and [step for step, _ in two.curve] == [2, 4]
    assert read_run(tmp_path / "b").name == "b"


def test_gates_and_a_half_written_line(tmp_path):
    lines = [{"event": "swap", "step": 0, "loss": 3.0}, {"event": "step", "step": 10, "loss": 2.0, "note": "x"},
             {"event": "swap", "step": 10, "loss": 2.5}, {"other": 1}]  # fmt: skip
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"event": "st')
    found = read_run(tmp_path)
    assert found.checks == {"swap": {"loss": 2.5}} and found.curve == [(10, 2.0)] and found.of is None
    assert found.loss == 2.0
