"""The pair inside the package: small, and of use for things it has never seen."""

import io
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import showtell as st
from showtell.contrastive.embedder import PairEmbedder
from showtell.contrastive.zero_shot import classifier
from showtell.core.errors import CheckpointError, DataError
from showtell.images.decode import Picture, decode
from showtell.instruct.embedding import embedder_of
from showtell.worlds.cutouts import load_pack

FOLDER = Path(str(files("showtell") / "pocket" / "clip"))
THINGS = ("dog", "apple", "guitar", "hammer", "bicycle", "frog")


@pytest.fixture(scope="module")
def pair() -> PairEmbedder:
    return embedder_of(st.load("pocket-clip"))


def on_white(pixels: np.ndarray) -> Picture:
    image = Image.fromarray(pixels)
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, (0, 0), image)
    content = io.BytesIO()
    ground.save(content, "PNG")
    return decode(content.getvalue())


def test_it_is_small_and_says_what_it_is() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 8_050_000
    card = st.load("pocket-clip").card
    assert card["kind"] == "dual encoder" and "en" in card["languages"] and "scores" in card


def test_names_find_pictures_it_has_never_seen(pair: PairEmbedder) -> None:
    """Held-out drawings and photographs of six things, by name: chance is a sixth."""
    pack = load_pack()
    shown = [cutout for name in THINGS for cutout in pack.by_category("heldout", style_twins=False).get(name, ())]
    assert len(shown) >= 6
    zero_shot = classifier(pair.texts, THINGS, scale=pair.scale)
    told = zero_shot.probabilities(pair.pictures([on_white(pack.rgba(cutout)) for cutout in shown]))
    right = [THINGS[int(row.argmax())] == cutout.category for row, cutout in zip(told, shown, strict=True)]
    assert np.mean(right) > 0.5


def test_the_languages_of_its_card_are_read(pair: PairEmbedder) -> None:
    """Read and not refused; how well is told in the log, and it is not well."""
    texts = ["ein hund", "un perro", "une étoile", "un cane", "um cão", "собака"]
    assert pair.texts(texts).isfinite().all()


def test_letters_it_never_saw_are_refused(pair: PairEmbedder) -> None:
    with pytest.raises(DataError, match="letters this model was never shown"):
        pair.texts(["犬"])
    assert pair.texts(["a dog, 2 cats & more!"]).isfinite().all()


def test_a_folder_whose_parts_do_not_fit_is_refused(tmp_path: Path) -> None:
    for path in FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"dim": 192', '"dim": 96'))
    with pytest.raises(CheckpointError, match="has shape"):
        st.load(tmp_path)
    (tmp_path / "config.json").write_text(config.replace('"vocab_size": 10000', '"vocab_size": 9999'))
    with pytest.raises(CheckpointError, match="10000 tokens where the model has 9999"):
        st.load(tmp_path)
