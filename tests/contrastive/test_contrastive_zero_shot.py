"""Words as weights: the ensemble is the normalised mean, temperatures are recovered, bad label lists are refused."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from showtell.contrastive.zero_shot import classifier, fit_temperature
from showtell.core.errors import DataError

VECTORS = {
    caption: F.normalize(torch.randn(6, generator=torch.Generator().manual_seed(i)), dim=0)
    for i, caption in enumerate(f"{start}{name}" for name in ("cat", "dog", "bus") for start in ("a ", "one "))
}


def encode(captions: list[str]) -> Tensor:
    return torch.stack([VECTORS[caption] for caption in captions])


def test_weights_are_the_normalised_mean_of_the_templates() -> None:
    words = classifier(encode, [" cat", "dog", "bus"], ("a {}", "one {}"), scale=7.0)
    assert words.labels == ("cat", "dog", "bus")
    for row, name in zip(words.weights, words.labels, strict=True):
        mean = (VECTORS[f"a {name}"] + VECTORS[f"one {name}"]) / 2
        assert torch.allclose(row, mean / mean.norm(), atol=1e-6)
    pictures = F.normalize(torch.randn(4, 6), dim=-1)
    probabilities = words.probabilities(pictures)
    assert torch.allclose(probabilities, (7 * pictures @ words.weights.T).softmax(-1))
    assert words.probabilities(words.weights).argmax(dim=1).tolist() == [0, 1, 2]


def test_a_planted_temperature_is_found() -> None:
    torch.manual_seed(0)
    scores = torch.randn(20_000, 5)
    labels = torch.distributions.Categorical(logits=3.0 * scores).sample()
    assert abs(fit_temperature(scores, labels) - 3.0) < 0.1


@pytest.mark.parametrize(
    ("labels", "templates", "said"),
    [
        ([], ("a {}",), "no labels"),
        (["cat", " "], ("a {}",), "label 2 is empty"),
        (["cat", "dog", "cat "], ("a {}",), "label 3 repeats 'cat'"),
        (["cat", "dog"], ("a cat",), "exactly one {}"),
    ],
)
def test_bad_lists_are_refused(labels: list[str], templates: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        classifier(encode, labels, templates)
