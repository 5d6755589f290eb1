"""A conversation that goes on: questions refer to answers, pictures come when they come, and nothing is read twice.

    turn 1   [picture 1] what is this?        a dog              read: everything
    turn 2   what colour is it?               brown              read: the answer before, and the question
    turn 3   [picture 2] and this?            ...                read: everything again, the pictures have changed

The decoder's keys and values of one turn are kept for the next; they are used as far as the two prompts agree token by
token. When the conversation outgrows the model's context, the oldest exchange goes, *whole, with its pictures*, and the
answer says so: half a picture or a question without its answer would be read as something else. An answer may be
stopped while it is written; what was said so far stays in the conversation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from showtell.core.errors import DataError
from showtell.fusion.reply import continued
from showtell.images.decode import Picture
from showtell.instruct.published_chat import Speaking, sureness
from showtell.text.chat import Place, Turn
from showtell.text.generate import Generated
from showtell.text.sampling import SamplingConfig

UNFINISHED = "\ufffd"  # what bytes of a character look like before the last of them has come


class StopAnswer(Exception):
    """Raised by `on_text` to end an answer where it is."""


@dataclass(frozen=True)
class Said:
    """One answer.

    stopped: the model ended it; False when it was interrupted or grew too long.
    interrupted: it was ended from outside.
    left_out: a sentence about what no longer fits into the context, or "".
    prompt_tokens, read_tokens: tokens the answer builds on, and how many of them were new.
    confidence: geometric mean of the tokens' probabilities; 0 when it was interrupted.
    """

    text: str
    stopped: bool
    interrupted: bool
    left_out: str
    prompt_tokens: int
    read_tokens: int
    confidence: float


class Dialogue:
    """The turns so far with one model.

    context: most tokens the model reads and writes in all.
    """

    def __init__(
        self,
        speaking: Speaking,
        *,
        context: int = 2048,
        sampling: SamplingConfig = SamplingConfig(),
        system: str | None = None,
    ) -> None:
        self.speaking = speaking
        self.context = context
        self.sampling = sampling
        self.system = system
        self.forget()

    def forget(self) -> None:
        """Begin anew; only the system's words stay."""
        self.exchanges: list[tuple[Turn, ...]] = []
        self.pictures: list[Picture] = []
        self._unread()

    def _unread(self) -> None:
        self._ids: list[int] = []
        self._cache = self.speaking.decoder.new_cache()
        self._seen: Tensor | None = None

    @torch.no_grad()
    def say(self, text: str, pictures: Sequence[Picture] = (), *, on_text: Callable[[str], None] | None = None) -> Said:
        """Show pictures, say something, and get the answer.

        Args:
            on_text: called with each new stretch of the answer as soon as its characters are whole. It may raise
                `StopAnswer`; so may Ctrl-C end an answer.

        Raises DataError when this turn alone is longer than the context, ConfigError when the model reads no pictures;
        the conversation is then as it was.
        """
        places = tuple(Place(len(self.pictures) + number) for number in range(len(pictures)))
        asked = [*self.exchanges, (Turn("user", (*places, text)),)]
        shown = [*self.pictures, *pictures]
        ids, asked, shown, left_out = self._fitting(asked, shown)
        if pictures or left_out:
            self._unread()
        if self._seen is None and shown and self.speaking.sight is not None:
            self._seen = self.speaking.sight.see(shown)
        self._cache = self._cache.first(min(agreeing(self._ids, ids), len(ids) - 1))
        self._ids = ids
        known = self._cache.length
        written, said = self._write(ids, shown, on_text)
        answer = self.speaking.tokenizer.decode(written).strip()
        self.exchanges = [*asked[:-1], (*asked[-1], Turn("assistant", (answer,)))]
        self.pictures = shown
        return Said(
            text=answer,
            stopped=said is not None and said.stopped,
            interrupted=said is None,
            left_out=left_out,
            prompt_tokens=len(ids),
            read_tokens=len(ids) - known,
            confidence=0.0 if said is None else sureness(said),
        )

    def _write(
        self, ids: list[int], pictures: Sequence[Picture], on_text: Callable[[str], None] | None
    ) -> tuple[list[int], Generated | None]:
        """Ids of the answer, and how it was generated unless it was interrupted."""
        written: list[int] = []
        told = ""

        def tell(new: list[int]) -> None:
            nonlocal told
            if new[0] in self.speaking.stop_ids:
                return
            written.append(new[0])
            text = self.speaking.tokenizer.decode(written)
            if on_text and len(text) > len(told) and not text.endswith(UNFINISHED):
                fresh, told = text[len(told) :], text
                on_text(fresh)

        speaking = self.speaking
        try:
            prompt = speaking.read(ids, pictures, self._seen)
            said = continued(
                speaking.decoder, prompt, self.sampling, stop_id=speaking.stop_ids, cache=self._cache, on_token=tell
            )
        except StopAnswer:
            return written, None
        except KeyboardInterrupt:  # perhaps between two layers: what was read is read again
            self._unread()
            return written, None
        return said.ids, said

    def _fitting(
        self, asked: list[tuple[Turn, ...]], pictures: list[Picture]
    ) -> tuple[list[int], list[tuple[Turn, ...]], list[Picture], str]:
        """Prompt, exchanges and pictures that leave room for an answer, and a sentence about those that had to go."""
        room = self.context - self.sampling.max_tokens
        exchanges = gone = pictures_gone = 0
        while True:
            ids = self._render(asked, pictures)
            if len(ids) <= room:
                break
            if len(asked) == 1:
                raise DataError(
                    f"this question and its pictures are {len(ids):,} tokens; the model reads {self.context:,}, "
                    f"of which {self.sampling.max_tokens} are kept for the answer: ask shorter, or show less"
                )
            gone = count_places(asked[0])
            asked, pictures = [renumbered(exchange, gone) for exchange in asked[1:]], pictures[gone:]
            exchanges, pictures_gone = exchanges + 1, pictures_gone + gone
        return ids, asked, pictures, sentence(exchanges, pictures_gone, self.context)

    def _render(self, exchanges: Sequence[tuple[Turn, ...]], pictures: Sequence[Picture]) -> list[int]:
        opening = () if self.system is None else (Turn("system", (self.system,)),)
        turns = [*opening, *(turn for exchange in exchanges for turn in exchange)]
        return self.speaking.prompt(turns, self.speaking.layouts(pictures))


def agreeing(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two prompts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def count_places(exchange: tuple[Turn, ...]) -> int:
    return sum(isinstance(part, Place) for turn in exchange for part in turn.parts)


def renumbered(exchange: tuple[Turn, ...], gone: int) -> tuple[Turn, ...]:
    """The exchange when so many pictures before it are gone."""
    return tuple(
        replace(turn, parts=tuple(Place(p.index - gone) if isinstance(p, Place) else p for p in turn.parts))
        for turn in exchange
    )


def sentence(exchanges: int, pictures: int, context: int) -> str:
    """What had to go, in words."""
    if not exchanges:
        return ""
    words = f"{exchanges} earlier question" + ("s" if exchanges > 1 else "")
    shown = f" with {pictures} picture" + ("s" if pictures > 1 else "") if pictures else ""
    return f"the conversation outgrew {context:,} tokens: its oldest part ({words}{shown}) was left out"
