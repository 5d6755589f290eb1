"""A conversation that goes on: its answers are those of reading everything anew, kept, dropped or stopped."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.errors import ConfigError, DataError
from showtell.core.geometry import Frame
from showtell.fusion.image_plan import ImageLayout, Piece
from showtell.fusion.reader import Reader
from showtell.fusion.sight import CountedWords
from showtell.images.decode import Picture, decode
from showtell.instruct.dialogue import Dialogue, Said, StopAnswer
from showtell.instruct.published_chat import Speaking
from showtell.text.chat import Place, Turn
from showtell.text.chat_formats import chatml
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.sampling import SamplingConfig
from showtell.text.tokenizer import train_tokenizer

CHATML = chatml()
WORDS = "what is this and that then? a dog, a cat; brown is its colour"
TINY = DecoderConfig(vocab_size=300, dim=24, depth=2, heads=3, kv_heads=1, mlp_dim=40)


class Tiny(Reader):
    def __init__(self, decoder: Decoder, image_token_id: int) -> None:
        super().__init__()
        self.decoder, self.image_token_id = decoder, image_token_id


@dataclass(frozen=True)
class Glance(CountedWords):
    """A picture is as many tokens as it is wide, each the brightness of its column; counts how often it looks."""

    looked: list[int] = field(default_factory=list)

    def layouts(self, frames: Sequence[Frame]) -> list[ImageLayout]:
        return [ImageLayout((Piece("", frame.width),)) for frame in frames]

    def see(self, pictures: Sequence[Picture]) -> torch.Tensor:
        self.looked.append(len(pictures))
        columns = [torch.tensor(picture.pixels / 40.0).float().mean(dim=(0, 2)) for picture in pictures]
        return (torch.cat(columns)[:, None] * torch.arange(1.0, 25.0).cos())[None]


@pytest.fixture(scope="module")
def speaking() -> Speaking:
    tokenizer = train_tokenizer([WORDS] * 3, 300, (*CHATML.control, "<image>"))
    torch.manual_seed(5)
    decoder = Decoder(TINY).eval()
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    strange = torch.ones(TINY.vocab_size, dtype=torch.bool)
    strange[tokenizer.encode(WORDS)] = False
    decoder.embedding.weight.data[strange] *= 0.01  # what it writes is made of words
    return Speaking(Tiny(decoder, tokenizer.id("<image>")), tokenizer, CHATML, Glance())


def picture(width: int, seed: int = 0) -> Picture:
    return decode(np.random.default_rng(seed).integers(0, 255, (8, width, 3), dtype=np.uint8))


def talk(speaking: Speaking, context: int = 400, max_tokens: int = 9) -> Dialogue:
    return Dialogue(speaking, context=context, sampling=SamplingConfig(max_tokens=max_tokens))


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["what is this?", "and that", "a"]), st.integers(0, 2)), min_size=1, max_size=4)
)
def test_every_answer_is_the_one_of_reading_everything_anew(speaking: Speaking, said: list[tuple[str, int]]) -> None:
    dialogue, turns, pictures = talk(speaking), [], []
    for number, (text, count) in enumerate(said):
        new = [picture(8 + number + k, seed=10 * number + k) for k in range(count)]
        answer = dialogue.say(text, new)
        turns.append(Turn("user", (*(Place(len(pictures) + k) for k in range(count)), text)))
        pictures += new
        anew = speaking.reply(turns, pictures, SamplingConfig(max_tokens=9))
        assert answer.text == speaking.tokenizer.decode(anew.ids).strip()
        turns.append(Turn("assistant", (answer.text,)))


def test_only_what_is_new_is_read_and_the_picture_is_looked_at_once(speaking: Speaking) -> None:
    dialogue, sight = talk(speaking), Glance()
    dialogue.speaking = Speaking(speaking.model, speaking.tokenizer, speaking.chat, sight)
    first = dialogue.say("what is this?", [picture(60)])
    second = dialogue.say("and that?")
    assert first.read_tokens == first.prompt_tokens > 60
    assert second.read_tokens < 60 < second.prompt_tokens
    assert sight.looked == [1]
    dialogue.say("and this?", [picture(9)])
    assert sight.looked == [1, 2], "another picture may change how all stand in the prompt"


def test_the_oldest_exchange_goes_whole_and_the_answer_says_so(speaking: Speaking) -> None:
    dialogue = talk(speaking, context=110)
    dialogue.say("what is this?", [picture(40, seed=1)])
    answer = dialogue.say("and that?", [picture(41, seed=2)])
    assert "1 earlier question with 1 picture" in answer.left_out and "110 tokens" in answer.left_out
    assert [p.frame.width for p in dialogue.pictures] == [41] and len(dialogue.exchanges) == 1
    alone = talk(speaking).say("and that?", [picture(41, seed=2)])
    assert answer.text == alone.text and answer.prompt_tokens == alone.prompt_tokens


def test_a_turn_that_never_fits_is_refused_and_changes_nothing(speaking: Speaking) -> None:
    dialogue = talk(speaking, context=90)
    dialogue.say("what is this?", [picture(12)])
    before = (list(dialogue.exchanges), list(dialogue.pictures))
    with pytest.raises(DataError, match="tokens; the model reads 90"):
        dialogue.say("and that?", [picture(200)])
    assert before == (dialogue.exchanges, dialogue.pictures)
    blind = talk(Speaking(speaking.model, speaking.tokenizer, speaking.chat, None))
    with pytest.raises(ConfigError, match="reads no pictures"):
        blind.say("what is this?", [picture(8)])
    assert blind.say("what is this?").prompt_tokens > 0


def test_what_is_told_piece_by_piece_is_the_answer(speaking: Speaking) -> None:
    told: list[str] = []
    answer = talk(speaking, max_tokens=20).say("what is this?", [picture(8)], on_text=told.append)
    whole = "".join(told)
    assert answer.text.startswith(whole.strip()) and len(told) > 1
    assert not answer.interrupted and 0 < answer.confidence <= 1


@pytest.mark.parametrize("ended", [StopAnswer, KeyboardInterrupt])
def test_an_answer_is_stopped_and_the_conversation_goes_on(speaking: Speaking, ended: type[BaseException]) -> None:
    dialogue, told = talk(speaking, max_tokens=20), []

    def listen(text: str) -> None:
        told.append(text)
        if len(told) == 2:
            raise ended

    answer: Said = dialogue.say("what is this?", [picture(8)], on_text=listen)
    assert answer.interrupted and answer.text == "".join(told).strip()
    again = dialogue.say("and that?")
    turns = [turn for exchange in dialogue.exchanges for turn in exchange][:-1]
    anew = speaking.reply(turns, dialogue.pictures, SamplingConfig(max_tokens=20))
    assert again.text == speaking.tokenizer.decode(anew.ids).strip()


def test_forgetting_leaves_the_systems_words(speaking: Speaking) -> None:
    dialogue = Dialogue(speaking, context=300, sampling=SamplingConfig(max_tokens=5), system="brown is its colour")
    first = dialogue.say("what is this?")
    dialogue.say("and that?")
    dialogue.forget()
    assert dialogue.say("what is this?").text == first.text and len(dialogue.exchanges) == 1
