"""How fast is an evaluation, beside a loop over the same items with `transformers`, at the same scores?

    python bench/eval.py [--json] [--pictures 8] [--questions 4] [--tokens 12] [--rounds 2] [--threads 1]

    items / s    questions about pictures answered by one LLaVA-shaped checkpoint with random weights (a CLIP tower of
                 6 blocks, a Llama of 8), several about each picture: `showtell eval`, and a loop that prepares,
                 generates and decodes item by item. Both start from decoded pictures, write the same number of tokens
                 greedily, and are scored by the same metric; unequal answers end the benchmark
    boxes / s    writing and reading boxes in published conventions, processor time; 100,000 a second are wanted

What is saved: a picture is looked at once for all its questions, and rows are decoded together, which costs little more
than one row where the time goes into reading the weights. With one thread all times are processor time, which other
work on the machine hardly changes; with more it is the clock on the wall.

On a busy machine, 32 items: 23.1 items / s against 5.0, 4.6 times; boxes written 112,000 to 132,000 a second, read
87,000 to 116,000, by convention.
"""

import json
import statistics
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _report import Ratio, make_parser, report
from PIL import Image

from showtell.core.geometry import Box, Frame
from showtell.evaluation.answering import OfPublished
from showtell.evaluation.cards import task
from showtell.evaluation.running import run
from showtell.evaluation.summary import summarise
from showtell.instruct.published import Published
from showtell.load import load
from showtell.text.axis import Labelled
from showtell.text.chat import Place, Turn
from showtell.text.dialects import DIALECTS
from showtell.text.sampling import SamplingConfig
from showtell.text.tokenizer import train_tokenizer

SIDE, PATCH = 112, 16
WORDS = (
    "what",
    "where",
    "is",
    "the",
    "how",
    "many",
    "color",
    "left",
    "dog",
    "red",
    "are",
    "there",
    "USER",
    "ASSISTANT",
)
TEMPLATE = "{% for m in messages %}USER: <image>\n{{ m }} {% endfor %}ASSISTANT:"
BOXES = 20_000
CONVENTIONS = ("qwen2-vl", "florence-2", "paligemma", "llava", "qwen3-vl")


def write_checkpoint(folder: Path) -> None:
    """A LLaVA of random weights in the files that both sides read."""
    from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration

    control = ("<unk>", "<s>", "</s>", "<image>")
    tokenizer = train_tokenizer([" ".join(WORDS)] * 4, 320, control)
    tokenizer.save(folder / "tokenizer.json")
    vision = {
        "model_type": "clip_vision_model", "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 6,
        "num_attention_heads": 4, "image_size": SIDE, "patch_size": PATCH, "projection_dim": 128,
    }  # fmt: skip
    text = {
        "model_type": "llama", "vocab_size": len(tokenizer), "hidden_size": 384, "num_hidden_layers": 8,
        "num_attention_heads": 6, "num_key_value_heads": 6, "intermediate_size": 1024,
        "max_position_embeddings": 1024, "initializer_range": 0.1,
    }  # fmt: skip
    torch.manual_seed(0)
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=tokenizer.id("<image>"))
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    size = {"crop_size": {"height": SIDE, "width": SIDE}, "size": {"shortest_edge": SIDE}}
    CLIPImageProcessor(**size).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))


def write_task(folder: Path, pictures: int, questions: int) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(pictures):
        noise = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
        for ask in range(questions):
            words = " ".join(rng.choice(WORDS[:12], size=4 + ask))
            rows.append({"id": f"{number}-{ask}", "image": f"{number}.png", "question": words, "answer": "dog"})
    path = folder / "items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def one_by_one(ours: Published, peer: Any, processor: Any, path: Path, tokens: int) -> list[str]:
    """The loop: a picture prepared, a prompt generated from, an answer decoded, then the next item."""
    speaking, known = ours.speaking(), task(str(path))
    said = []
    for item in known.items:
        assert item.picture is not None and isinstance(item.question, str)
        picture = known.open(item.picture)
        ids = speaking.prompt([Turn("user", (Place(0), item.question))], speaking.layouts([picture]))
        pixels = processor(images=Image.fromarray(picture.pixels), return_tensors="pt")["pixel_values"]
        row = torch.tensor([ids])
        written = peer.generate(
            input_ids=row, pixel_values=pixels, attention_mask=torch.ones_like(row), max_new_tokens=tokens,
            do_sample=False, eos_token_id=None, pad_token_id=0, suppress_tokens=[speaking.tokenizer.id("<image>")],
        )  # fmt: skip
        said.append(speaking.tokenizer.decode(written[0, len(ids) :].tolist()).strip())
    return said


def clock() -> float:
    """Seconds: of the processor with one thread, of the wall with more."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def items_per_second(pictures: int, questions: int, tokens: int, rounds: int) -> tuple[float, float, int]:
    """(ours, theirs, items); raises where an answer or a score differs."""
    from transformers import CLIPImageProcessor, LlavaForConditionalGeneration

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        write_checkpoint(folder / "model")
        path = write_task(folder, pictures, questions)
        ours = load(folder / "model")
        assert isinstance(ours, Published)
        peer = LlavaForConditionalGeneration.from_pretrained(folder / "model", dtype=torch.float32).eval()
        processor = CLIPImageProcessor.from_pretrained(folder / "model")
        answerer = OfPublished(ours, sampling=SamplingConfig(max_tokens=tokens))
        seconds: tuple[list[float], list[float]] = ([], [])
        for number in range(1 + rounds):
            began = clock()
            done = run(answerer, task(str(path)))
            between = clock()
            with torch.no_grad():
                said = one_by_one(ours, peer, processor, path, tokens)
            if number:  # the first round warms up
                seconds[0].append(between - began)
                seconds[1].append(clock() - between)
        pairs = zip(done.records, said, strict=True)
        different = [record.item.id for record, theirs in pairs if not same(record.reply.said.text, theirs)]
        if different:
            raise SystemExit(
                f"{len(different)} of {len(said)} answers differ, first {different[0]}: nothing to compare"
            )
        assert summarise(done)["items"] == len(said)
    items = pictures * questions
    return items / statistics.median(seconds[0]), items / statistics.median(seconds[1]), items


def same(ours: str, theirs: str) -> bool:
    """Equal answers; ours ends at the token that ends an answer, which the loop writes past."""
    return theirs.startswith(ours)


def boxes_per_second(convention: str) -> tuple[float, float]:
    """Boxes written and boxes read, one a text, by processor time."""
    rng = np.random.default_rng(0)
    frame = Frame(640, 480)
    starts, sides = rng.uniform(0, 0.6, (BOXES, 2)), rng.uniform(0.1, 0.4, (BOXES, 2))
    boxes = [Box.from_unit((*start, *(start + side)), frame) for start, side in zip(starts, sides, strict=True)]
    dialect = DIALECTS[convention]
    began = time.process_time()
    texts = [dialect.write([Labelled("", [box])]) for box in boxes]
    between = time.process_time()
    for text in texts:
        dialect.read(text, frame)
    return BOXES / (between - began), BOXES / (time.process_time() - between)


def options() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--questions", type=int, default=4, help="about each picture")
    parser.add_argument("--tokens", type=int, default=12, help="written for each answer")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    return parser


def main() -> None:
    given = options().parse_args()
    torch.set_num_threads(given.threads)
    ours, theirs, items = items_per_second(given.pictures, given.questions, given.tokens, given.rounds)
    rates = {convention: boxes_per_second(convention) for convention in CONVENTIONS}
    report(
        f"evaluation, {items} items, {given.threads} threads, equal answers",
        [
            Ratio.rate("items / s against one by one", ours, theirs, 3.0),
            *(
                Ratio.rate(f"{name}, boxes / s {what}", rate, 100_000)
                for name, both in rates.items()
                for what, rate in zip(("written", "read"), both, strict=True)
            ),
        ],
        as_json=given.json,
        columns=("ours", "peer or wanted"),
    )


if __name__ == "__main__":
    main()
