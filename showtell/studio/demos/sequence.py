"""4.1 Build the sequence: what a prefix model reads when it is shown pictures, and what that costs."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from showtell.core.masks import causal_mask, prefix_mask
from showtell.fusion.image_plan import ImagePlan, plan_image
from showtell.instruct.conversation import Conversation, Message, Part, Picture
from showtell.studio.series.bounds import Words, bounded, one_of, stepped
from showtell.studio.series.demo import Demo
from showtell.studio.series.palette import grey
from showtell.studio.series.scene import Bars, Concept, Raster, Ribbon, Scene, Token
from showtell.studio.series.tools import Tools, Unavailable
from showtell.text.chat import Rendered
from showtell.vision.costs import block_cost

SHOWN = 120  # largest side of the drawn mask
CONCEPTS: dict[str, Concept] = {"image": "image", "user": "text", "assistant": "key", "control": "plain"}


@dataclass(frozen=True)
class State:
    question: str = bounded("where is the cat?", Words(label="The question", most=80))
    pictures: int = stepped(1, low=0, high=4, step=1, label="Pictures")
    place: str = one_of("before", {"before": "before the words", "after": "after them"}, label="Place")
    fold: int = one_of(
        1, {"1": "one token a patch", "2": "2 × 2 folded", "4": "4 × 4 folded"}, label="Connector", typed=int
    )
    mask: str = one_of("causal", {"causal": "causal", "prefix": "pictures see each other"}, label="Mask")


class Sequence(Demo[State]):
    name = "sequence"
    number = "4.1"
    title = "Build the sequence"
    lede = (
        "Type a question, add pictures, move them, and fold their tokens. The ribbon is what the decoder reads; below "
        "is the bill."
    )
    claim = "Length, mask and bytes shown are those the loaded model itself uses."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        rendered = build(state, tools)
        length, image_tokens = len(rendered), sum(count for _, count in rendered.image_slots)
        config = decoder(tools)
        cost = block_cost(length, config.dim, config.mlp_dim, gated=True)
        words = length - image_tokens
        alone = block_cost(max(words, 1), config.dim, config.mlp_dim, gated=True)
        total, bare = (config.depth * one.total / 1e6 for one in (cost, alone))
        cache = key_value_bytes(length, tools)
        return Scene(
            widgets=(
                Ribbon(
                    title="What the decoder reads, left to right",
                    tokens=ribbon(rendered, tools),
                    note="teal: image tokens; violet: the reader’s words; grey: control tokens",
                ),
                Raster(
                    title="Who may look at whom: rows look at columns",
                    rgb=grey(drawn(mask_of(state, rendered))),
                    note="white = may look",
                    alt=f"{state.mask} mask of {length} tokens",
                ),
                Bars(
                    title="Reading the prompt, in million operations",
                    names=("the words alone", "with the pictures"),
                    values=(bare, total),
                    concepts=("text", "image"),
                ),
                Bars(
                    title="Memory of keys and values, in kB",
                    names=("of the words", "of the pictures"),
                    values=(key_value_bytes(words, tools) / 1e3, key_value_bytes(image_tokens, tools) / 1e3),
                    concepts=("text", "image"),
                ),
            ),
            says=(
                f"{length} tokens, of which {image_tokens} are picture: {100 * image_tokens / length:.0f} % of "
                "the list. A picture is a place in a list, and the bill is there."
            ),
            facts=(
                ("tokens", str(length)),
                ("keys and values", f"{cache / 1e3:,.0f} kB"),
                ("prompt", f"{total:,.0f} MFLOP"),
                ("model", tools.model_name),
            ),
        )

    def check(self, tools: Tools) -> None:
        model = assistant(tools).model
        state = State(pictures=2)
        rendered = build(state, tools)
        pixels = torch.stack([tools.seen("cat"), tools.seen("coins")])
        ids = torch.tensor([rendered.ids])
        with torch.inference_mode():
            image_tokens = model.image_tokens(pixels)
            assert sum(count for _, count in rendered.image_slots) == image_tokens.shape[0] * image_tokens.shape[1]
            positions, mask = torch.arange(len(rendered))[None], mask_of(state, rendered)
            cache = model.decoder.new_cache()
            from_model = model.read(image_tokens, ids, positions, mask)
            model.decoder(model.decoder.embed(ids), positions, mask, cache)
            assert from_model.shape[1] == len(rendered) and cache.nbytes() == key_value_bytes(len(rendered), tools)
            changed = ids.clone()
            changed[0, -1] = (changed[0, -1] + 1) % model.config.decoder.vocab_size
            after = model.read(image_tokens, changed, positions, mask)
        assert torch.equal(from_model[:, :-1], after[:, :-1]), "what comes later cannot be seen"
        assert not torch.equal(from_model[:, -1], after[:, -1])


def assistant(tools: Tools) -> Any:
    """The loaded assistant, if it is a prefix model of the library's own."""
    loaded = tools.assistant
    if not hasattr(loaded, "template") or not hasattr(getattr(loaded, "model", None), "read"):
        raise Unavailable(f"This figure needs a prefix model with a template; {tools.model_name} is none.")
    return loaded


def decoder(tools: Tools) -> Any:
    return assistant(tools).model.config.decoder


def build(state: State, tools: Tools) -> Rendered:
    """The prompt, rendered by the model's own template."""
    loaded = assistant(tools)
    whole = plan_image(tools.picture("cat").frame, loaded.model.config.vision)
    rows, cols = whole.grid
    plan = ImagePlan(whole.source, whole.view, (max(rows // state.fold, 1), max(cols // state.fold, 1)))
    pictures = tuple(Picture(i) for i in range(state.pictures))
    parts: tuple[Part, ...] = (*pictures, state.question) if state.place == "before" else (state.question, *pictures)
    conversation = Conversation((Message("user", parts),))
    return loaded.template.render(conversation, [plan] * state.pictures, prompt=True)


def mask_of(state: State, rendered: Rendered) -> Tensor:
    """(tokens, tokens), True = may look."""
    opening = sum(count for first, count in rendered.image_slots if state.place == "before")
    return causal_mask(len(rendered), len(rendered)) if state.mask == "causal" else prefix_mask(opening, len(rendered))


def key_value_bytes(tokens: int, tools: Tools) -> int:
    """Keys and values of every layer in float32."""
    config = decoder(tools)
    width = (config.kv_heads or config.heads) * (config.head_dim or config.dim // config.heads)
    return 2 * config.depth * tokens * width * 4


def ribbon(rendered: Rendered, tools: Tools) -> list[Token]:
    """Tokens with their roles; each run of image tokens is one entry."""
    tokenizer = assistant(tools).template.tokenizer
    starts = dict(rendered.image_slots)
    tokens: list[Token] = []
    place = 0
    while place < len(rendered):
        role = rendered.roles[place]
        count = starts.get(place, 1)
        text = "picture" if role == "image" else tokenizer.pieces([rendered.ids[place]])[0]
        where = f"place {place}" if count == 1 else f"places {place} to {place + count - 1}"
        tokens.append(Token(text=text, concept=CONCEPTS.get(role, "plain"), note=f"{where}, {role}", count=count))
        place += count
    return tokens


def drawn(mask: Tensor) -> Tensor:
    """The mask as 0..1, thinned out when it is larger than a figure can show."""
    places = torch.linspace(0, len(mask) - 1, min(len(mask), SHOWN)).round().long()
    return mask[places][:, places].float() * 0.86 + 0.08
