"""The table of tasks: each card beside the function that reads its files.

    TASK on the command line      vqav2=data/vqav2    my_questions.jsonl    worlds    worlds:composition    spatial

`vqav2=FOLDER` names a published set and where it is unpacked; a `.jsonl` file is a task of its own; the made-up worlds
need no files. Prompts are those under which LLaVA-like models are measured; `--prompt` replaces one, and the run then
says so. Not here: reading (`formats.py`, `formats_places.py`, `worlds.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from showtell.core.errors import ConfigError
from showtell.evaluation import formats, formats_places, ranking, worlds
from showtell.evaluation.files import Folder
from showtell.evaluation.spatial import spatial_task
from showtell.evaluation.task import Card, Task
from showtell.instruct.evaluate import SPLITS

SHORT = "{question}\nAnswer the question using a single word or phrase."
LETTER = "{question}\n{options}\nAnswer with the option's letter from the given choices directly."

Reader = Callable[[Folder, Card], Task]


def _card(name: str, data: str, prompt: str, metric: str, source: str) -> Card:
    return Card(name=name, version=1, data=data, prompt=prompt, metric=metric, source=source)


FILES: Mapping[str, tuple[Card, Reader]] = {
    card.name: (card, reader)
    for card, reader in (
        (
            _card("vqav2", "*questions*.json, *annotations*.json, pictures of COCO", SHORT, "vqa", "Goyal et al. 2017"),
            formats.vqav2,
        ),
        (_card("gqa", "*questions*.json, pictures", SHORT, "gqa", "Hudson and Manning 2019"), formats.gqa),
        (_card("textvqa", "TextVQA*.json, pictures", SHORT, "textvqa", "Singh et al. 2019"), formats.textvqa),
        (_card("docvqa", "*docvqa*.json or val*.json, pages", SHORT, "anls", "Mathew et al. 2021"), formats.docvqa),
        (
            _card("chartqa", "test_human.json, test_augmented.json, pictures", SHORT, "chartqa", "Masry et al. 2022"),
            formats.chartqa,
        ),
        (_card("pope", "*pope*.json, pictures of COCO", SHORT, "pope", "Li et al. 2023"), formats.pope),
        (
            _card("scienceqa", "problems.json, {split}/{id}/image.png", LETTER, "scienceqa", "Lu et al. 2022"),
            formats.scienceqa,
        ),
        (_card("mmmu", "*.parquet or *.jsonl", LETTER, "mmmu", "Yue et al. 2024"), formats.mmmu),
        (_card("mmbench", "*.tsv with pictures in base64", LETTER, "choice", "Liu et al. 2023"), formats.mmbench),
        (
            _card(
                "refcoco",
                "*.jsonl of Qwen-VL, or finetune_refcoco*.json of MDETR; pictures",
                "where is {question}?",
                "box",
                "Kazemzadeh et al. 2014, Yu et al. 2016; RefCOCO, RefCOCO+ and RefCOCOg alike",
            ),
            formats_places.refcoco,
        ),
        (
            _card("screenspot", "*screenspot*.json, pictures", "point to {question}", "click", "Cheng et al. 2024"),
            formats_places.screenspot,
        ),
        (
            _card(
                "captions", "captions_*.json, pictures of COCO", "describe the picture", "captions", "Chen et al. 2015"
            ),
            formats_places.captions,
        ),
        (
            _card("retrieval", "captions_*.json, pictures of COCO", "{question}", "ranking", "Radford et al. 2021"),
            ranking.retrieval,
        ),
        (
            _card("classes", "a folder a class", "what is this? one of: {options}", "class", "Deng et al. 2009"),
            formats_places.classes,
        ),
        (_card("jsonl", "a row a question", "{question}", "exact", "your own"), formats_places.jsonl),
    )
}
MADE: Mapping[str, Card] = {
    "worlds": _card("worlds", "none: made up", "the world's own", "facts", "showtell/worlds"),
    "hallucination": _card(
        "hallucination", "none: made up", "is there a {name}?", "pope", "Li et al. 2023, in our worlds"
    ),
    "spatial": _card("spatial", "none: made up", "the world's own", "exact", "showtell/evaluation/spatial.py"),
}


def task(
    wanted: str,
    *,
    pictures: int = 200,
    seed: int = 0,
    world: Mapping[str, Any] | None = None,
    prompt: str | None = None,
) -> Task:
    """The task that a word of the command line means.

    Args:
        pictures: how many are made up, for tasks that need no files.
        world: what the card of the model says of its world.
        prompt: in the place of the card's own.

    Raises ConfigError for an unknown name, DataError for files that cannot be used.
    """
    name, equals, place = wanted.partition("=")
    kind, _, split = name.partition(":")
    if not equals and wanted.endswith(".jsonl"):
        name, place = "jsonl", wanted
    if name in FILES:
        card, reader = FILES[name]
        if not place:
            raise ConfigError(f"{name}: say where its files are, {name}=FOLDER ({card.data})")
        return reader(Folder(Path(place), name), card if prompt is None else replace(card, prompt=_checked(prompt)))
    if kind not in MADE or equals or (split and kind != "worlds"):
        raise ConfigError(f"the task {wanted!r} is unknown; known are {', '.join((*MADE, *FILES))}")
    return _made(kind, split, pictures, seed, dict(world or {}))


def _made(kind: str, split: str, pictures: int, seed: int, world: dict[str, Any]) -> Task:
    if pictures < 1:
        raise ConfigError(f"--pictures {pictures}: at least one picture is needed")
    card = MADE[kind]
    if kind == "hallucination":
        return worlds.hallucination_task(card, pictures, world, seed)
    if kind == "spatial":
        return spatial_task(card, pictures, seed)
    if not split:
        return worlds.all_splits(card, pictures, world, seed)
    if split not in SPLITS:
        raise ConfigError(f"split {split!r} is unknown; choose from {', '.join(SPLITS)}")
    return worlds.split_task(replace(card, name=f"worlds:{split}"), split, pictures, world, seed)


def _checked(prompt: str) -> str:
    if "{question}" not in prompt:
        raise ConfigError(f"--prompt {prompt!r}: say where the question goes with {{question}}")
    return prompt
