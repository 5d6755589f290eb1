"""ROUGE-L: the longest run of words, gaps allowed, that caption and reference share in order.

    P = LCS / words said      R = LCS / words of the reference      F = (1 + b²) P R / (R + b² P),   b = 1.2

(Lin 2004.) `official_rouge_l` is pycocoevalcap's: the best P and the best R are taken over the references
*separately*, so that F may mix two references and exceed what either earns; and an empty caption counts as one word,
the empty one, which matches an empty reference. `rouge_l` is the best F over the references. A score of a set is the
mean. Captions come as words.
"""

from collections.abc import Sequence

Words = Sequence[str]
BETA = 1.2


def official_rouge_l(caption: Words, references: Sequence[Words]) -> float:
    """ROUGE-L of one caption, bug for bug. Raises ValueError without references."""
    _require(references)
    said = list(caption) or [""]
    truths = [list(truth) or [""] for truth in references]
    common = [_longest_common(said, truth) for truth in truths]
    precision = max(common) / len(said)
    return _f(precision, max(shared / len(truth) for shared, truth in zip(common, truths, strict=True)))


def rouge_l(caption: Words, references: Sequence[Words]) -> float:
    """ROUGE-L of one caption against its best reference. Raises ValueError without references."""
    _require(references)
    scores = []
    for truth in references:
        common = _longest_common(caption, truth)
        scores.append(_f(common / len(caption), common / len(truth)) if common else 0.0)
    return max(scores)


def _f(precision: float, recall: float) -> float:
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _longest_common(a: Words, b: Words) -> int:
    row = [0] * (len(b) + 1)
    for word in a:
        diagonal = 0
        for j, other in enumerate(b):
            diagonal, row[j + 1] = row[j + 1], diagonal + 1 if word == other else max(row[j + 1], row[j])
    return row[-1]


def _require(references: Sequence[Words]) -> None:
    if not references:
        raise ValueError("ROUGE-L needs at least one reference, and there are none")
