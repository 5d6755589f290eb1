"""Near-duplicates among texts: most of their three-word runs are the same.

    words in groups of three -> hashes -> the 64 smallest (a bottom-k sketch: Broder 1997)
    likeness = shared hashes / smaller sketch;  candidates are the texts that share any hash, found by an index

A text of fewer than three words is one group. Order of arrival counts: the later one is the duplicate. Pictures that
are nearly the same are `contrastive/duplicates.py`.
"""

import hashlib
import re
from collections import Counter, defaultdict

KEPT = 64


class NearDuplicates:
    """Texts seen so far; `likeness` in 0..1 is where a text counts as one of them again."""

    def __init__(self, likeness: float):
        self.likeness = likeness
        self._sizes: dict[int, int] = {}
        self._where: dict[int, list[int]] = defaultdict(list)

    def add(self, number: int, text: str) -> int | None:
        """The number of an earlier text that this one repeats, else None; a repeated text is not added."""
        hashes = sketch(text)
        shared = Counter(earlier for hash in hashes for earlier in self._where[hash])
        for earlier, count in shared.most_common(3):
            if count >= self.likeness * max(1, min(len(hashes), self._sizes[earlier])):
                return earlier
        self._sizes[number] = len(hashes)
        for hash in hashes:
            self._where[hash].append(number)
        return None


def sketch(text: str) -> set[int]:
    """The smallest hashes of a text's groups of three words."""
    words = re.findall(r"\w+", text.lower())
    groups = {" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))}
    hashes = (int.from_bytes(hashlib.blake2b(group.encode(), digest_size=8).digest()) for group in groups)
    return set(sorted(hashes)[:KEPT])
