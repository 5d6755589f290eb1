"""The log is one run: cut at the step a run resumes from, whole lines only, one line an event."""

import json

from engine_task import STEPS, make_model, run

from showtell.engine.log import RunLog, truncate_log


def events(path):
    return [(line["event"], line["step"]) for line in map(json.loads, path.read_text().splitlines())]


def test_lines_after_the_resumed_step_and_a_cut_line_are_dropped(tmp_path):
    path = tmp_path / "log.jsonl"
    lines = [json.dumps({"event": "step", "step": step}) + "\n" for step in range(1, 6)]
    path.write_text("".join(lines) + '{"event": "step", "st')
    truncate_log(path, 3)
    assert path.read_text() == "".join(lines[:3])


def test_a_run_logs_every_n_steps_and_its_last(tmp_path, capsys):
    run(tmp_path, make_model(), log_every=10)
    assert events(tmp_path / "log.jsonl") == [("step", 10), ("step", 20), ("step", STEPS)]
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in said] == ["10/24", "20/24", "24/24"]
    assert all("loss" in line and "samples/s" in line and "wait" in line for line in said)
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert {"loss", "loss_mean", "lr", "grad_norm", "weight", "worst", "tokens_per_second", "eta_seconds"} <= set(last)
    assert any((tmp_path / "tensorboard").iterdir())


def test_other_ranks_write_nothing(tmp_path, capsys):
    with RunLog(tmp_path / "run", 10, active=False) as log:
        log.event("step", 1, {"loss": 1.0})
        log.say("hello")
    assert not (tmp_path / "run").exists() and capsys.readouterr().out == ""
