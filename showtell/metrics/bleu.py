"""BLEU: which n-grams of the captions occur in a reference, over the whole set, short captions penalised.

    p_n = clipped matches of n-grams / n-grams said              over all captions together
    BLEU-N = (p_1 ... p_N)^(1/N) * exp(min(0, 1 - r / c))   c: words said, r: words of the reference nearest in length

(Papineni et al. 2002.) `official_bleu` is pycocoevalcap's, which adds 1e-15 to each count and 1e-9 to each total so
that nothing divides by zero: a set without one common 4-gram scores about 1e-4, not 0. `bleu` adds nothing. Both take
captions as lists of words (`ptb.ptb_tokens`). Not here: a score per caption, which BLEU was never meant to be.
"""

import math
from collections import Counter
from collections.abc import Sequence

Words = Sequence[str]


def ngrams(words: Words, n: int) -> Counter[tuple[str, ...]]:
    """How often each run of n words occurs."""
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def official_bleu(captions: Sequence[Words], references: Sequence[Sequence[Words]], most: int = 4) -> list[float]:
    """BLEU-1 to BLEU-`most`, bug for bug. Raises ValueError for empty or unequal lists."""
    return _bleu(captions, references, most, tiny=1e-15, small=1e-9)


def bleu(captions: Sequence[Words], references: Sequence[Sequence[Words]], most: int = 4) -> list[float]:
    """BLEU-1 to BLEU-`most`; 0 without a match. Raises ValueError for empty or unequal lists."""
    return _bleu(captions, references, most, tiny=0.0, small=0.0)


def require_references(captions: Sequence[Words], references: Sequence[Sequence[Words]]) -> None:
    """Raise ValueError unless every caption has references, and there is one."""
    if not captions or len(captions) != len(references) or not all(references):
        raise ValueError(
            f"{len(captions)} captions for {len(references)} sets of references, {sum(map(bool, references))} of them "
            "not empty; give at least one caption and for each at least one reference"
        )


def _bleu(
    captions: Sequence[Words], references: Sequence[Sequence[Words]], most: int, tiny: float, small: float
) -> list[float]:
    require_references(captions, references)
    matched, total = [0] * most, [0] * most
    said_length = true_length = 0
    for caption, truths in zip(captions, references, strict=True):
        said_length += len(caption)
        true_length += min((abs(len(truth) - len(caption)), len(truth)) for truth in truths)[1]
        for n in range(1, most + 1):
            ceiling: Counter[tuple[str, ...]] = Counter()
            for truth in truths:
                ceiling |= ngrams(truth, n)
            matched[n - 1] += (ngrams(caption, n) & ceiling).total()
            total[n - 1] += max(0, len(caption) - n + 1)
    scores, product = [], 1.0
    ratio = _share(said_length + tiny, true_length + small)
    penalty = (math.exp(1 - 1 / ratio) if ratio else 0.0) if ratio < 1 else 1.0
    for n in range(most):
        product *= _share(matched[n] + tiny, total[n] + small)
        scores.append(product ** (1 / (n + 1)) * penalty)
    return scores


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
