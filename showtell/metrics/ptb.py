"""Words of a caption as the COCO caption scores see them: Penn Treebank tokens, lower case, punctuation removed.

    "A man's dog isn't here (yet), at 5 p.m."  ->  a man 's dog is n't here -lrb- yet -rrb- at 5 p.m.

COCO's scores start with Stanford's PTBTokenizer, a Java program. This is one regular expression that does what that
program does to captions, in the words' order of precedence: contractions that split ("cannot", "gonna", "isn't",
"dog's"), abbreviations that keep their period, numbers, words with hyphens, slashes and ampersands inside. The
brackets stay as "-lrb-" and "-rrb-": the official list of punctuation names them in capitals, after everything was
made lower case.

It agrees with the program on all golden captions that are written in English and on most of the strange ones
(`tests/metrics/test_metrics_captioning.py` has the shares). Not here: sentences, languages without spaces, links.
"""

import re

REMOVED = frozenset(
    ("''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";")
)
SPELLED = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "—": " -- ", "–": " -- ", "…": " ... ", "€": "$", "£": "#", "½": "1/2"}
)
BRACKETS = {"[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
ABBREVIATED = "mr mrs ms dr prof sr jr st ave blvd rd etc vs inc co corp ltd mt ft dept approx est".split()
TOKEN = re.compile(
    rf"""
      can(?=not\b) | gon(?=na\b) | wan(?=na\b) | got(?=ta\b) | lem(?=me\b) | gim(?=me\b) | 't(?=is\b|was\b)
    | [a-z]+?(?=n't\b) | n't\b | '(?:s|m|d|re|ve|ll)\b
    | \b(?:{"|".join(ABBREVIATED)})\. | \bno\.(?=\s*\d) | \b(?:[a-z]\.){{2,}} | \b[a-z]\.(?=\s+[^\W_])
    | (?<!\S)-\d+(?:[.,:]\d+)*
    | \d+(?:[.,:/]\d+)+
    | \b(?:o|d|ma)'[a-z]+ | y'(?=all\b) | 'n'
    | [^\W_]+(?:[-_/&.]+[^\W_]+)*
    | [?!]{{2,}} | [:;][()] | \S
    """,
    re.VERBOSE,
)


def ptb_tokens(caption: str) -> list[str]:
    """The tokens that COCO's caption scores count."""
    tokens = TOKEN.findall(caption.translate(SPELLED).lower())
    tokens = [token.replace("(", "-lrb-").replace(")", "-rrb-") for token in tokens if token != '"']
    return [BRACKETS.get(token, token) for token in tokens if token not in REMOVED]
