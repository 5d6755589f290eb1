"""Asking a model about a picture.

    assistant = st.load("pocket")
    assistant.ask("street.jpg", "where is the red flag?")     -> Answer(words, boxes in pixels of the file, ...)

A picture is looked at once: `encode` runs the tower and lets the decoder read the picture, and the keys and values of
that prefix are kept (`ImageState`), by content, so that the second question costs only its own tokens. Answers of this
model begin with the boxes they rest on; the boxes are then named by the model itself, in one more batched question.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.core.geometry import Box, Frame, Point
from showtell.core.trace import Seen, trace
from showtell.fusion.image_plan import ImagePlan, plan_image
from showtell.images.decode import Picture, Source, decode
from showtell.images.view import ViewTransform
from showtell.instruct.answer import Answer, read_answer
from showtell.instruct.bundle import Bundle
from showtell.instruct.conversation import question as as_question
from showtell.text.generate import Generated, generate
from showtell.text.kv_cache import KVCache
from showtell.text.sampling import SamplingConfig

MOST_QUESTION_TOKENS = 256
KEPT_PICTURES = 8

Question = str | tuple[str | Box | Point, ...]


@dataclass(frozen=True)
class ImageState:
    """A picture that has been looked at: the decoder's memory of it and the way back to its pixels."""

    key: str
    cache: KVCache
    view: ViewTransform
    plan: ImagePlan
    seconds: float


class Assistant:
    """One loaded model. Not thread-safe: callers that share it take turns."""

    def __init__(self, bundle: Bundle, name: str):
        self.bundle, self.name = bundle, name
        self.model, self.template, self.processor = bundle.model, bundle.template, bundle.processor
        self._kept: OrderedDict[str, ImageState] = OrderedDict()

    @property
    def card(self) -> dict[str, Any]:
        """What the model is, what it was trained on, and its scores."""
        return self.bundle.card

    def plan(self, frame: Frame) -> ImagePlan:
        """What a picture of this size costs."""
        return plan_image(frame, self.model.config.vision)

    def encode(self, image: Source | Picture) -> ImageState:
        """Look at a picture; the same pixels are looked at once.

        Raises ImageError when it cannot be decoded.
        """
        picture = image if isinstance(image, Picture) else decode(image)
        digest = hashlib.sha256(repr(picture.pixels.shape).encode() + picture.pixels.tobytes()).hexdigest()
        if digest not in self._kept:
            start = time.perf_counter()
            processed = self.processor(picture)
            cache = self.model.read_images(processed.pixels[None])
            seconds = time.perf_counter() - start
            self._kept[digest] = ImageState(digest, cache, processed.view, self.plan(picture.frame), seconds)
        self._kept.move_to_end(digest)
        while len(self._kept) > KEPT_PICTURES:
            self._kept.popitem(last=False)
        return self._kept[digest]

    def ask(
        self,
        image: Source | Picture | ImageState,
        question: Question,
        *,
        trace_attention: bool = False,
        sampling: SamplingConfig = SamplingConfig(),
        on_token: Callable[[str], None] | None = None,
    ) -> Answer:
        """Answer one question.

        Args:
            question: text, or parts with boxes and points in pixels of the original picture.
            trace_attention: also say which image tokens each written token attended to.
            on_token: called with the text of each token as it is written.

        Raises ConfigError for an empty or endless question.
        """
        state = image if isinstance(image, ImageState) else self.encode(image)
        start = time.perf_counter()
        prompt = torch.tensor([self.prompt(question, state.view)])
        generated, attention = self._write(state, prompt, sampling, trace_attention, on_token)
        timings = {"encode": state.seconds, "generate": time.perf_counter() - start}
        answer = read_answer(
            generated,
            self.template,
            state.view,
            model=self.name,
            grid=state.plan.grid,
            timings=timings,
            attention=attention,
        )
        return self._named(answer, state)

    def caption(self, image: Source | Picture | ImageState) -> Answer:
        """One sentence about the picture."""
        return self.ask(image, "describe the picture")

    def ground(self, image: Source | Picture | ImageState, phrase: str, *, trace_attention: bool = False) -> Answer:
        """The box of what a phrase refers to ("the red flag"), labelled with the phrase."""
        wanted = phrase.strip().removesuffix(".")
        if wanted and wanted.split()[0].lower() not in ("the", "a", "an", "this", "that"):
            wanted = f"the {wanted}"
        answer = self.ask(image, f"find {wanted}" if wanted else "", trace_attention=trace_attention)
        return answer.labelled([phrase.strip()] * len(answer.boxes))

    def prompt(self, question: Question, view: ViewTransform) -> list[int]:
        """Ids of a question, its places in pixels of the picture; raises ConfigError for an empty or endless one."""
        parts = (question,) if isinstance(question, str) else question
        if not any(not isinstance(part, str) or part.strip() for part in parts):
            raise ConfigError("the question is empty; ask something about the picture")
        placed = tuple(part.strip() if isinstance(part, str) and len(parts) == 1 else part for part in parts)
        placed = tuple(part if isinstance(part, str) else view.to_view(part) for part in placed)
        ids = self.template.render(as_question(*placed), prompt=True).ids
        if len(ids) > MOST_QUESTION_TOKENS:
            raise ConfigError(
                f"the question is {len(ids)} tokens long and this model reads {MOST_QUESTION_TOKENS}; shorten it"
            )
        return ids

    def _write(
        self,
        state: ImageState,
        prompt: Tensor,
        sampling: SamplingConfig,
        trace_attention: bool,
        on_token: Callable[[str], None] | None,
    ) -> tuple[Generated, list[list[float]] | None]:
        decoder, template = self.model.decoder, self.template

        def tell(ids: list[int]) -> None:
            if on_token and ids[0] != template.end_id:
                on_token(template.tokenizer.pieces(ids)[0])

        def run() -> Generated:
            valid = torch.ones(len(prompt), state.cache.length + prompt.shape[1], dtype=torch.bool)
            return generate(
                decoder,
                decoder.embed(prompt),
                valid,
                sampling,
                stop_id=template.end_id,
                forbidden=(template.image_id, template.padding_id),
                cache=state.cache,
                on_token=tell,
            )[0]

        with torch.inference_mode():
            if not trace_attention:
                return run(), None
            with trace(decoder, "blocks.*.attn.weights") as seen:
                generated = run()
        return generated, attention_to_image(seen, state.plan.tokens)[: len(generated.ids)]

    def _named(self, answer: Answer, state: ImageState) -> Answer:
        """Boxes without a label get the name that the model gives to what is in them."""
        nameless = [b.box for b in answer.boxes if not b.label]
        if not nameless:
            return answer
        start = time.perf_counter()
        decoder, template = self.model.decoder, self.template
        prompts = torch.tensor([self.prompt(("what is in ", box, "?"), state.view) for box in nameless])
        cache = state.cache.rows(torch.zeros(len(prompts), dtype=torch.long))
        valid = torch.ones(len(prompts), cache.length + prompts.shape[1], dtype=torch.bool)
        with torch.inference_mode():
            written = generate(
                decoder,
                decoder.embed(prompts),
                valid,
                SamplingConfig(max_tokens=12),
                stop_id=template.end_id,
                forbidden=(template.image_id, template.padding_id, *template.location_ids),
                cache=cache,
            )
        names = iter(" ".join(template.tokenizer.decode(row.ids).split()) for row in written)
        answer.timings["name_boxes"] = time.perf_counter() - start
        return answer.labelled([b.label or next(names) for b in answer.boxes])


def attention_to_image(seen: Seen, image_tokens: int) -> list[list[float]]:
    """For each written token, the share of attention its prediction paid to each image token.

    The token written first was predicted by the last token of the prompt, the second by the first written one, ...;
    mean
    over layers and heads, as the model had it (shares to text make the sum less than 1).
    """
    steps = zip(*(history for history in seen.history.values()), strict=True)
    means = [
        torch.stack([layer[0, :, -1, :image_tokens].mean(dim=0) for layer in layers]).mean(dim=0) for layers in steps
    ]
    return [mean.tolist() for mean in means]
