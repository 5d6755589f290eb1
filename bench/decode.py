"""How fast does the decoder write, beside `transformers.generate` on the same weights, and how fast does it open?

    python bench/decode.py [--json] [--model FILE.gguf or FOLDER] [--tokens 24] [--rounds 3] [--threads 2]

    fp32, bf16   tokens a second, greedy, one row, after a prompt of 40 tokens, both sides in the same dtype (ours in
                 fp32 with its wide matrices laid out by columns)
    half, int8   ours with 16-bit and 8-bit weights beside theirs in bf16
    cold load    from a folder of safetensors to a model that can be asked, each in a process that has its imports

Without `--model` the model has the shape of SmolLM2-135M and random weights: the time does not depend on their values.
The sides take turns within a round and the medians are compared; with one thread it is the seconds of the processor
that count, which a busy machine disturbs less. The time of the prompt is taken off, by also writing
one token. Under the table: which part of what this machine can read from memory each side reads, if every weight is
read once a token. With `--model`, also what int8 and bf16 change in the answers of the real weights (fp32 = 0).
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _report import Ratio, make_parser, report

from showtell.core.checkpoint import save_tensors
from showtell.core.gguf import GGUFFile
from showtell.text import llama
from showtell.text.decoder import Decoder
from showtell.text.families import load_decoder
from showtell.text.generate import generate
from showtell.text.gguf_decoder import load_gguf_decoder
from showtell.text.sampling import SamplingConfig
from showtell.text.writing import by_columns, to_half_decoder, to_int8_decoder

PROMPT = 40
OURS = "from pathlib import Path; from showtell.text.families import load_decoder as load"
PEER = "from functools import partial; import torch; from transformers import AutoModelForCausalLM as A; " + (
    "load = partial(A.from_pretrained, dtype=torch.float32); Path = str"
)
LOAD = "; import time; t = time.perf_counter(); load(Path({!r})); print(time.perf_counter() - t)"


def random_model() -> Decoder:
    torch.manual_seed(0)
    return Decoder(llama.SMOLLM2_135M).eval()


def write_folder(model: Decoder, folder: Path) -> None:
    """A Llama-shaped decoder as a folder that both sides read."""
    config = model.config
    save_tensors(llama.to_hf(model), folder / "model.safetensors", {"format": "pt"})
    written = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": config.vocab_size,
        "hidden_size": config.dim, "num_hidden_layers": config.depth, "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads or config.heads, "head_dim": model.head_dim,
        "intermediate_size": config.mlp_dim, "rms_norm_eps": config.norm_eps, "rope_theta": config.rope_base,
        "tie_word_embeddings": config.tied, "max_position_embeddings": 8192,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(written))


def our_writer(model: Decoder) -> Callable[[torch.Tensor, int], None]:
    def write(ids: torch.Tensor, tokens: int) -> None:
        valid = torch.ones_like(ids, dtype=torch.bool)
        generate(model, model.embed(ids), valid, SamplingConfig(max_tokens=tokens), stop_id=model.config.vocab_size)

    return write


def their_writer(model: Any) -> Callable[[torch.Tensor, int], None]:
    def write(ids: torch.Tensor, tokens: int) -> None:
        seen = torch.ones_like(ids)
        model.generate(
            ids, attention_mask=seen, max_new_tokens=tokens, do_sample=False, eos_token_id=None, pad_token_id=0
        )

    return write


def speeds(
    writers: dict[str, Callable[[torch.Tensor, int], None]], tokens: int, rounds: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Tokens a second of each side, median over rounds in which each has a turn."""
    ids = torch.randint(100, 4000, (1, PROMPT), generator=torch.Generator().manual_seed(0))
    found: dict[str, list[float]] = {name: [] for name in writers}
    for number in range(1 + rounds):
        for name, write in writers.items():
            began = clock()
            write(ids, 1)
            first = clock()
            write(ids, 1 + tokens)
            rest = clock() - first - (first - began)
            if number:  # the first round warms up
                found[name].append(tokens / max(rest, 1e-9))
    return {name: statistics.median(values) for name, values in found.items()}


def cold_load(folder: Path, rounds: int) -> tuple[float, float]:
    """Median seconds of ours and theirs, in turns."""
    seconds: list[list[float]] = [[], []]
    for _ in range(rounds):
        for side, imports in enumerate((OURS, PEER)):
            done = subprocess.run(
                [sys.executable, "-c", imports + LOAD.format(str(folder))], capture_output=True, text=True, check=True
            )
            seconds[side].append(float(done.stdout.split()[-1]))
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def read_bandwidth() -> float:
    """Bytes a second that a sum over 256 MB reads at best."""
    numbers = torch.ones(64 * 2**20)
    best = float("inf")
    for _ in range(8):
        began = time.perf_counter()
        numbers.sum()
        best = min(best, time.perf_counter() - began)
    return numbers.numel() * 4 / best


@torch.no_grad()
def costs(exact: Decoder, other: Decoder) -> tuple[float, float]:
    """Mean KL divergence and share of equal first choices, on text that the exact model writes itself."""
    start = torch.arange(100, 100 + PROMPT)[None]
    config = SamplingConfig(temperature=1.0, max_tokens=200)
    generator = torch.Generator().manual_seed(0)
    valid = torch.ones_like(start, dtype=torch.bool)
    (row,) = generate(exact, exact.embed(start), valid, config, stop_id=exact.config.vocab_size, generator=generator)
    ids = torch.cat([start, torch.tensor([row.ids])], dim=1)
    a, b = (one_by_one(m, ids)[PROMPT:] for m in (exact, other))
    return float((a.exp() * (a - b)).sum(-1).mean()), float((a.argmax(-1) == b.argmax(-1)).float().mean())


def one_by_one(model: Decoder, ids: torch.Tensor) -> torch.Tensor:
    """Log-probabilities after each token, read singly as in writing: few rows take other products than many."""
    cache = model.new_cache()
    rows = []
    for place in range(ids.shape[1]):
        hidden = model(model.embed(ids[:, place : place + 1]), torch.tensor([[place]]), None, cache)
        rows.append(model.logits(hidden)[0, 0].float().log_softmax(-1))
    return torch.stack(rows)


def options() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--model", type=Path, default=None, help="a GGUF file or a folder of a Llama-shaped decoder")
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    return parser


def open_model(path: Path | None) -> Decoder:
    if path is None:
        return random_model()
    return load_gguf_decoder(GGUFFile(path)) if path.suffix == ".gguf" else load_decoder(path)


def main() -> None:
    given = options().parse_args()
    torch.set_num_threads(given.threads)
    from transformers import AutoModelForCausalLM

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folder(open_model(given.model), folder)
        load_ours, load_theirs = cold_load(folder, given.rounds)
        exact, brain = by_columns(load_decoder(folder)), load_decoder(folder, torch.bfloat16)
        half, small = to_half_decoder(load_decoder(folder)), to_int8_decoder(load_decoder(folder))
        theirs = {
            kind: AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
            for kind, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
        }
        writers = {"fp32": our_writer(exact), "peer fp32": their_writer(theirs["fp32"])}
        writers |= {"bf16": our_writer(brain), "peer bf16": their_writer(theirs["bf16"])}
        writers |= {"half": our_writer(half), "int8": our_writer(small)}
        clock = time.process_time if given.threads == 1 else time.perf_counter
        rate = speeds(writers, given.tokens, given.rounds, clock)
        weights = sum(p.numel() for p in exact.parameters())
        reading = read_bandwidth()
        rounded = {"int8": small, "half": half, "bf16": brain}
        lost = [] if given.model is None else [(kind, *costs(exact, other)) for kind, other in rounded.items()]
    report(
        f"writing, {given.threads} threads, {weights / 1e6:.0f} million weights",
        [
            Ratio.rate("fp32, tokens / s", rate["fp32"], rate["peer fp32"], 2.0),
            Ratio.rate("bf16, tokens / s", rate["bf16"], rate["peer bf16"], 2.0),
            Ratio.rate("16-bit weights against bf16, tokens / s", rate["half"], rate["peer bf16"], 2.0),
            Ratio.rate("int8 against bf16, tokens / s", rate["int8"], rate["peer bf16"], 3.0),
            Ratio.rate("cold loads / s", 1 / load_ours, 1 / load_theirs, 2.0),
        ],
        as_json=given.json,
        beside=[
            ("read from memory at most, GB / s", reading / 1e9, None),
            ("share of it, fp32", rate["fp32"] * weights * 4 / reading, rate["peer fp32"] * weights * 4 / reading),
            ("share of it, bf16", rate["bf16"] * weights * 2 / reading, rate["peer bf16"] * weights * 2 / reading),
            ("share of it, 16-bit weights", rate["half"] * weights * 2 / reading, None),
            ("share of it, int8", rate["int8"] * weights / reading, None),
        ],
        notes=[f"{kind}: KL {kl:.4f} nats a token, first choice equal in {same:.1%}" for kind, kl, same in lost],
    )


if __name__ == "__main__":
    main()
