"""BLEU, ROUGE-L and CIDEr-D against pycocoevalcap, and the tokens against Stanford's program."""

import pytest
from golden import golden

from showtell.metrics.bleu import bleu, official_bleu
from showtell.metrics.cider import Frequencies, cider, official_cider
from showtell.metrics.ptb import ptb_tokens
from showtell.metrics.rouge import official_rouge_l, rouge_l


@pytest.mark.parametrize(("kind", "share"), [("captions", 0.985), ("strange", 0.75)])
def test_tokens_are_those_of_the_java_program(kind: str, share: float):
    captions, expected = golden("ptb")[kind]
    same = sum(ptb_tokens(caption) == tokens for caption, tokens in zip(captions, expected, strict=True))
    assert same / len(captions) >= share


def test_the_docstring_holds():
    assert " ".join(ptb_tokens("A man's dog isn't here (yet), at 5 p.m.")) == (
        "a man 's dog is n't here -lrb- yet -rrb- at 5 p.m."
    )
    assert ptb_tokens("") == []


def test_scores_are_pycocoevalcap():
    sets = golden("captions")
    assert sum(len(said) for said, *_ in sets) > 1000
    for said, truths, bleus, rouges, ciders in sets:
        captions = [text.split() for text in said]
        references = [[text.split() for text in texts] for texts in truths]
        assert official_bleu(captions, references) == pytest.approx(bleus, abs=1e-9)
        assert official_cider(captions, references) == pytest.approx(ciders, abs=1e-9)
        ours = [official_rouge_l(*pair) for pair in zip(captions, references, strict=True)]
        assert ours == pytest.approx(rouges, abs=1e-9)


SAID = "a red bus on a street".split()
TRUTHS = ["a red bus drives down the street".split(), "the bus".split()]


def test_clean_bleu_adds_nothing():
    assert bleu([SAID], [TRUTHS])[0] == pytest.approx(official_bleu([SAID], [TRUTHS])[0])
    assert bleu([["x"]], [[["y"]]]) == [0, 0, 0, 0]
    assert 0 < official_bleu([["x"]], [[["y"]]])[0] < 1e-6
    assert bleu([SAID], [[SAID]]) == [1, 1, 1, 1]
    assert bleu([[]], [[SAID]]) == [0, 0, 0, 0]


def test_clean_rouge_does_not_mix_references():
    mixed = official_rouge_l(SAID, [["bus"], [*SAID, *"and many more words than that".split()]])
    assert mixed == 1 > rouge_l(SAID, [["bus"], [*SAID, *"and many more words than that".split()]])
    assert rouge_l([], [[]]) == 0 and official_rouge_l([], [[]]) == 1
    assert rouge_l(SAID, [SAID]) == 1


def test_clean_cider_does_not_depend_on_the_company():
    corpus = Frequencies.of([TRUTHS, [["a", "cat"]], [["two", "dogs"]]])
    assert cider(SAID, TRUTHS, corpus) > 0 == official_cider([SAID], [TRUTHS])[0]
    assert cider(SAID, [SAID], corpus) == pytest.approx(10)
    with pytest.raises(ValueError, match="two or more"):
        cider(SAID, TRUTHS, Frequencies.of([TRUTHS]))


def test_captions_without_references_are_refused():
    for wrong in ([], [[]]):
        with pytest.raises(ValueError, match="at least one reference"):
            official_bleu([SAID], wrong)
    with pytest.raises(ValueError, match="at least one reference"):
        rouge_l(SAID, [])
