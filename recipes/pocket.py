"""The pocket model: a small vision-language model trained from nothing on made-up pictures, on two CPU cores.

    showtell train pocket --folder runs/pocket              again: resumes;  --hours 1.5: stops there, resumable
    python -m recipes.pocket --folder runs/pocket
    python -m recipes.pocket --folder runs/next --start showtell/pocket     the next edition, from this one's weights

Three stages, each in its own folder, each resumable at any step:

    1 see     tower + dense head         what covers each patch, its colour, its box          every patch is a lesson
    2 speak   connector + decoder        captions, lists, boxes and names; the tower frozen   language meets pictures
    3 answer  everything + dense head    all skills, several questions a picture, packed       and dense pictures

and `export`, which writes the model folder with its card, and `score`, which fills in the card's figures. The measured
result of the shipped run is in `showtell/pocket/card.json`, its log beside it.
"""

import argparse
import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from showtell.core.checkpoint import load_module
from showtell.data.loader import Batches
from showtell.data.sample import sample_rng
from showtell.engine.gates import Gate
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, Part, make_optimizer
from showtell.engine.schedule import Cosine, WarmupStableDecay
from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.images.processor import Processor, ProcessorConfig
from showtell.instruct.assistant import Assistant
from showtell.instruct.bundle import Bundle, BundleConfig, assemble, load_bundle, save_bundle
from showtell.instruct.dataset import QuestionScenes
from showtell.instruct.evaluate import evaluate
from showtell.instruct.gates import Blindness
from showtell.instruct.joint import JointModel, JointScenes, JointStep
from showtell.instruct.losses import ordinal_targets
from showtell.instruct.step import SupervisedStep
from showtell.instruct.template import Template, TemplateConfig
from showtell.text.chat import Rendered
from showtell.text.coordinates import LocationCodec
from showtell.text.decoder import DecoderConfig
from showtell.text.tokenizer import Tokenizer, train_tokenizer
from showtell.vision.dense import DenseHead, DenseStep, DenseTower
from showtell.vision.dense_targets import DenseScenes
from showtell.vision.vit import VisionTransformer, ViTConfig
from showtell.worlds.cutouts import load_pack
from showtell.worlds.language import exchanges
from showtell.worlds.scene import Scene, SceneConfig
from showtell.worlds.shapes import COLORS

PACKAGE = Path(__file__).parent.parent / "showtell" / "pocket"
READING = {"word_share": 0.5, "random_word_share": 0.5}
"""What edition 3 learns by: edition 2 answers every question about a word with the word it has met most often."""


@dataclass(frozen=True, kw_only=True)
class PocketRun:
    """Everything that decides what is trained.

    seed: of pictures, questions and weights.
    least_instances: categories of cut-outs with fewer training instances are not drawn.
    vocab_size: of the tokenizer, control and location tokens included.
    corpus_pictures: pictures whose questions the tokenizer is trained on.
    vision, decoder sizes: see their configs.
    *_steps, *_batch, *_lr: length, pictures a step and peak rate of each stage.
    row_tokens: length of a packed row, picture included.
    spread: of the ordinal location targets, in bins.
    tower_rate: learning rate of the tower in the last stage, as a fraction.
    extra: pictures of the last stage that only teach the tower, for each one with questions.
    again_steps, again_lr: length and peak rate of the last stage when it starts from an earlier edition.
    word_share, random_word_share: of `SceneConfig`, while it goes on from an earlier edition: reading comes last.
    """

    seed: int = 1
    vocab_size: int = 1792
    corpus_pictures: int = 6000
    least_instances: int = 5
    image_size: int = 96
    patch_size: int = 12
    bins: int = 64
    vision_dim: int = 192
    vision_depth: int = 6
    decoder_dim: int = 192
    decoder_depth: int = 6
    heads: int = 3
    see_steps: int = 5000
    see_batch: int = 16
    see_lr: float = 8e-4
    speak_steps: int = 600
    speak_batch: int = 16
    answer_steps: int = 3400
    answer_batch: int = 16
    lr: float = 1e-3
    row_tokens: int = 224
    spread: float = 1.0
    tower_rate: float = 1.0
    extra: int = 1
    again_steps: int = 2800
    again_lr: float = 6e-4
    word_share: float | None = None
    random_word_share: float = 0.12
    workers: int = 1

    @property
    def vision(self) -> ViTConfig:
        side = (self.image_size, self.image_size)
        dim, depth = self.vision_dim, self.vision_depth
        return ViTConfig(
            image_size=side,
            patch_size=self.patch_size,
            dim=dim,
            depth=depth,
            heads=self.heads,
            mlp_dim=4 * dim,
            stem="conv",
        )

    def bundle(self, tokenizer: Tokenizer) -> BundleConfig:
        template = TemplateConfig(lowercase_questions=True)
        decoder = DecoderConfig(
            vocab_size=len(tokenizer),
            dim=self.decoder_dim,
            depth=self.decoder_depth,
            heads=self.heads,
            mlp_dim=self.decoder_dim * 8 // 3,
        )
        model = PrefixVLMConfig(
            vision=self.vision,
            connector=ConnectorConfig(),
            decoder=decoder,
            image_token_id=tokenizer.id(template.image),
        )
        processor = ProcessorConfig(image_size=self.image_size)
        return BundleConfig(
            architecture="showtell-prefix-vlm",
            model=model,
            processor=processor,
            codec=LocationCodec(self.bins),
            template=template,
        )

    def scene(self) -> Scene:
        usual = SceneConfig(image_size=self.image_size, least_instances=self.least_instances)
        words = {} if self.word_share is None else {"word_share": self.word_share}
        return Scene(replace(usual, random_word_share=self.random_word_share, **words), load_pack())


def main(
    folder: Path = Path("runs/pocket"),
    hours: float | None = None,
    stage: str = "all",
    pictures: int = 300,
    threads: int = 2,
    start: Path | None = None,
) -> None:
    """Train, export and score the pocket model.

    Args:
        folder: where checkpoints, logs and the exported model go.
        hours: stop after so long, to be resumed by the same command.
        stage: "all", "train", "export", "score", or "ship", which copies the model into the package.
        pictures: held-out pictures a split for the card's scores.
        threads: of the arithmetic; 1 when the machine has other work.
        start: a model folder to go on from instead of starting from nothing: the last stage only, on new pictures.
    """
    run = PocketRun()
    folder = Path(folder)
    torch.set_num_threads(threads)
    seconds = None if hours is None else 3600 * hours
    if stage in ("all", "train") and not (
        again(run, folder, start, seconds) if start else train_all(run, folder, seconds)
    ):
        return
    if stage in ("all", "export"):
        export(run, folder)
    if stage in ("all", "score"):
        score(folder / "model", pictures)
    if stage == "ship":
        ship(folder / "model")


def train_all(run: PocketRun, folder: Path, seconds: float | None) -> bool:
    """The three stages; False when one was interrupted or ran out of time."""
    began = time.monotonic()

    def left() -> float | None:
        return None if seconds is None else max(1.0, seconds - (time.monotonic() - began))

    tokenizer = get_tokenizer(run, folder)
    torch.manual_seed(run.seed)
    model = PrefixVLM(run.bundle(tokenizer).model)
    head = dense_head(run)
    return (
        see(run, folder, model.vision, head, left())
        and speak(run, folder, model, tokenizer, left())
        and answer(run, folder, JointModel(model, head), tokenizer, left())
    )


def again(run: PocketRun, folder: Path, start: Path, seconds: float | None) -> bool:
    """The last stage once more, from an earlier edition, with pictures it has not seen; the dense head starts anew."""
    earlier = load_bundle(start)
    folder.mkdir(parents=True, exist_ok=True)
    earlier.template.tokenizer.save(folder / "tokenizer.json")
    for name in ("card.json", "training.jsonl"):
        shutil.copyfile(start / name, folder / f"earlier_{name}")
    torch.manual_seed(run.seed)
    model = JointModel(earlier.model, dense_head(run))
    seed = again_seed(run, int(earlier.card["edition"]))
    later = replace(run, seed=seed, answer_steps=run.again_steps, lr=run.again_lr, **READING)
    return answer(later, folder, model, earlier.template.tokenizer, seconds)


def again_seed(run: PocketRun, editions: int) -> int:
    """Seed of the edition after so many, so that no two draw the same pictures."""
    return run.seed + 10 * editions


def dense_scenes(run: PocketRun) -> DenseScenes:
    """Patch targets of the run's world."""
    scene = run.scene()
    return DenseScenes(
        scenes=[scene],
        processor=Processor(ProcessorConfig(image_size=run.image_size)),
        codec=LocationCodec(run.bins),
        names=(*scene.names, "word"),
        colors=tuple(COLORS),
        patch=run.patch_size,
        seed=run.seed,
    )


def dense_head(run: PocketRun) -> DenseHead:
    """The head for those targets."""
    data = dense_scenes(run)
    return DenseHead(run.vision_dim, len(data.names), len(data.colors), run.bins)


def see(run: PocketRun, folder: Path, vision: VisionTransformer, head: DenseHead, seconds: float | None) -> bool:
    """Stage 1: the tower learns what covers each patch."""
    data = dense_scenes(run)
    tower = DenseTower(vision, head)
    outcome = train(
        loop(run, run.see_steps, seconds),
        model=tower,
        step=DenseStep(ordinal_targets(run.bins, run.spread), letter_weight=2.0),
        batches=Batches(data.make, data.collate, batch_size=run.see_batch, workers=run.workers),
        optimizer=make_optimizer(tower, OptimizerConfig(lr=run.see_lr)),
        schedule=Cosine(steps=run.see_steps, warmup=150, floor=0.05),
        folder=folder / "see",
    )
    return outcome.finished


def speak(run: PocketRun, folder: Path, model: PrefixVLM, tokenizer: Tokenizer, seconds: float | None) -> bool:
    """Stage 2: connector and decoder learn to say what the frozen tower sees."""
    data = questions(run, tokenizer, skills=("caption", "list", "dense", "name", "region", "refer"), seed=run.seed + 1)
    frozen = OptimizerConfig(lr=run.lr, parts=(Part(prefix="vision", frozen=True),))
    outcome = train(
        loop(run, run.speak_steps, seconds),
        model=model,
        step=supervised(run, data.template),
        batches=Batches(data.make, data.collate, batch_size=run.speak_batch, workers=run.workers),
        optimizer=make_optimizer(model, frozen),
        schedule=WarmupStableDecay(steps=run.speak_steps, decay=1, warmup=100, floor=1.0),
        folder=folder / "speak",
        gates=[Gate(check=blindness(run, data), every=500, name="swap")],
    )
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return outcome.finished


def answer(run: PocketRun, folder: Path, model: JointModel, tokenizer: Tokenizer, seconds: float | None) -> bool:
    """Stage 3: all skills, everything trained, the patches explained as before."""
    asked = questions(run, tokenizer, skills=None, seed=run.seed + 2)
    data = JointScenes(asked, replace(dense_scenes(run), seed=run.seed + 3), run.extra)
    slow_tower = OptimizerConfig(lr=run.lr, parts=(Part(prefix="vlm.vision", lr_scale=run.tower_rate),))
    outcome = train(
        loop(run, run.answer_steps, seconds),
        model=model,
        step=JointStep(
            supervised(run, asked.template), DenseStep(ordinal_targets(run.bins, run.spread), letter_weight=2.0)
        ),
        batches=Batches(data.make, data.collate, batch_size=run.answer_batch, workers=run.workers),
        optimizer=make_optimizer(model, slow_tower),
        schedule=Cosine(steps=run.answer_steps, warmup=150, floor=0.03),
        folder=folder / "answer",
        gates=[Gate(check=blindness(run, asked), every=500, name="swap")],
    )
    return outcome.finished


def loop(run: PocketRun, steps: int, seconds: float | None) -> LoopConfig:
    return LoopConfig(
        max_steps=steps,
        seed=run.seed,
        ema_decay=0.998,
        precision="bf16",
        log_every=100,
        save_every_seconds=180,
        stop_after_seconds=seconds,
    )


def supervised(run: PocketRun, template: Template) -> SupervisedStep:
    return SupervisedStep(template.location_ids[0], ordinal_targets(run.bins, run.spread))


def questions(run: PocketRun, tokenizer: Tokenizer, skills: tuple[str, ...] | None, seed: int) -> QuestionScenes:
    """The training set of a stage."""
    config = run.bundle(tokenizer)
    return QuestionScenes(
        scenes=[run.scene()],
        processor=Processor(config.processor),
        template=Template(config.template, tokenizer, config.codec),
        vision=run.vision,
        length=run.row_tokens,
        seed=seed,
        skills=skills,
    )


def blindness(run: PocketRun, data: QuestionScenes, pictures: int = 32) -> Blindness:
    """The gate that stops a run which answers from its questions alone, on pictures that are not trained on."""
    batch = data.collate([data.make(10**9 + i) for i in range(pictures)])
    return Blindness(
        supervised(run, data.template),
        batch,
        model_of=lambda trained: trained.vlm if isinstance(trained, JointModel) else trained,
    )


def get_tokenizer(run: PocketRun, folder: Path) -> Tokenizer:
    """The tokenizer of the run, trained on its own questions the first time.

    Words that are read from pictures are kept out of the corpus, so that they stay spelled letter by letter.
    """
    path = folder / "tokenizer.json"
    if path.exists():
        return Tokenizer.load(path)
    scene, corpus = run.scene(), []
    for position in range(run.corpus_pictures):
        _, facts = scene.sample(run.seed + 100, position)
        words = [item.text for item in facts.items if item.text]
        for exchange in exchanges(facts, sample_rng(run.seed + 100, position)):
            for part in (*exchange.question, *exchange.answer):
                if isinstance(part, str):
                    for word in words:
                        part = part.replace(word, "")
                    corpus.append(part)
    control = (*TemplateConfig().control, *LocationCodec(run.bins).names)
    tokenizer = train_tokenizer(corpus, run.vocab_size, control)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(path)
    return tokenizer


def rendered(position: int) -> tuple[Rendered, Tokenizer]:
    """One row of training data as the model reads it, for `showtell inspect --recipe pocket`."""
    run = PocketRun()
    tokenizer = Tokenizer.load(PACKAGE / "tokenizer.json")
    data = questions(run, tokenizer, None, run.seed + 2)
    _, facts = data.scenes[0].sample(data.seed, position)
    document = data.document(facts, data.processor.view(facts.frame), sample_rng(data.seed, position))
    pieces = (document.trunk, *document.branches)
    joined = Rendered([], [], [], list(document.trunk.image_slots))
    for piece in pieces:
        joined.ids.extend(piece.ids)
        joined.loss_mask.extend(piece.loss_mask)
        joined.roles.extend(piece.roles)
    return joined, tokenizer


def export(run: PocketRun, folder: Path) -> Bundle:
    """Write `folder/model` from the finished last stage."""
    tokenizer = get_tokenizer(run, folder)
    config = run.bundle(tokenizer)
    model = PrefixVLM(config.model)
    load_module(JointModel(model, dense_head(run)), folder / "answer" / "model.safetensors")
    before = folder / "earlier_card.json"
    earlier = json.loads(before.read_text(encoding="utf-8")) if before.exists() else None
    bundle = assemble(config, model, tokenizer, card(run, model, earlier))
    save_bundle(bundle, folder / "model")
    (folder / "model" / "training.jsonl").write_text(training_log(folder), encoding="utf-8")
    return bundle


def training_log(folder: Path) -> str:
    """The logged steps and checks of all stages, earlier editions first, one JSON object a line, in order."""
    before = folder / "earlier_training.jsonl"
    lines = before.read_text(encoding="utf-8").splitlines(keepends=True) if before.exists() else []
    for log in (folder / stage / "log.jsonl" for stage in ("see", "speak", "answer")):
        stage = log.parent.name if not before.exists() else f"{log.parent.name} again"
        for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
            event = json.loads(line)
            short = {name: round(v, 5) if isinstance(v, float) else v for name, v in event.items() if name != "time"}
            lines.append(json.dumps({"stage": stage} | short) + "\n")
    return "".join(lines)


def ship(model: Path) -> None:
    """Copy an exported and scored model into the package."""
    for name in ("config.json", "model.safetensors", "tokenizer.json", "card.json", "training.jsonl"):
        shutil.copyfile(model / name, PACKAGE / name)


def history(run: PocketRun, earlier: dict[str, Any] | None) -> list[dict[str, Any]]:
    """What each edition was trained on, the first one first."""
    asked = {
        "answer": run.answer_steps * run.answer_batch,
        "tower alone": run.answer_steps * run.answer_batch * run.extra,
    }
    if earlier is None:
        first = {"see": run.see_steps * run.see_batch, "speak": run.speak_steps * run.speak_batch, **asked}
        return [{"edition": 1, "seed": run.seed, "pictures_seen": first}]
    again = {name: seen * run.again_steps // run.answer_steps for name, seen in asked.items()}
    editions = earlier["trained_on"]["editions"]
    number, seed = len(editions) + 1, again_seed(run, len(editions))
    return [*editions, {"edition": number, "seed": seed, "pictures_seen": again, "peak_lr": run.again_lr} | READING]


def card(run: PocketRun, model: PrefixVLM, earlier: dict[str, Any] | None) -> dict[str, Any]:
    """What the model is; the scores are added by `score`."""
    editions = history(run, earlier)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    return {
        "name": "pocket",
        "edition": len(editions),
        "what": "a prefix vision-language model (LLaVA-style) trained from nothing by recipes/pocket.py",
        "parameters": count | {"total": sum(count.values())},
        "image_tokens": run.vision.grid[0] * run.vision.grid[1],
        "coordinates": f"xyxy as {run.bins} location tokens an axis, in the padded square view",
        "trained_on": {
            "pictures": "showtell.worlds.scene, split train: coloured shapes, cut-out photographs, drawings and words",
            "editions": editions,
        },
        "world": {"image_size": run.image_size, "least_instances": run.least_instances},
        "languages": ["English, lower case"],
        "limits": (
            "knows the names, colours and ways of asking of its made-up world; a photograph of anything else is given "
            "the nearest of these names; the scores of the split 'instance' say how well it names what it has not seen"
        ),
        "license": "Apache-2.0",
    }


def score(model_folder: Path, pictures: int) -> dict[str, Any]:
    """Score an exported model on every held-out split and write the figures into its card."""
    bundle = load_bundle(model_folder)
    scores = evaluate(Assistant(bundle, "pocket"), pictures=pictures)
    bundle.card["scores"] = scores
    (model_folder / "card.json").write_text(json.dumps(bundle.card, indent=1) + "\n", encoding="utf-8")
    return scores


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/pocket"))
    parser.add_argument("--hours", type=float)
    parser.add_argument("--stage", default="all", choices=("all", "train", "export", "score", "ship"))
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--start", type=Path)
    main(**vars(parser.parse_args()))
