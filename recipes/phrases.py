"""What the text tower of the pocket pair is taught on: phrases about things one can see, and where MiniLM puts them.

    captions     of the training pairs, in English; and in other languages, to be put where the English one is
    WordNet      names of animals, plants, food, things, people, places, and the first clause of their definitions
    together     a colour, a number or a manner before a name; two names; a template around one

WordNet is in the Debian package wordnet-base (`apt-get download`, `dpkg -x` into the same folder as the pictures). Only
names that are spelled with common words are taken: whole words of the teacher's vocabulary.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from recipes.pairs import Pair
from showtell.contrastive.pocket_pair import tidy
from showtell.contrastive.zero_shot import TEMPLATES
from showtell.text.tokenizer import Tokenizer

LANGUAGES = ("de", "es", "fr", "it", "pt", "ru")
VISIBLE = {"04", "05", "06", "08", "13", "15", "17", "18", "19", "20", "25", "27"}  # lexicographer files of nouns
COLORS = "red orange yellow green blue purple pink brown black white grey golden silver".split()
MANNERS = (
    "big small old young happy sad angry funny cute dark bright wooden metal plastic broken empty full round long tall "
    "cartoon drawn simple outlined photographed running flying sitting sleeping standing smiling"
).split()
COUNTS = "one two three four five six ten many several some".split()
LINKS = ("and", "with", "on", "in", "under", "next to", "without", "of")


def english(pairs: Sequence[Pair]) -> list[str]:
    """Captions of the training pairs, each once."""
    return list(dict.fromkeys(tidy(c) for pair in pairs if pair.split == "train" for c in pair.captions))


def elsewhere(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """(caption in another language, the same in English) of the training pairs."""
    found = {}
    for pair in pairs:
        if pair.split == "train" and pair.style != "line" and pair.captions:
            for language in LANGUAGES:
                if language in pair.elsewhere and len(pair.elsewhere[language]) <= 90:
                    found[tidy(pair.elsewhere[language])] = tidy(pair.captions[0])
    return list(found.items())


def wordnet(root: Path, words: frozenset[str]) -> tuple[list[str], list[str]]:
    """(names, first clauses of definitions) of visible things, spelled with `words` only."""
    names, clauses = {}, {}
    for line in next(root.rglob("wordnet/data.noun")).read_text(encoding="utf-8").splitlines():
        if line.startswith(" ") or line.split()[1] not in VISIBLE:
            continue
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        lemmas = [fields[4 + 2 * i].replace("_", " ").lower() for i in range(int(fields[3], 16))]
        plain = [name for name in lemmas if re.fullmatch(r"[a-z -]+", name)]
        common = [name for name in plain if set(re.findall(r"[a-z]+", name)) <= words]
        names |= dict.fromkeys(common)
        clause = tidy(re.sub(r"\([^)]*\)", "", gloss.split(";")[0]))
        if common and 2 <= len(clause.split()) <= 12:
            clauses[clause] = None
    return list(names), list(clauses)


def whole_words(teacher: Tokenizer) -> frozenset[str]:
    return frozenset(word for word in teacher.rust.get_vocab() if word.isalpha() and word.isascii() and len(word) > 1)


def together(names: Sequence[str], count: int, seed: int = 5) -> Iterator[str]:
    """Made-up phrases about `names`, a function of the seed."""
    rng = np.random.default_rng(seed)

    def one(words: Sequence[str]) -> str:
        return words[int(rng.integers(len(words)))]

    for _ in range(count):
        name, kind = one(names), int(rng.integers(6))
        if kind == 0:
            yield f"a {one(COLORS)} {name}"
        elif kind == 1:
            yield f"{one(COUNTS)} {one((*COLORS, *MANNERS))} {name}s"
        elif kind == 2:
            yield f"a {one(MANNERS)} {name}"
        elif kind == 3:
            yield f"a {name} {one(LINKS)} a {one(names)}"
        else:
            yield tidy(one(TEMPLATES).format(name))
