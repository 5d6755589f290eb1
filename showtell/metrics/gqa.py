"""GQA: one word or phrase, right or wrong.

`official_gqa_match` compares as `eval.py` of the GQA challenge does, exactly, after the conversion that everyone
applies (LLaVA's `convert_gqa_for_eval.py`): periods at the end removed, lower case. White space at the ends therefore
counts, and so does an article. Clean is `text.exact_match`. lmms-eval ignores case and every punctuation mark and so
scores "t-shirt" for "tshirt". Not here: consistency, validity and plausibility, which need the scene graphs.
"""


def official_gqa_match(prediction: str, truth: str) -> bool:
    """Whether the answer is right, bug for bug."""
    return prediction.rstrip(".").lower() == truth
