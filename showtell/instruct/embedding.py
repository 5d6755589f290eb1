"""A loaded checkpoint as an embedder: what it needs for `classify`, `index`, `search` and `embed`.

    Published ─ dual encoder with a tokenizer ─> pictures and words          pocket-clip, CLIP, SigLIP, OpenCLIP
              └ vision encoder ────────────────> pictures only               DINOv2, ViT, EfficientNet

Anything else has no vector for a whole picture, and is refused by name. Not here: the embedder
(`contrastive/embedder.py`).
"""

from pathlib import Path
from typing import Any

from showtell.contrastive.embedder import Captions, PairEmbedder, captions_of, pair_embedder, tower_embedder
from showtell.contrastive.pocket_pair import PocketPair, captions_of_pair, load_pair
from showtell.core.errors import ConfigError
from showtell.instruct.published import Published


def open_pocket_pair(folder: Path, name: str) -> Published:
    """The dual encoder of a folder of ours."""
    pair = load_pair(folder)
    return Published(
        name=name,
        kind="dual encoder",
        family=pair.config.architecture,
        model=pair.model,
        processor=pair.processor,
        tokenizer=pair.tokenizer,
        config={"alphabet": pair.config.alphabet},
        about=pair.card,
    )


def embedder_of(loaded: Any) -> PairEmbedder:
    """The embedder of a loaded model; raises ConfigError for one that has none, or lacks a file it needs for that."""
    if not isinstance(loaded, Published) or loaded.kind not in ("dual encoder", "vision encoder"):
        kind = loaded.kind if isinstance(loaded, Published) else "model that answers questions"
        raise ConfigError(
            f"{loaded.name} is a {kind}, and has no space that words and pictures share; use pocket-clip, or a CLIP or "
            "SigLIP checkpoint"
        )
    if loaded.processor is None:
        raise ConfigError(f"{loaded.name}: without preprocessor_config.json nobody knows what its image tower sees")
    if loaded.kind == "vision encoder":
        return tower_embedder(loaded.name, loaded.model, loaded.processor)
    if loaded.tokenizer is None:
        raise ConfigError(
            f"{loaded.name}: a dual encoder without tokenizer.json cannot read words; fetch that file too"
        )
    return pair_embedder(loaded.name, loaded.model, loaded.processor, captions(loaded))


def captions(loaded: Published) -> Captions:
    """How its text tower wants to be asked."""
    tokenizer, model, config = loaded.tokenizer, loaded.model, loaded.config
    assert tokenizer is not None
    if isinstance(model, PocketPair):
        return captions_of_pair(model, tokenizer)
    towers: Any = model
    declared = config.get("text_config") or config.get("model_cfg", {}).get("text_cfg") or {}
    return captions_of(tokenizer, towers.config.text, declared)
