"""The small pairs of chapter 3: their words, their files, what their recipe does, and what it has taught them."""

import math
from pathlib import Path

import pytest
import torch

from recipes.duets import DuetRun, make, pair, run_one
from showtell.contrastive.duets import CONFIG, IDS, SIDE, ids_of, open_duets, pixels_of, read, see
from showtell.contrastive.space import ranks
from showtell.contrastive.step import ContrastiveStep
from showtell.core.errors import CheckpointError, DataError
from showtell.studio.series.tools import MODELS
from showtell.worlds.dice import keyed
from showtell.worlds.duets import draw, plain, sample


def test_words_become_ids_with_an_end_and_padding() -> None:
    ids, valid = ids_of(["a red circle", "Something blue and no star"])
    assert ids.tolist()[0][:3] == [IDS["a"], IDS["red"], IDS["circle"]]
    assert valid.tolist() == [[True] * 4 + [False] * 2, [True] * 6]
    for wrong, why in (("a zebra", "never read the word 'zebra'"), ("", "one to 15 words"), ("a " * 16, "not 16")):
        with pytest.raises(DataError, match=why):
            ids_of([wrong])


def test_a_caption_is_the_same_in_any_company() -> None:
    model = open_duets(MODELS / "duets-plain.safetensors")
    alone, together = read(model, ["a red star"]), read(model, ["a red star", "a blue cross left of a green heart"])
    assert torch.allclose(alone[0], together[0], atol=1e-6)
    assert torch.allclose(together.norm(dim=1), torch.ones(2), atol=1e-6)


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such"):
        open_duets(tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", ["plain", "twins"])
def test_pictures_that_were_never_seen_find_their_captions(name: str) -> None:
    path = MODELS / f"duets-{name}.safetensors"
    assert path.stat().st_size < 500_000
    model, dice = open_duets(path), keyed(10**9, 5, stream=77)
    duets = [sample(dice, pairs=1.0) for _ in range(64)]
    place = ranks(see(model, duets) @ read(model, [plain(duet) for duet in duets]).T, torch.arange(64))
    assert float((place == 0).double().mean()) > 0.75


def test_every_second_pair_of_a_batch_with_twins_is_a_twin() -> None:
    run = DuetRun(twins=True)
    pairs = [(pair(run, i)[0], pair(run, i + 1)[0]) for i in range(0, 40, 2)]
    twins = [(one, other) for one, other in pairs if one.relation]
    assert len(twins) > 10
    for one, other in twins:
        assert sorted(plain(one).split()) == sorted(plain(other).split()) and plain(one) != plain(other)
        assert (draw(one, SIDE) != draw(other, SIDE)).any()
    assert pair(run, 7) == pair(run, 7)


def test_the_recipe_learns(tmp_path: Path) -> None:
    run = DuetRun(steps=30, batch=16, lr=2e-3)
    source = make(run)
    batch = source.collate([source.make(10**6 + i) for i in range(16)])
    assert batch.pixels.shape == (16, 3, SIDE, SIDE) and float(batch.pixels.abs().max()) <= 1
    model = run_one(run, tmp_path / "run")
    assert model.config == CONFIG
    with torch.no_grad():
        after = ContrastiveStep()(model, batch)
    assert float(after.value / after.weight) < math.log(16), "better than guessing after thirty steps"


def test_pixels_are_centred() -> None:
    black = pixels_of([draw(sample(keyed(1, 1)), SIDE) * 0])
    assert float(black.max()) == -1.0
