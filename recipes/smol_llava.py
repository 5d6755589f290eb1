"""A real LLaVA: EfficientNet-Lite0 and SmolLM2-135M-Instruct, which never met, learn to talk about pictures.

    showtell fetch efficientnet-lite0; showtell fetch smollm2-135m-instruct        118 MB, once
    python -m recipes.smol_llava --folder runs/smol-llava --minutes 75              again: resumes
    python -m recipes.smol_llava --folder runs/smol-llava --stage score

    look      what the frozen tower sees in some thousand pictures, kept on disk       `smol_llava_pictures.py`
    connect   stage 1: the connector learns, from captions                              the decoder frozen
    converse  stage 2: connector and a LoRA on the decoder, from questions and answers  its own matrices frozen
    again     stage 2 once more, from where it ended
    blind     the same LoRA from the same questions without pictures: what guessing can reach (it has learned that
              after a third of the steps)

and `export`, which writes a model folder of a few megabytes (connector, adapter, card; the two checkpoints are named,
not copied), `score`, which fills in its figures, and `ship`, which copies it into the package.

The steps of a stage are decided once, from the measured speed of this machine and `--minutes`, and kept in plan.json:
the same command resumes the same run. The measured result is in `showtell/smol_llava/card.json`.
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

from recipes.smol_llava_pictures import Remembered, Rows, remember
from recipes.smol_llava_score import Pupil, examination, examine, perplexity
from recipes.smol_llava_words import Worded, WordedStep
from showtell.core.checkpoint import check_fit, load_module, load_tensors, write_atomically
from showtell.core.errors import ConfigError
from showtell.core.lora import LoRAConfig, add_lora, frozen_aside, lora_layers, merge_lora, named
from showtell.core.registry import PARTS
from showtell.data.loader import Batches
from showtell.engine.gates import Gate
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, Part, make_optimizer
from showtell.engine.schedule import Cosine
from showtell.engine.step import Step
from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.prefix_vlm import Prefix
from showtell.instruct.bundle import read_json
from showtell.instruct.gates import Blindness, BlindnessConfig
from showtell.instruct.grafted import Base, Bases, GraftConfig, image_tokens, save_graft
from showtell.instruct.packing import PackedBatch
from showtell.instruct.step import SupervisedStep
from showtell.load import open_bases
from showtell.text.decoder import Decoder
from showtell.worlds.cutouts import load_pack
from showtell.worlds.scene import Scene, SceneConfig

PACKAGE = Path(__file__).parent.parent / "showtell" / "smol_llava"
WHO = {"blind, untrained": None, "blind, trained": "blind", "stage 1": "connect", "stage 2": "converse"}
SPLITS = ("val", "instance", "background", "composition", "phrasing")
STAGES = ("look", "connect", "converse", "again", "blind", "train", "export", "score", "ship", "all")
VISION, LANGUAGE = "efficientnet-lite0", "smollm2-135m-instruct"
CONNECTOR = ConnectorConfig(kind="mlp")
ADAPTER = LoRAConfig(rank=16, alpha=32.0, targets=("blocks.*.attn.*", "blocks.*.mlp.*"))
PLACEHOLDER = "<empty_output>"
"""A control token of SmolLM2 that its chats do not use stands for an image token."""


@dataclass(frozen=True, kw_only=True)
class SmolRun:
    """Everything that decides what is trained.

    seed: of pictures, questions and weights.
    pictures: how many are looked at; both stages draw on the same ones.
    held: of these, how many only the gates see.
    image_size: side of a picture in pixels.
    least_instances: categories of cut-outs with fewer training instances are not drawn.
    caption_tokens, question_tokens: length of a packed row in each stage.
    batch: rows a step.
    connect_share: of the time, for stage 1.
    connect_lr, converse_lr: peak rates; in stage 2 the connector learns at `connector_rate` of the latter.
    extra: pictures of a row that only teach the connector its words (`smol_llava_words.py`).
    words_weight: of that objective; 0 = without it, as the first edition was trained.
    again_lr: peak rate of the stage that goes on from a finished second one.
    lora: the adapter.
    plan: steps of (connect, converse) if they are not to be measured.
    gate_every, gate_rows, patience: steps between checks that the model sees, rows of a check, checks before it must.
    shard: pictures a file of features.
    precision: of the steps; with "bf16" the frozen weights are kept so as well.
    """

    seed: int = 1
    pictures: int = 4800
    held: int = 48
    image_size: int = 224
    least_instances: int = 5
    caption_tokens: int = 136
    question_tokens: int = 184
    batch: int = 4
    connect_share: float = 0.16
    connect_lr: float = 1e-3
    converse_lr: float = 5e-4
    connector_rate: float = 1.0
    extra: int = 7
    words_weight: float = 0.5
    again_lr: float = 4e-4
    lora: LoRAConfig = ADAPTER
    plan: tuple[int, int] | None = None
    gate_every: int = 200
    patience: int = 3
    gate_rows: int = 8
    shard: int = 250
    precision: Literal["fp32", "bf16"] = "bf16"

    @property
    def dtype(self) -> torch.dtype:
        """Of the frozen weights."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def world(self, split: str = "train") -> SceneConfig:
        """Cut-outs on photographs and patterns, a third of them alone in the picture; no writing."""
        return SceneConfig(
            image_size=self.image_size,
            split=split,
            least_instances=self.least_instances,
            empty_share=0.01,
            single_share=0.32,
            shapes_share=0.13,
            cutouts_share=0.28,
            word_share=0.0,
            patterned_share=0.1,
            photo_share=0.5,
        )

    def scene(self, split: str = "train") -> Scene:
        return Scene(self.world(split), load_pack())


class Recalled(Prefix):
    """The model in training: a picture comes as what the tower said of it."""

    def __init__(self, connector: nn.Module, decoder: Decoder, image_token_id: int):
        super().__init__(nn.Identity(), connector, decoder, image_token_id)

    def image_tokens(self, pixels: Tensor) -> Tensor:
        return self.connector(pixels)


def main(
    folder: Path = Path("runs/smol-llava"),
    minutes: float = 75.0,
    stage: str = "all",
    pictures: int = 100,
    threads: int = 1,
    hours: float | None = None,
) -> None:
    """Train, export and score the model.

    Args:
        folder: where features, checkpoints, logs and the exported model go.
        minutes: of training (stages 1 and 2 together); decides their steps when the run begins.
        stage: "look", "connect", "converse", "train" (these three), "again", "blind", "export", "score", "ship", "all".
        pictures: held-out pictures a split for the scores.
        threads: of the arithmetic; 1 when the machine has other work.
        hours: stop after so long, to be resumed by the same command.
    """
    if stage not in STAGES:
        raise ConfigError(f"stage {stage!r} is unknown; choose from {', '.join(STAGES)}")
    torch.set_num_threads(threads)
    run, folder = SmolRun(), Path(folder)
    began = time.monotonic()

    def left() -> float | None:
        return None if hours is None else max(1.0, 3600 * hours - (time.monotonic() - began))

    if stage in ("look", "connect", "converse", "train", "all"):
        bases = open_parts()
        see(run, folder, bases)
        if stage == "look" or not learn(run, folder, bases, minutes, left, stage):
            return
    if stage == "again":
        more(run, folder, minutes, left())
    if stage == "blind":
        converse(run, folder, open_parts(), planned(run, folder)["blind"], left(), "blind")
    if stage in ("all", "export"):
        export(run, folder, open_parts())
    if stage in ("all", "score"):
        score(run, folder, pictures)
    if stage == "ship":
        ship(folder / "model")


def learn(
    run: SmolRun, folder: Path, bases: Bases, minutes: float, left: Callable[[], float | None], stage: str
) -> bool:
    """Stage 1, then stage 2; False when one was interrupted or ran out of time."""
    plan = make_plan(run, folder, bases, minutes)
    if stage != "converse" and not connect(run, folder, bases, plan["connect"], left()):
        return False
    return stage == "connect" or converse(run, folder, bases, plan["converse"], left())


def open_parts() -> Bases:
    """The two checkpoints; CheckpointError says which command brings them."""
    return open_bases(*bases_of(), "smol-llava")


def bases_of() -> tuple[Base, Base]:
    vision, decoder = (Base(name=name, sha256=PARTS[name].sha256) for name in (VISION, LANGUAGE))
    return vision, decoder


def see(run: SmolRun, folder: Path, bases: Bases) -> None:
    """Every picture of the run, looked at once."""
    place, processor = folder / "pictures", bases.processor(run.image_size)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("looking", total=None)

        def tell(done: int, all: int) -> None:
            bar.update(task, completed=done, total=all)

        remember(place, run.scene(), run.seed, run.pictures, bases.tower, processor, run.shard, tell)


def rows(run: SmolRun, folder: Path, bases: Bases, stage: str, blind: bool = False, held: bool = False) -> Rows:
    """The packed rows of a stage, or the few that only its gates see; a blind row is shorter by its picture."""
    tokens = image_tokens(run.image_size)
    return Rows(
        memory=Remembered(folder / "pictures"),
        format=bases.chat,
        tokenizer=bases.tokenizer,
        image_id=bases.tokenizer.id(PLACEHOLDER),
        stage=stage,
        length=(run.caption_tokens if stage == "captions" else run.question_tokens) - (tokens if blind else 0),
        image_tokens=0 if blind else tokens,
        seed=run.seed + (stage == "questions"),
        first=0 if held else run.held,
        pictures=run.held if held else run.pictures - run.held,
    )


def recalled(run: SmolRun, bases: Bases) -> Recalled:
    """The model of stage 1: only its connector is trained."""
    torch.manual_seed(run.seed)
    connector = bases.connector(CONNECTOR)
    model = Recalled(connector, bases.decoder, bases.tokenizer.id(PLACEHOLDER))
    frozen_aside(model, ("connector.*",), run.dtype)
    return model


def connect(run: SmolRun, folder: Path, bases: Bases, steps: int, seconds: float | None) -> bool:
    """Stage 1."""
    step, data = objective(run, rows(run, folder, bases, "captions"))
    model = recalled(run, bases)
    outcome = train(
        loop(run, steps, seconds),
        model=model,
        step=step,
        batches=Batches(data.make, data.collate, batch_size=run.batch),
        optimizer=make_optimizer(model, OptimizerConfig(lr=run.connect_lr, weight_decay=0.0)),
        schedule=Cosine(steps=steps, warmup=min(20, steps // 4), floor=0.1),
        folder=folder / "connect",
        gates=[Gate(check=sees(run, rows(run, folder, bases, "captions", held=True)), every=run.gate_every)],
    )
    return outcome.finished


def converse(
    run: SmolRun, folder: Path, bases: Bases, steps: int, seconds: float | None, stage: str = "converse"
) -> bool:
    """Stage 2; the same from the questions alone ("blind"); or once more, from where it ended ("again")."""
    blind, again = stage == "blind", stage == "again"
    data = rows(run, folder, bases, "questions", blind)
    if again:
        data = replace(data, seed=data.seed + 7, start=planned(run, folder)["converse"] * run.batch)
    model = pupil(run, folder, bases, "converse") if again else conversing(run, folder, bases, blind)
    if again:
        frozen_aside(model, adapted(False), run.dtype)
    step, source = (SupervisedStep(), data) if blind else objective(run, data)
    slow = () if blind else (Part(prefix="connector", lr_scale=run.connector_rate),)
    held = rows(run, folder, bases, "questions", held=True)
    peak = run.again_lr if again else run.converse_lr
    outcome = train(
        loop(run, steps, seconds),
        model=model,
        step=step,
        batches=Batches(source.make, source.collate, batch_size=run.batch),
        optimizer=make_optimizer(model, OptimizerConfig(lr=peak, weight_decay=0.0, parts=slow)),
        schedule=Cosine(steps=steps, warmup=min(40, steps // 4), floor=0.05),
        folder=folder / stage,
        gates=[] if blind else [Gate(check=sees(run, held), every=run.gate_every)],
    )
    return outcome.finished


def objective(run: SmolRun, data: Rows) -> tuple[Step, Rows | Worded]:
    """The step of a stage and what makes its batches, with the words of more pictures if the run has that."""
    if not run.words_weight:
        return SupervisedStep(), data
    worded = Worded(data, run.extra)
    return WordedStep(SupervisedStep(), worded.words, run.words_weight), worded


def more(run: SmolRun, folder: Path, minutes: float, seconds: float | None) -> bool:
    """Stage 2 once more, from where it ended, for so many minutes, which are written into the plan the first time."""
    plan = planned(run, folder)
    if "again" not in plan:
        plan["again_worded"] = bool(run.words_weight)
        plan["again"] = max(1, round(60 * minutes / seconds_a_step(run, folder, "converse")))
        write_atomically(folder / "plan.json", json.dumps(plan).encode())
    return converse(run, folder, open_parts(), plan["again"], seconds, "again")


def conversing(run: SmolRun, folder: Path | None, bases: Bases, blind: bool = False) -> Recalled:
    """The model of stage 2: the connector of stage 1 and a fresh adapter; a blind one has no connector to train."""
    torch.manual_seed(run.seed)
    model = Recalled(bases.connector(CONNECTOR), bases.decoder, bases.tokenizer.id(PLACEHOLDER))
    if folder is not None and not blind:
        load_module(Connected(model.connector), result(folder, "connect"))
    add_lora(model.decoder, run.lora)
    frozen_aside(model, adapted(blind), run.dtype)
    return model


def adapted(blind: bool) -> tuple[str, ...]:
    """Patterns of what stage 2 trains."""
    return ("*.lora_?.weight",) if blind else ("*.lora_?.weight", "connector.*")


class Connected(nn.Module):
    """What a checkpoint of stage 1 holds."""

    def __init__(self, connector: nn.Module):
        super().__init__()
        self.connector = connector


def loop(run: SmolRun, steps: int, seconds: float | None) -> LoopConfig:
    return LoopConfig(
        max_steps=steps,
        seed=run.seed,
        precision=run.precision,
        log_every=10,
        save_every_seconds=180,
        stop_after_seconds=seconds,
    )


def sees(run: SmolRun, held: Rows) -> Callable[[nn.Module], Mapping[str, float]]:
    """The blindness gate on pictures that no step has seen."""
    batch: PackedBatch = held.collate([held.make(i) for i in range(min(run.held, run.gate_rows))])
    check = Blindness(SupervisedStep(), batch, BlindnessConfig(patience=run.patience), lambda m: m)  # type: ignore

    def gate(model: nn.Module) -> Mapping[str, float]:
        with torch.autocast("cpu", torch.bfloat16, enabled=run.precision == "bf16"):
            return check(model)

    return gate


def make_plan(run: SmolRun, folder: Path, bases: Bases, minutes: float) -> dict[str, int]:
    """Steps of each stage, measured when the run begins and kept."""
    place = folder / "plan.json"
    if not place.is_file():
        if run.plan is not None:
            steps = dict(zip(("connect", "converse"), run.plan, strict=True))
        else:
            shares = {"connect": run.connect_share, "converse": 1 - run.connect_share}
            seconds = {stage: seconds_a_step(run, folder, stage) for stage in shares}
            steps = {stage: max(1, round(60 * minutes * part / seconds[stage])) for stage, part in shares.items()}
        write_atomically(
            place,
            json.dumps(steps | {"blind": max(1, steps["converse"] // 3), "worded": bool(run.words_weight)}).encode(),
        )
    return planned(run, folder)


def planned(run: SmolRun, folder: Path) -> dict[str, int]:
    """The plan of a run that has begun."""
    plan: dict[str, int] = read_json(folder / "plan.json")
    return plan


def seconds_a_step(run: SmolRun, folder: Path, stage: str) -> float:
    """Of one step of a stage on this machine, the second of two."""
    bases = open_parts()
    step, data = objective(run, rows(run, folder, bases, "captions" if stage == "connect" else "questions"))
    model = recalled(run, bases) if stage == "connect" else conversing(run, None, bases)
    batch = data.collate([data.make(i) for i in range(run.batch)])  # type: ignore[misc, arg-type]
    for _ in range(2):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=run.precision == "bf16"):
            loss = step(model, batch)
        loss.value.backward()
        spent = time.perf_counter() - start
    return 1.08 * spent  # optimiser, gates and checkpoints


def result(folder: Path, stage: str) -> Path:
    """What a finished stage has written; ConfigError when there is none."""
    path = folder / stage / "model.safetensors"
    if not path.is_file():
        raise ConfigError(f"{path} is missing: the stage {stage!r} has not finished; run it again to go on")
    return path


def last(folder: Path) -> str:
    """The stage whose result is the model."""
    return "again" if (folder / "again" / "model.safetensors").is_file() else "converse"


def pupil(run: SmolRun, folder: Path, bases: Bases, stage: str | None) -> Recalled:
    """The model after a stage, in float32, its adapter still apart; None = as its parts were published."""
    torch.manual_seed(run.seed)
    model = Recalled(bases.connector(CONNECTOR), bases.decoder, bases.tokenizer.id(PLACEHOLDER))
    if stage == "connect":
        load_module(Connected(model.connector), result(folder, stage))
    elif stage is not None:
        add_lora(model.decoder, run.lora)
        trained = adapted(stage == "blind")
        tensors = load_tensors(result(folder, stage))
        state = {name: tensor for name, tensor in model.state_dict().items() if named(name, trained)}
        check_fit(state, tensors, str(folder / stage))
        with torch.no_grad():
            for name, tensor in state.items():
                tensor.copy_(tensors[name])
    return model.eval()


def export(run: SmolRun, folder: Path, bases: Bases) -> Path:
    """Write `folder/model` from the finished second stage."""
    model = pupil(run, folder, bases, last(folder))
    vision, decoder = bases_of()
    config = GraftConfig(
        vision=vision,
        decoder=decoder,
        connector=CONNECTOR,
        image_size=run.image_size,
        image_token=PLACEHOLDER,
    )
    place = folder / "model"
    save_graft(place, config, model.connector, model.decoder, PARTS[LANGUAGE].hub or LANGUAGE, card(run, folder, model))
    logs = [(stage, folder / stage / "log.jsonl") for stage in ("connect", "converse", last(folder))]
    logs = list(dict(logs).items())
    lines = [json.dumps({"stage": stage} | short(line)) for stage, log in logs for line in log.open(encoding="utf-8")]
    (place / "training.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place


def short(line: str) -> dict[str, Any]:
    """A line of the log, its figures rounded and without the time of day."""
    event: dict[str, Any] = json.loads(line)
    return {name: round(v, 5) if isinstance(v, float) else v for name, v in event.items() if name != "time"}


def card(run: SmolRun, folder: Path, model: Recalled) -> dict[str, Any]:
    """What the model is; the scores are added by `score`."""
    plan = planned(run, folder)
    adapter = sum(
        p.numel() for layer in lora_layers(model.decoder).values() for p in (layer.lora_A.weight, layer.lora_B.weight)
    )
    return {
        "name": "smol-llava",
        "what": "SmolLM2-135M-Instruct with the eyes of EfficientNet-Lite0, by recipes/smol_llava.py",
        "learned here": {"connector": count(model.connector), "adapter": adapter},
        "trained_on": {
            "pictures": "showtell.worlds.scene, split train, without writing: cut-outs on photographs and patterns",
            "different_pictures": run.pictures - run.held,
            "steps": {stage: plan[stage] for stage in ("connect", "converse", "again") if stage in plan},
            "rows_a_step": run.batch,
            "with the words of captions as second objective": [
                stage
                for stage, worded in (("connect", "worded"), ("converse", "worded"), ("again", "again_worded"))
                if plan.get(worded)
            ],
        },
        "limits": (
            f"names about {len(run.scene().names)} kinds of things, cut out and pasted; counts, places and colours "
            "roughly; of anything else it says the nearest of these names, or what a small language model makes up"
        ),
        "license": "Apache-2.0; both checkpoints are under Apache-2.0 as well",
    }


def score(run: SmolRun, folder: Path, pictures: int, splits: tuple[str, ...] = SPLITS) -> dict[str, Any]:
    """The table of `smol_llava_score.py`, in `folder/scores.json` and in the card; what was said, in said.jsonl."""
    found: dict[str, Any] = {"pictures": pictures, "splits": {}, "perplexity": {}}
    bases = open_parts()
    exams = {
        split: examination(
            run.scene("val" if split == "phrasing" else split),
            pictures,
            bases.tower,
            bases.processor(run.image_size),
            "heldout" if split == "phrasing" else "train",
        )
        for split in splits
    }
    text = (PACKAGE.parent.parent / "LICENSE").read_text(encoding="utf-8")
    said: list[dict[str, str]] = []
    for who, stage in (
        ("blind, untrained", None),
        ("blind, trained", "blind"),
        ("stage 1", "connect"),
        ("stage 2", last(folder)),
    ):
        if stage is not None and not (folder / stage / "model.safetensors").is_file():
            continue
        bases = open_parts()
        model = pupil(run, folder, bases, stage)
        merge_lora(model.decoder)
        if stage != "connect":  # the decoder of stage 1 is the published one
            found["perplexity"][who] = perplexity(model.decoder, bases.tokenizer, text)
        for split, exam in exams.items():
            pupils = {who: Pupil(model, blind=stage in (None, "blind"))}
            if who == "stage 2":
                pupils["wrong picture"] = Pupil(model, shift=1)
            for name, one in pupils.items() if split == splits[0] else [(who, pupils[who])] * (who == "stage 2"):
                table, answered = examine(one, exam, bases.chat, bases.tokenizer, progress(f"{split}, {name}"))
                found["splits"].setdefault(split, {})[name] = table
                said += [{"split": split, "who": name} | line for line in answered]
        write_atomically(folder / "scores.json", (json.dumps(found, indent=1) + "\n").encode())
    write_atomically(folder / "said.jsonl", "".join(json.dumps(line) + "\n" for line in said).encode())
    place = folder / "model" / "card.json"
    if place.is_file():
        content = read_json(place) | {"scores": found}
        write_atomically(place, (json.dumps(content, indent=1) + "\n").encode())
    return found


def progress(what: str) -> Callable[[int, int], None]:
    """Tells on the terminal how far an examination is."""
    console = Console(stderr=True)
    return lambda done, all: (
        console.print(f"{what}: {done} of {all} pictures") if done == all or done % 40 == 0 else None
    )


def ship(model: Path) -> None:
    """Copy an exported and scored model into the package; refused when it is over 20 MB."""
    files = sorted(path for path in model.iterdir() if path.is_file())
    size = sum(path.stat().st_size for path in files)
    if size > 20e6:
        raise ConfigError(f"{model} holds {size / 1e6:.1f} MB; the package takes 20")
    PACKAGE.mkdir(exist_ok=True)
    for path in files:
        shutil.copyfile(path, PACKAGE / path.name)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/smol-llava"))
    parser.add_argument("--minutes", type=float, default=75.0)
    parser.add_argument("--stage", default="all", choices=STAGES)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--hours", type=float)
    main(**vars(parser.parse_args()))
