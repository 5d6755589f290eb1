"""The text tower and the pair, by themselves: which token speaks, what padding does, what is refused."""

import re
import string

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from showtell.contrastive.dual_encoder import DualEncoder, DualEncoderConfig
from showtell.contrastive.siglip import canonicalize, lowercase
from showtell.contrastive.text_tower import TextTower, TextTowerConfig
from showtell.core.errors import ConfigError, DataError
from showtell.vision.siglip2 import patch_list
from showtell.vision.vit import ViTConfig

TEXT = TextTowerConfig(vocab_size=11, max_tokens=7, dim=12, depth=2, heads=3, mlp_dim=20, eos_id=9)
VISION = ViTConfig(image_size=(12, 20), patch_size=4, dim=8, depth=1, heads=2, mlp_dim=12)
IDS = torch.tensor([[3, 10, 9, 0, 0], [1, 9, 9, 10, 0]])


@pytest.mark.parametrize(
    ("pooling", "causal", "spoken"), [("eos", True, (2, 1)), ("largest", True, (1, 3)), ("last", False, (4, 4))]
)
def test_which_token_speaks(pooling: str, causal: bool, spoken: tuple[int, int]) -> None:
    tower = TextTower(TextTowerConfig(**{**vars(TEXT), "pooling": pooling, "causal": causal}))
    out = tower(IDS)
    assert torch.equal(out.pooled, torch.stack([out.tokens[0, spoken[0]], out.tokens[1, spoken[1]]]))


def test_padding_behind_the_end_changes_nothing_of_a_causal_caption() -> None:
    tower = TextTower(TEXT).eval()
    short = tower(IDS[:1, :3]).pooled
    assert torch.allclose(tower(IDS[:1]).pooled, short, atol=1e-6)
    assert torch.allclose(tower(IDS[:1], IDS[:1] != 0).pooled, short, atol=1e-6)


def test_a_caption_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="8 tokens is too long.*reads 7"):
        TextTower(TEXT)(torch.zeros(1, 8, dtype=torch.long))


def test_a_pair_gives_cosines_times_a_scale() -> None:
    pair = DualEncoder(DualEncoderConfig(vision=VISION, text=TEXT, projection_dim=6, biased=True)).eval()
    with torch.no_grad():
        assert pair.similarity.bias is not None
        pair.similarity.bias.fill_(-3.0)
        out = pair(torch.randn(3, 3, 12, 20), IDS)
    assert torch.allclose(out.images.norm(dim=-1), torch.ones(3)) and torch.allclose(
        out.texts.norm(dim=-1), torch.ones(2)
    )
    assert torch.allclose(out.logits, out.images @ out.texts.T * torch.tensor(2.6592).exp() - 3.0, atol=1e-5)


def test_canonical_captions() -> None:
    assert canonicalize('  A "Photo"  of\ta DOG... ') == "a photo of a dog"
    assert lowercase("A Photo, of a DOG.") == "a photo, of a dog."


def test_a_list_of_patches_is_row_by_row_with_colours_innermost() -> None:
    picture = torch.arange(3 * 4 * 6.0).view(3, 4, 6)
    listed = patch_list([picture, picture[:, :2, :2]], patch_size=2, length=7)
    assert listed.grids == ((2, 3), (1, 1)) and listed.valid.sum(dim=1).tolist() == [6, 1]
    assert torch.equal(listed.patches[0, 4], picture[:, 2:4, 2:4].permute(1, 2, 0).flatten())
    with pytest.raises(ConfigError, match="2 x 3 patches does not fit into a list of 5"):
        patch_list([picture], patch_size=2, length=5)


@given(st.text(max_size=40))
@example('  A "photo" of\ta DOG\u00a0-- \x1c\u2003 d\u2019or\u00c9!... ')
def test_a_canonical_caption_is_the_field_s_definition_of_one(caption: str) -> None:
    """Lower case, ASCII punctuation out, white space to single spaces: big_vision's and the reference's three steps."""
    bare = caption.lower().translate(str.maketrans("", "", string.punctuation))
    assert canonicalize(caption) == re.sub(r"\s+", " ", bare).strip()
    assert canonicalize(canonicalize(caption)) == canonicalize(caption)
