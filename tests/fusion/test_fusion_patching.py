"""Activation patching against the plain way: run everything again with one tensor replaced by `trace(edit=...)`."""

import pytest
import torch
from torch import Tensor

from showtell.core.masks import causal_mask
from showtell.core.trace import trace
from showtell.fusion.patching import Reading, hide_picture, next_word, patch_picture, patch_words, read, recovered
from showtell.text.decoder import Decoder, DecoderConfig

PICTURE, WORDS, DEPTH = 5, 3, 3
IDS = torch.tensor([2, 7, 4])


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    torch.manual_seed(0)
    model = Decoder(DecoderConfig(vocab_size=11, dim=12, depth=DEPTH, heads=2, kv_heads=1, mlp_dim=10)).eval()
    with torch.no_grad():  # far from a linear map, so that a wrong layer shows
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@pytest.fixture(scope="module")
def readings(decoder: Decoder) -> tuple[list[Tensor], list[Reading]]:
    pictures = list(torch.randn(2, PICTURE, 12, generator=torch.Generator().manual_seed(1)))
    return pictures, [read(decoder, picture, IDS) for picture in pictures]


@torch.no_grad()
def run(decoder: Decoder, picture: Tensor) -> Tensor:
    """The plain forward pass over picture and words; scores of the word after the last."""
    x = torch.cat([picture[None], decoder.embed(IDS[None])], dim=1)
    hidden = decoder(x, torch.arange(PICTURE + WORDS)[None], causal_mask(PICTURE + WORDS, PICTURE + WORDS))
    return decoder.logits(hidden[:, -1])[0]


@torch.no_grad()
def patched(decoder: Decoder, pictures: list[Tensor], layer: int, places: list[int]) -> Tensor:
    """The plain way: B's stream after block `layer - 1` is put into A's run at some places."""
    name = f"blocks.{layer - 1}.residual"
    with trace(decoder, name) as seen:
        run(decoder, pictures[1])
    theirs = seen[name]

    def put(_: str, x: Tensor) -> Tensor:
        x = x.clone()
        x[:, places] = theirs[:, places]
        return x

    with trace(decoder, name, edit=put):
        return run(decoder, pictures[0])


def test_reading_is_the_plain_forward_pass(decoder: Decoder, readings: tuple[list[Tensor], list[Reading]]) -> None:
    pictures, (a, _) = readings
    assert a.stream.shape == (DEPTH + 1, WORDS, 12) and a.cache.length == PICTURE
    torch.testing.assert_close(next_word(decoder, a.stream[-1:])[0], run(decoder, pictures[0]))


def test_patched_words_and_pictures_are_those_of_a_whole_run(
    decoder: Decoder, readings: tuple[list[Tensor], list[Reading]]
) -> None:
    pictures, (a, b) = readings
    words = patch_words(decoder, a, b)
    whole = patch_picture(decoder, a, b, torch.ones(PICTURE, dtype=torch.bool))
    for layer in range(1, DEPTH + 1):
        for word in range(WORDS):
            torch.testing.assert_close(words[layer, word], patched(decoder, pictures, layer, [PICTURE + word]))
        torch.testing.assert_close(whole[layer], patched(decoder, pictures, layer, list(range(PICTURE))))


def test_the_ends_are_exact(decoder: Decoder, readings: tuple[list[Tensor], list[Reading]]) -> None:
    pictures, (a, b) = readings
    plain_a, plain_b = (run(decoder, picture) for picture in pictures)
    words, hidden = patch_words(decoder, a, b), hide_picture(decoder, a)
    nothing = patch_picture(decoder, a, b, torch.zeros(PICTURE, dtype=torch.bool))
    whole = patch_picture(decoder, a, b, torch.ones(PICTURE, dtype=torch.bool))
    torch.testing.assert_close(whole[0], plain_b)
    torch.testing.assert_close(words[-1, -1], plain_b)
    for unmoved in (words[0, 1], words[-1, 0], whole[-1], hidden[-1], *nothing):
        torch.testing.assert_close(unmoved, plain_a)
    torch.testing.assert_close(recovered(whole, plain_a, plain_b, (3, 8))[[0, -1]], torch.tensor([1.0, 0.0]))


@torch.no_grad()
def test_a_hidden_picture_leaves_the_words_in_their_places(
    decoder: Decoder, readings: tuple[list[Tensor], list[Reading]]
) -> None:
    _, (a, _) = readings
    positions = torch.arange(PICTURE, PICTURE + WORDS)[None]
    alone = decoder(decoder.embed(IDS[None]), positions, causal_mask(WORDS, WORDS))
    torch.testing.assert_close(hide_picture(decoder, a)[0], decoder.logits(alone[0, -1]))
