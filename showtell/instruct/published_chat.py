"""A question to a published model: its own chat format, its own picture words, greedy or sampled text back.

    question, pictures ──chat format──► ids   ... <|im_start|>user\\n [64 x image] what is this? <|im_end|> ...
    pictures ──sight──► image tokens ──┐
    ids ────────────────────────────────┴─► decoder ─► text until the format's stop token

What a user typed never becomes a control token (`text/tokenizer.py`), `<image>` included. The words around image tokens
(`<fake_token_around_image><row_1_col_1>`) are the checkpoint's control tokens, left out where the chat format writes
them itself. Boxes in answers are text here; reading them is each family's own convention.
"""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from showtell.core.errors import ConfigError
from showtell.core.geometry import Frame
from showtell.fusion.image_plan import ImageLayout
from showtell.fusion.reader import Reader
from showtell.fusion.reply import Prompt, continued, prompt_of, prompt_of_words
from showtell.fusion.sight import Sight
from showtell.images.decode import Picture
from showtell.images.view import ViewTransform
from showtell.instruct.answer import Answer, AnswerToken
from showtell.text.chat import ChatFormat, Place, Turn, render
from showtell.text.decoder import Decoder
from showtell.text.generate import Generated
from showtell.text.sampling import SamplingConfig
from showtell.text.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class Speaking:
    """The parts of a checkpoint that can be talked to.

    model: a decoder, or a model that reads pictures among its words.
    sight: how it sees; None for a decoder.
    stops: tokens that end an answer besides the chat format's.
    """

    model: nn.Module
    tokenizer: Tokenizer
    chat: ChatFormat
    sight: Sight | None
    stops: tuple[int, ...] = ()

    def prompt(self, turns: Sequence[Turn], layouts: Sequence[ImageLayout] = ()) -> list[int]:
        """Ids of the conversation, ending where the model is to answer."""
        pictures = [self.picture_ids(layout) for layout in layouts]
        return render(self.chat, self.tokenizer, turns, pictures, prompt=True).ids

    def picture_ids(self, layout: ImageLayout) -> list[int]:
        """Image tokens and the words between them; words that the chat format writes itself are left out."""
        assert isinstance(self.model, Reader)
        ids: list[int] = []
        for piece in layout.pieces:
            written = bool(piece.before) and piece.before in self.chat.picture
            ids += [] if written else self.markup(piece.before)
            ids += [self.model.image_token_id] * piece.tokens
        return ids if layout.after in self.chat.picture else ids + self.markup(layout.after)

    def markup(self, text: str) -> list[int]:
        """Ids of a checkpoint's own words, in which names of control tokens are those tokens."""
        names = sorted(self.tokenizer.control, key=len, reverse=True)
        parts = re.split("(" + "|".join(map(re.escape, names)) + ")", text) if names else [text]
        ids: list[int] = []
        for part in filter(None, parts):
            ids += [self.tokenizer.control[part]] if part in self.tokenizer.control else self.tokenizer.encode(part)
        return ids

    @torch.no_grad()
    def reply(
        self, turns: Sequence[Turn], pictures: Sequence[Picture] = (), sampling: SamplingConfig = SamplingConfig()
    ) -> Generated:
        """What the model writes next.

        Raises ConfigError when pictures are shown to a model that has no sight.
        """
        prompt = self.read(self.prompt(turns, self.layouts(pictures)), pictures)
        return continued(self.decoder, prompt, sampling, stop_id=self.stop_ids)

    @property
    def decoder(self) -> Decoder:
        """The language model inside."""
        decoder = self.model if isinstance(self.model, Decoder) else self.model.decoder
        assert isinstance(decoder, Decoder)
        return decoder

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Tokens that end an answer."""
        return (self.tokenizer.id(self.chat.stop), *self.stops)

    def layouts(self, pictures: Sequence[Picture]) -> list[ImageLayout]:
        """How these pictures stand in a prompt; raises ConfigError when the model has no sight."""
        if not pictures:
            return []
        if self.sight is None:
            raise ConfigError("this model reads no pictures; ask it in words alone")
        return self.sight.layouts([picture.frame for picture in pictures])

    def read(self, ids: Sequence[int], pictures: Sequence[Picture], seen: Tensor | None = None) -> Prompt:
        """Rendered ids, with their pictures in place; `seen` are their image tokens if they are known."""
        if self.sight is None or not pictures:
            return prompt_of_words(self.decoder, ids)
        assert isinstance(self.model, Reader)
        return prompt_of(self.model, self.sight, ids, pictures, seen)

    def answer(
        self, question: str, pictures: Sequence[Picture], name: str, sampling: SamplingConfig = SamplingConfig()
    ) -> Answer:
        """The answer to one question about these pictures, in words; `name` is what the model is called."""
        turn = Turn("user", (*(Place(number) for number in range(len(pictures))), question))
        start = time.perf_counter()
        said = self.reply([turn], pictures, sampling)
        pieces = self.tokenizer.pieces(said.ids)
        return Answer(
            answer=self.tokenizer.decode(said.ids).strip(),
            boxes=(),
            points=(),
            confidence=sureness(said),
            model=name,
            timings={"generate": time.perf_counter() - start},
            tokens=tuple(AnswerToken(piece, p) for piece, p in zip(pieces, said.probabilities, strict=True)),
            grid=(0, 0),
            view=ViewTransform.identity(pictures[0].frame if pictures else Frame(1, 1)),
        )


def sureness(said: Generated) -> float:
    """Geometric mean of the tokens' probabilities, the end included."""
    probabilities = [*said.probabilities, said.stop_probability]
    return math.exp(sum(math.log(max(p, 1e-12)) for p in probabilities) / len(probabilities))
