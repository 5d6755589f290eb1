"""How many questions a second does training learn from, and how many with padded rows of `transformers`?

    python bench/train_step.py [--json] [--threads 2] [--steps 8]

    ours   16 rows   [ picture | question 1 | question 2 | ... | question 8 ]       one tower pass a picture
    peer   ~128 rows [ picture | question 1 | padding ]                             one tower pass a question
                     [ picture | question 2 | padding ] ...

The model is the pocket's (`recipes/pocket.py`): tower, two-layer projector and Llama-shaped decoder of the same size,
depth, heads and vocabulary, drawn at random. The peer is what one writes with `transformers` first: `ViTModel`,
a projector, `LlamaForCausalLM` fed with `inputs_embeds`, its own loss over labels of -100 and answers, rows of one
picture and one question padded on the right to the longest of their micro-batch. Both see the same pictures and the
same questions, train on the same tokens (checked), and make one step a batch of pictures: forward, backward and fused
AdamW, in bfloat16 autocast, with the same threads. Making the batches is not timed. Steps of the two alternate, the
one that goes first too, and the medians over the steps are reported.

Not equal. Our tower begins with a convolutional stem (`vision/patch_embed.py`), which at these sizes is as much
arithmetic as all six blocks above it (190 million multiplications a picture); the peer's begins with one linear layer
(5 million): ours does more work there. Ours computes logits only where a token is trained on, and smooths the targets
of location tokens; the peer computes logits everywhere, as `LlamaForCausalLM` does when it is given labels. The peer's
micro-batches are of 32 rows, the fastest of 16, 32 and 96 where it was tried.
"""

import statistics
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from _report import Ratio, make_parser, report
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parents[1]))  # recipes/ is beside bench/ and not installed

from recipes.pocket import PACKAGE, PocketRun, questions, supervised
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.step import Loss
from showtell.fusion.prefix_vlm import PrefixVLM
from showtell.instruct.packing import IGNORE, PackedBatch
from showtell.text.tokenizer import Tokenizer

GOAL = 1.5
WARM_UP = 2
PEER_ROWS = 32  # of a micro-batch of the peer


@dataclass(frozen=True)
class PaddedBatch:
    """The peer's micro-batch: a picture and one question a row; ids, labels and attention cover the text alone."""

    pixels: Tensor
    ids: Tensor
    labels: Tensor
    attention: Tensor


class Peer(nn.Module):
    """The same model from the modules of `transformers`; returns its mean loss."""

    def __init__(self, run: PocketRun, vocab_size: int):
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM, ViTConfig, ViTModel

        vision, dim = run.vision, run.decoder_dim
        tower = ViTConfig(
            image_size=run.image_size,
            patch_size=run.patch_size,
            hidden_size=vision.dim,
            num_hidden_layers=vision.depth,
            num_attention_heads=vision.heads,
            intermediate_size=vision.mlp_dim,
        )
        language = LlamaConfig(
            vocab_size=vocab_size,
            hidden_size=dim,
            num_hidden_layers=run.decoder_depth,
            num_attention_heads=run.heads,
            num_key_value_heads=run.heads,
            intermediate_size=dim * 8 // 3,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
        )
        self.tower = ViTModel(tower, add_pooling_layer=False)
        self.projector = nn.Sequential(nn.Linear(vision.dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.language = LlamaForCausalLM(language)

    def forward(self, batch: PaddedBatch) -> Tensor:
        image = self.projector(self.tower(batch.pixels).last_hidden_state[:, 1:])  # without the class token
        words = self.language.get_input_embeddings()(batch.ids)
        untrained = torch.full(image.shape[:2], IGNORE)
        return self.language(
            inputs_embeds=torch.cat([image.to(words.dtype), words], dim=1),
            attention_mask=torch.cat([torch.ones(image.shape[:2], dtype=torch.long), batch.attention], dim=1),
            labels=torch.cat([untrained, batch.labels], dim=1),
            use_cache=False,
        ).loss


def one_a_row(batch: PackedBatch, rows: int) -> list[PaddedBatch]:
    """The questions of a packed batch, each with a picture of its own, in micro-batches of `rows`."""
    pictures, ids, labels = [], [], []
    for row in range(len(batch.ids)):
        for branch in range(1, int(batch.branches[row].max()) + 1):
            inside = batch.branches[row] == branch
            answer = batch.targets[row][inside]  # the token to come; transformers shifts by itself
            pictures.append(row)
            ids.append(batch.ids[row][inside])
            labels.append(torch.cat([torch.full((1,), IGNORE), answer[:-1]]))
    pieces = [slice(start, start + rows) for start in range(0, len(ids), rows)]
    return [padded(batch.pixels[pictures[piece]], ids[piece], labels[piece]) for piece in pieces]


def padded(pixels: Tensor, ids: Sequence[Tensor], labels: Sequence[Tensor]) -> PaddedBatch:
    """Rows padded on the right to the longest."""
    attention = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
    return PaddedBatch(
        pixels,
        pad_sequence(list(ids), batch_first=True),
        pad_sequence(list(labels), batch_first=True, padding_value=IGNORE),
        attention,
    )


def trained_tokens(micro_batches: Sequence[PaddedBatch]) -> int:
    return sum(int((piece.labels != IGNORE).sum()) for piece in micro_batches)


def ours_step(
    model: PrefixVLM, step: Callable[[PrefixVLM, PackedBatch], Loss], optimizer: torch.optim.Optimizer
) -> Callable[[PackedBatch], None]:
    def run(batch: PackedBatch) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = step(model, batch)
        (loss.value / loss.weight).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


def peer_step(peer: Peer, optimizer: torch.optim.Optimizer) -> Callable[[Sequence[PaddedBatch]], None]:
    def run(micro_batches: Sequence[PaddedBatch]) -> None:
        for piece in micro_batches:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = peer(piece)
            (loss / len(micro_batches)).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


@dataclass(frozen=True)
class Timed:
    """What one batch held and the seconds each side took for it."""

    pictures: int
    questions: int
    tokens: int
    ours: float
    peer: float


def measure(
    run: PocketRun,
    tokenizer: Tokenizer,
    steps: int,
    peer_rows: int = PEER_ROWS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Timed]:
    """Alternate the two on `steps` batches, after a warm-up on others.

    Raises ValueError when the two would not train on the same tokens.
    """
    data = questions(run, tokenizer, skills=None, seed=run.seed)
    torch.manual_seed(run.seed)
    model, peer = PrefixVLM(run.bundle(tokenizer).model), Peer(run, len(tokenizer))
    rate = OptimizerConfig(lr=run.lr)
    ours = ours_step(model, supervised(run, data.template), make_optimizer(model, rate))
    theirs = peer_step(peer.train(), make_optimizer(peer, rate))
    timed = []
    for number in range(WARM_UP + steps):
        start = number * run.answer_batch
        batch = data.collate([data.make(start + i) for i in range(run.answer_batch)])
        rows = one_a_row(batch, peer_rows)
        tokens = int((batch.targets != IGNORE).sum())
        if tokens != trained_tokens(rows):
            raise ValueError(f"ours trains on {tokens} tokens and the peer on {trained_tokens(rows)}; not comparable")
        sides = [("ours", lambda batch=batch: ours(batch)), ("peer", lambda rows=rows: theirs(rows))]
        seconds = {}
        for name, work in sides if number % 2 else reversed(sides):
            began = clock()
            work()
            seconds[name] = clock() - began
        asked = sum(len(piece.ids) for piece in rows)
        timed.append(Timed(len(batch.ids), asked, tokens, **seconds))
    return timed[WARM_UP:]


def options() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8, help="batches timed on each side")
    parser.add_argument("--tokenizer", type=Path, default=PACKAGE / "tokenizer.json")
    return parser


def main() -> None:
    given = options().parse_args()
    torch.set_num_threads(given.threads)
    run = PocketRun()
    timed = measure(run, Tokenizer.load(given.tokenizer), given.steps)

    def rates(count: str) -> tuple[float, float]:
        """Medians over the steps, a second."""
        ours = statistics.median(getattr(step, count) / step.ours for step in timed)
        return ours, statistics.median(getattr(step, count) / step.peer for step in timed)

    report(
        f"training, {given.threads} threads, {run.answer_batch} pictures a step",
        [Ratio.rate("trained questions / s", *rates("questions"), GOAL)],
        as_json=given.json,
        columns=("ours, packed", "transformers, padded"),
        beside=[("pictures / s", *rates("pictures")), ("trained tokens / s", *rates("tokens"))],
        notes=[f"{statistics.mean(step.questions / step.pictures for step in timed):.1f} questions a picture"],
    )


if __name__ == "__main__":
    main()
