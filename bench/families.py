"""Does a published checkpoint run here at least as fast as in the reference, and does it open faster?

    python bench/families.py [--json] [--rounds 5] [--threads 1] [--only NAME ...]

    forward     one model of each family at the sizes people use (cut to 4 layers), both sides in float32 on the same
                weights, which the reference saved; logits or tokens are held equal before the clock starts
    cold load   SmolLM2-135M and a ViT-B, from safetensors to a model, each in a process that has its imports

The sides take turns within a round; medians of the CPU seconds of the process are compared, which a busy machine
disturbs less than the clock on the wall. Decoding is `decode.py`, processors are `processor.py`.
"""

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
from torch import Tensor

from showtell.core.masks import causal_mask

DEPTH = 4
TEXT: dict[str, Any] = dict(
    vocab_size=8192, hidden_size=576, intermediate_size=1536, num_hidden_layers=DEPTH, num_attention_heads=9,
    num_key_value_heads=3,
)  # fmt: skip
TOWER: dict[str, Any] = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=DEPTH, num_attention_heads=12)
Side = Callable[[], Tensor]
LOADS = {
    "SmolLM2-135M": ("showtell.text.families", "load_decoder", "AutoModelForCausalLM"),
    "ViT-B": ("showtell.vision.vit_hf", "load", "AutoModel"),
}


def vision(model: Any, load: Callable[[Path], Any], folder: Path, size: int = 224) -> tuple[Side, Side]:
    model.save_pretrained(folder)
    ours, pixels = load(folder), torch.randn(2, 3, size, size)
    return lambda: ours(pixels).tokens, lambda: model(pixel_values=pixels).last_hidden_state[:, -ours_tokens(ours) :]


def ours_tokens(model: Any) -> int:
    rows, cols = model.config.grid
    return int(rows * cols)


def language(model: Any, load: Callable[[Path], Any], folder: Path) -> tuple[Side, Side]:
    model.save_pretrained(folder)
    ours, ids = load(folder), torch.randint(5, 8000, (1, 256))
    positions, mask = torch.arange(256)[None], causal_mask(256, 256)
    return lambda: ours.logits(ours(ours.embed(ids), positions, mask)), lambda: model(ids).logits


def sides(peer: Any) -> dict[str, Callable[[Path], tuple[Side, Side]]]:
    """Every family: a folder the reference writes, and both sides reading it."""
    from showtell.text.families import load_decoder
    from showtell.vision import clip_vit, dinov2, siglip, vit_hf

    def decoder(name: str, **more: Any) -> Callable[[Path], tuple[Side, Side]]:
        config = getattr(peer, f"{name}Config")(**{**TEXT, **more})
        return lambda folder: language(getattr(peer, f"{name}ForCausalLM")(config).eval(), load_decoder, folder)

    def tower(name: str, load: Any, **more: Any) -> Callable[[Path], tuple[Side, Side]]:
        config = getattr(peer, f"{name}Config")(**{**TOWER, **more})
        return lambda folder: vision(getattr(peer, f"{name}Model")(config).eval(), load, folder)

    return {
        "ViT-B/16": tower("ViT", vit_hf.load),
        "CLIP ViT-B/32": tower("CLIPVision", clip_vit.load, patch_size=32),
        "SigLIP B/16": tower("SiglipVision", siglip.load, patch_size=16),
        "DINOv2 B/14": tower("Dinov2", dinov2.load, patch_size=14, image_size=224),
        "Llama (SmolLM2's width)": decoder("Llama"),
        "Qwen2": decoder("Qwen2", tie_word_embeddings=True),
        "Qwen3": decoder("Qwen3", head_dim=64),
        "Gemma": decoder("Gemma", head_dim=64),
    }


@torch.no_grad()
def race(ours: Side, theirs: Side, rounds: int) -> tuple[float, float]:
    """Median CPU seconds of each; the first round does not count. Raises AssertionError when they differ."""
    a, b = ours(), theirs()
    assert a.shape == b.shape and float((a - b).abs().max()) <= 1e-3 * float(b.abs().max()), float((a - b).abs().max())
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for seconds, side in zip(spent, (ours, theirs), strict=True):
            began = time.process_time()
            side()
            seconds.append(time.process_time() - began)
    return statistics.median(spent[0]), statistics.median(spent[1])


def cold(name: str, folder: Path, rounds: int) -> tuple[float, float]:
    """Median CPU seconds from files to a model, without the imports."""
    module, function, auto = LOADS[name]
    clock = "; import time; t = time.process_time(); load(path); print(time.process_time() - t)"
    code = (
        f"import torch; torch.set_num_threads(1); from pathlib import Path; from {module} import {function} as load; "
        f"path = Path({str(folder)!r}){clock}",
        f"import torch; torch.set_num_threads(1); from transformers import {auto} as A; from functools import partial; "
        f"load = partial(A.from_pretrained, dtype=torch.float32); path = {str(folder)!r}{clock}",
    )
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for seconds, side in zip(spent, code, strict=True):
            done = subprocess.run([sys.executable, "-c", side], capture_output=True, text=True, check=True)
            seconds.append(float(done.stdout.split()[-1]))
    return statistics.median(spent[0]), statistics.median(spent[1])


def write_large(peer: Any, name: str, folder: Path) -> None:
    """The real sizes, for opening."""
    with torch.device("meta"):
        if name == "ViT-B":
            model = peer.ViTModel(peer.ViTConfig())
        else:
            model = peer.LlamaForCausalLM(
                peer.LlamaConfig(**{**TEXT, "vocab_size": 49_152, "num_hidden_layers": 30, "tie_word_embeddings": True})
            )
    model = model.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.01)
    model.save_pretrained(folder)


def options() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=None, metavar="NAME", help="families, or cold; else all")
    return parser


def main() -> None:
    given = options().parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    import transformers as peer

    ratios = []
    for name, make in sides(peer).items():
        if given.only is None or name in given.only:
            with tempfile.TemporaryDirectory() as folder:
                ours, theirs = race(*make(Path(folder)), given.rounds)
            ratios.append(Ratio.rate(f"{name}: forwards / s", 1 / ours, 1 / theirs, 1.0))
    for name in LOADS:
        if given.only is None or "cold" in given.only:
            with tempfile.TemporaryDirectory() as folder:
                write_large(peer, name, Path(folder))
                ours, theirs = cold(name, Path(folder), given.rounds)
            ratios.append(Ratio.rate(f"{name}: cold loads / s", 1 / ours, 1 / theirs, 2.0))
    report(f"families at the same dtype, {given.threads} threads", ratios, as_json=given.json)


if __name__ == "__main__":
    main()
