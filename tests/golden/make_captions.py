"""Golden vectors of the caption scores, tokenised by Java. By hand: python tests/golden/make_captions.py."""

import importlib
import random
import subprocess
import tempfile

from oracles import PIECES, in_package, save

NOUNS = """man woman dog dogs cat street sign bus t-shirt red-brown girl's dogs' kids' o'clock black-and-white
U.S. Mr. Smith St. 3 1,000 2.5 50's 1/2 3:30 half-eaten (big) "stop" 'exit' he's isn't don't they're
cannot it's I'm won't can't we'd gonna 5% $5 #1 and/or w/ R&B 3-d 1st 10k p.m. a.m. etc. e.g. TV
TV's T.V. TVs couple's y'all who's there's women's x-ray -- ... & @ 12' 6\" ½ café naïve ma'am
u-turn D.C. N.Y. vs. pre- co-op ready-to-eat wok/pan 100% 7-up McDonald's rock'n'roll plan b no. 5""".split()
SMALL = "a the an of on in with and at is are sitting standing next to near holding".split()


def caption(rng: random.Random, plain: bool) -> str:
    words = []
    for _ in range(rng.randrange(0 if rng.random() < 0.03 else 3, 13)):
        words.append(rng.choice(SMALL))
        if rng.random() < 0.7:
            words.append(rng.choice(NOUNS[:8] if plain else NOUNS))
        if rng.random() < 0.1:
            words[-1] += rng.choice([",", ";", ":", ".", "!", "?", " -"])
    text = " ".join(words) + rng.choice([".", ".", "", "!", " .", "...", "?", " ", '"', ")"])
    return text[:1].upper() + text[1:] if rng.random() < 0.8 else text


def java(lines: list[str]) -> list[list[str]]:
    """What Stanford's tokenizer makes of each line, with COCO's punctuation removed."""
    removed = importlib.import_module("pycocoevalcap.tokenizer.ptbtokenizer").PUNCTUATIONS
    jar = in_package("pycocoevalcap/tokenizer/stanford-corenlp-3.4.1.jar")
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(lines))
        file.flush()
        command = [
            "java",
            "-cp",
            str(jar),
            "edu.stanford.nlp.process.PTBTokenizer",
            "-preserveLines",
            "-lowerCase",
            file.name,
        ]
        said = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout.split("\n")
    assert len(said) >= len(lines)
    return [[word for word in line.split(" ") if word and word not in removed] for line in said[: len(lines)]]


def main() -> None:
    rng = random.Random(31)
    captions = [caption(rng, False) for _ in range(2000)]
    strange = [" ".join(rng.choices([p for p in PIECES if p.isascii()], k=rng.randrange(1, 6))) for _ in range(500)]
    save("ptb", {"captions": [captions, java(captions)], "strange": [strange, java(strange)]})

    bleu = importlib.import_module("pycocoevalcap.bleu.bleu").Bleu
    rouge = importlib.import_module("pycocoevalcap.rouge.rouge").Rouge
    cider = importlib.import_module("pycocoevalcap.cider.cider").Cider
    raw = []
    for size in [1, 2, 3, 5, 9, 30] * 30:
        references = [[caption(rng, True) for _ in range(rng.randrange(1, 6))] for _ in range(size)]
        said = [rng.choice([caption(rng, True), rng.choice(truths)[: rng.randrange(1, 99)]]) for truths in references]
        raw.append((said, references))
    lines = [line for said, references in raw for line in (*said, *(line for truths in references for line in truths))]
    words = dict(zip(lines, (" ".join(tokens) for tokens in java(lines)), strict=True))
    sets = []
    for said, references in raw:
        said, truths = [words[line] for line in said], [[words[line] for line in truths] for truths in references]
        gts, res = dict(enumerate(truths)), {i: [text] for i, text in enumerate(said)}
        scores = bleu(4).compute_score(gts, res, verbose=0)[0]
        rouges = rouge().compute_score(gts, res)[1].tolist()
        sets.append([said, truths, scores, rouges, cider().compute_score(gts, res)[1].tolist()])
    save("captions", sets)


if __name__ == "__main__":
    main()
