"""One embedder for every pair of towers: captions as each family wants them, and what cannot be read is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as RustTokenizer
from tokenizers import models, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn

from showtell.contrastive.embedder import Captions, PairEmbedder
from showtell.contrastive.named_classes import NamedClasses
from showtell.contrastive.word_tower import WordTower, WordTowerConfig, conjugate_gradients, fit_bag
from showtell.core.errors import CheckpointError, ConfigError, DataError
from showtell.images.decode import decode
from showtell.instruct.embedding import embedder_of
from showtell.load import load_folder
from showtell.text.tokenizer import Tokenizer

WORDS = "<pad> <unk> <start> <end> a red dog blue cat photo of".split()
VISION = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 40, "patch_size": 4}
TEXT = {
    "vocab_size": len(WORDS), "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 28, "max_position_embeddings": 9, "bos_token_id": 2, "eos_token_id": 3,
}  # fmt: skip
PICTURES = [decode(np.random.default_rng(i).integers(0, 256, (14 + i, 22, 3), dtype=np.uint8)) for i in range(3)]
TEXTS = ["a red dog", "cat", "A photo of a blue cat."]


def tokenizer(start: bool = True, end: bool = True, pad: str = "<pad>") -> RustTokenizer:
    """A word a token; what is not among `WORDS` is unknown."""
    names = [pad, *WORDS[1:]]
    rust = RustTokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="<unk>"))
    rust.pre_tokenizer = pre_tokenizers.Whitespace()
    rust.add_special_tokens([pad, "<unk>", "<end>", "<start>"])
    single = " ".join(["<start>"] * start + ["$A"] + ["<end>"] * end)
    rust.post_processor = TemplateProcessing(single=single, special_tokens=[("<start>", 2), ("<end>", 3)])
    return rust


def save_clip(folder: Path) -> Any:
    from transformers import CLIPConfig, CLIPModel

    config = CLIPConfig(text_config=TEXT, vision_config={**VISION, "image_size": 20}, projection_dim=10)
    model = CLIPModel(config).eval()
    processor = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 20}, "crop_size": 20}
    return saved(model, processor, tokenizer(), folder)


def save_siglip(folder: Path) -> Any:
    from transformers import SiglipConfig, SiglipModel

    text = {**TEXT, "projection_size": 24, "pad_token_id": 1}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config={**VISION, "image_size": 20})).eval()
    processor = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 20, "width": 20}}
    return saved(model, processor, tokenizer(start=False, pad="</s>"), folder)


def save_naflex(folder: Path) -> Any:
    from transformers import Siglip2Config, Siglip2Model

    text = {**TEXT, "projection_size": 24}
    model = Siglip2Model(Siglip2Config(text_config=text, vision_config={**VISION, "num_patches": 9})).eval()
    processor = {"image_processor_type": "Siglip2ImageProcessor", "patch_size": 4, "max_num_patches": 12}
    return saved(model, processor, tokenizer(start=False), folder)


def saved(model: Any, processor: dict[str, Any], rust: RustTokenizer, folder: Path) -> Any:
    with torch.no_grad():
        generator = torch.Generator().manual_seed(2)
        for tensor in model.state_dict().values():
            if tensor.is_floating_point() and tensor.dim():
                tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    rust.save(str(folder / "tokenizer.json"))
    return model


ROWS: dict[Callable[[Path], Any], list[list[int]]] = {
    save_clip: [[2, 4, 5, 6, 3], [2, 8, 3], [2, 1, 9, 10, 4, 7, 8, 1, 3]],
    save_siglip: [[4, 5, 6, 3, 1, 1, 1, 1, 1], [8, 3, 1, 1, 1, 1, 1, 1, 1], [4, 9, 10, 4, 7, 8, 3, 1, 1]],
    save_naflex: [[4, 5, 6, 3, 0, 0, 0, 0, 0], [8, 3, 0, 0, 0, 0, 0, 0, 0], [4, 9, 10, 4, 7, 8, 1, 3, 0]],
}


@pytest.mark.parametrize("save", ROWS)
def test_published_pairs_are_asked_as_they_were_trained(tmp_path: Path, save: Callable[[Path], Any]) -> None:
    """The ids, written out by hand, through the reference; SigLIP lowers and strips, SigLIP 2 only lowers."""
    reference = save(tmp_path)
    loaded = load_folder(tmp_path, "any name")
    embedder = embedder_of(loaded)
    with torch.no_grad():
        theirs = [reference.get_text_features(input_ids=torch.tensor([row])) for row in ROWS[save]]
        rows = [part if isinstance(part, Tensor) else part.pooler_output for part in theirs]
    torch.testing.assert_close(embedder.texts(TEXTS), F.normalize(torch.cat(rows), dim=-1), atol=1e-5, rtol=0)
    together = embedder.pictures(PICTURES)
    assert together.shape == (3, embedder.dim) and together.norm(dim=1).allclose(torch.ones(3))
    torch.testing.assert_close(together[1:2], embedder.pictures(PICTURES[1:2]), atol=1e-5, rtol=0)
    with pytest.raises(DataError, match="the vocabulary of this model cannot write 'собака'"):
        embedder.texts(["собака"])


def test_keys_change_with_weights_and_preprocessing(tmp_path: Path) -> None:
    save_clip(tmp_path)
    first = embedder_of(load_folder(tmp_path, "x"))
    assert embedder_of(load_folder(tmp_path, "another name")).key == first.key
    text = (tmp_path / "preprocessor_config.json").read_text()
    (tmp_path / "preprocessor_config.json").write_text(text.replace("}", '}, "resample": 2', 1))
    assert embedder_of(load_folder(tmp_path, "x")).key != first.key


def test_what_a_folder_lacks_is_said(tmp_path: Path) -> None:
    save_clip(tmp_path)
    tokenizer(end=False).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="does not end a caption with id 3"):
        embedder_of(load_folder(tmp_path, "x"))
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"without tokenizer.json"):
        embedder_of(load_folder(tmp_path, "x"))
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(ConfigError, match=r"preprocessor_config.json"):
        embedder_of(load_folder(tmp_path, "x"))


def test_an_image_tower_alone_finds_pictures_by_pictures(tmp_path: Path) -> None:
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(hidden_size=24, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14)
    Dinov2Model(config).save_pretrained(tmp_path)
    processor = {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 28}, "crop_size": 28}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    embedder = embedder_of(load_folder(tmp_path, "dino"))
    assert embedder.pictures(PICTURES).shape == (3, 24)
    with pytest.raises(ConfigError, match="dino has no text side"):
        embedder.texts(["a dog"])


def test_numbers_that_are_none_are_refused() -> None:
    broken = PairEmbedder("broken", "0", 2, lambda pictures: torch.tensor([[1.0, 0.0], [float("nan"), 0.0]]))
    with pytest.raises(DataError, match="broken gave vectors with NaN or infinity for 1 of 2 pictures"):
        broken.pictures(PICTURES[:2])


@settings(max_examples=30)
@given(text=st.text(max_size=30), alphabet=st.sampled_from(["", "abcdefghijklmnopqrstuvwxyz"]))
def test_captions_are_read_or_refused(text: str, alphabet: str) -> None:
    """Whatever is typed, the layout is a rectangle of known ids or a sentence."""
    captions = Captions(Tokenizer(tokenizer()), 9, pooling="eos", eos_id=3, alphabet=alphabet)
    try:
        ids, valid = captions([text, "a red dog"])
    except DataError:
        return
    assert valid is not None and ids.shape == valid.shape and ids.shape[1] <= 9
    assert (ids[0] == 3).any() and int(ids.max()) < len(WORDS)


def test_a_bag_of_words_is_fitted_without_gradients() -> None:
    """Places that are means of hidden word vectors are found again, and a phrase nobody taught lies where it should."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(30, 12, generator=generator)
    texts = [torch.randint(0, 30, (int(n),), generator=generator).tolist() for n in torch.randint(1, 6, (600,))]
    places = torch.stack([hidden[text].mean(dim=0) for text in texts])
    model = WordTower(WordTowerConfig(vocab_size=30, max_tokens=8, dim=12, depth=1, heads=2, mlp_dim=16, out=12)).eval()
    assert fit_bag(model, texts, places, shrink=1e-4) > 0.999
    ids, valid = torch.tensor([[3, 17, 5, 0]]), torch.tensor([[True, True, True, False]])
    with torch.no_grad():
        found = model(ids, valid)
        assert torch.cosine_similarity(found, hidden[[3, 17, 5]].mean(dim=0)[None]) > 0.999
        torch.testing.assert_close(model(ids[:, :3], valid[:, :3]), found)
    narrow = WordTower(WordTowerConfig(vocab_size=30, max_tokens=8, dim=4, depth=0, heads=2, mlp_dim=16, out=12))
    assert 0.3 < fit_bag(narrow, texts, places, shrink=1e-4) < 0.95


def test_conjugate_gradients_solve() -> None:
    root = torch.randn(9, 9, generator=torch.Generator().manual_seed(4)).double()
    matrix, wanted = root @ root.T + torch.eye(9), torch.randn(9, 3).double()
    found = conjugate_gradients(lambda x: matrix @ x, wanted, 1 / matrix.diagonal()[:, None], 30)
    torch.testing.assert_close(matrix @ found, wanted)


def test_classes_with_names_point_at_their_names() -> None:
    torch.manual_seed(0)
    classifier, names = nn.Linear(8, 6), F.normalize(torch.randn(6, 5), dim=1)
    classifier.weight.data *= 40
    named = NamedClasses(8, 6, 6, 5)
    named.fill(classifier, names)
    rows = torch.randn(50, 8)
    with torch.no_grad():
        probabilities = classifier(rows).softmax(dim=1)
        torch.testing.assert_close(named(rows), F.normalize(probabilities @ names, dim=1), atol=1e-4, rtol=1e-3)
    assert (named(rows) @ names.T).argmax(dim=1).eq(probabilities.argmax(dim=1)).float().mean() > 0.9
