"""CIDEr-D: agreement with the references in the n-grams that are rare, so that "a" and "of" are worth nothing.

    g(s)[w]   = count of w in s * (log images - log images whose references hold w)          tf-idf, for n = 1 .. 4
    sim_n     = sum_w min(g(c)[w], g(r)[w]) g(r)[w] / (|g(c)| |g(r)|) * exp(-(|c| - |r|)² / 72)
    CIDEr-D   = 10 * mean over n and references of sim_n

(Vedantam et al. 2015; clipping and the length penalty are the D.) `official_cider` is pycocoevalcap's `Cider`: the
document frequencies come from the references of the *very set that is scored*, so one image scores 0, a subset is not
comparable with the set, and lengths are counted in bigrams. `cider` takes the frequencies of a stated corpus
(`Frequencies.of`), counts lengths in words, and is therefore a function of one caption. Captions come as words
(`ptb.ptb_tokens`).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from showtell.metrics.bleu import Words, ngrams, require_references

MOST = 4
SIGMA = 6.0
Gram = tuple[str, ...]


@dataclass(frozen=True)
class Frequencies:
    """In how many images of a corpus an n-gram occurs.

    images: size of the corpus.
    counts: n-gram -> images that have it in some reference.
    """

    images: int
    counts: Counter[Gram]

    @classmethod
    def of(cls, references: Sequence[Sequence[Words]]) -> "Frequencies":
        """Count the references of every image."""
        counts: Counter[Gram] = Counter()
        for truths in references:
            counts.update({gram for truth in truths for n in range(1, MOST + 1) for gram in ngrams(truth, n)})
        return cls(len(references), counts)

    def vectors(self, words: Words) -> list[dict[Gram, float]]:
        """tf-idf of a caption, one vector for each n."""
        return [
            {
                gram: count * (math.log(self.images) - math.log(max(1, self.counts[gram])))
                for gram, count in grams.items()
            }
            for grams in (ngrams(words, n) for n in range(1, MOST + 1))
        ]


def official_cider(captions: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """CIDEr-D of each caption, bug for bug; the score of the set is their mean. Raises ValueError for unequal lists."""
    require_references(captions, references)
    corpus = Frequencies.of(references)
    return [
        _cider(said, truths, corpus, [max(0, len(said) - 1) - max(0, len(truth) - 1) for truth in truths])
        for said, truths in zip(captions, references, strict=True)
    ]


def cider(caption: Words, references: Sequence[Words], corpus: Frequencies) -> float:
    """CIDEr-D of one caption. Raises ValueError without references or for a corpus of fewer than two images."""
    require_references([caption], [references])
    if corpus.images < 2:
        raise ValueError(
            f"every n-gram of a corpus of {corpus.images} images is equally common; CIDEr needs two or more"
        )
    return _cider(caption, references, corpus, [len(caption) - len(truth) for truth in references])


def _cider(caption: Words, references: Sequence[Words], corpus: Frequencies, longer_by: list[int]) -> float:
    said = corpus.vectors(caption)
    total = 0.0
    for truth, delta in zip(references, longer_by, strict=True):
        penalty = math.exp(-(delta**2) / (2 * SIGMA**2))
        total += penalty * sum(_similarity(*pair) for pair in zip(said, corpus.vectors(truth), strict=True))
    return 10 * total / MOST / len(references)


def _similarity(said: dict[Gram, float], true: dict[Gram, float]) -> float:
    norms = math.hypot(*said.values()) * math.hypot(*true.values())
    common = sum(min(weight, true[gram]) * true[gram] for gram, weight in said.items() if gram in true)
    return common / norms if norms else common
