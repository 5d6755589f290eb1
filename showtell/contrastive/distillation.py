"""A small pair learns from a large one: what to call near, and how near.

    relations   KL( softmax(S_teacher) || softmax(S_pupil) ), pictures over texts and texts over pictures
    places      1 - cosine(pupil_i, teacher_i)                          needs spaces of one width

InfoNCE knows one right caption and treats all others as equally wrong; the teacher's scores say that "a kitten" is
nearly right for a cat and "a truck" is not. Relations need no common width (Wu et al. 2023, TinyCLIP; Yang et al. 2024,
CLIP-KD, where feature mimicry, here "places", was the strongest single part). `places` alone also teaches a text tower
to stand in for a sentence encoder (Reimers and Gurevych 2020 did it across languages). Both are sums over pairs. The
text tower of the pocket pair learned the same aim in one step, by least squares (`word_tower.py`).
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def relation_loss(pupil: Float[Tensor, "images texts"], teacher: Float[Tensor, "images texts"]) -> Float[Tensor, ""]:
    """Of the scaled scores of both; 0 where the pupil's distributions are the teacher's."""
    total = pupil.new_zeros(())
    for ours, theirs in ((pupil, teacher), (pupil.T, teacher.T)):
        log_theirs = theirs.detach().log_softmax(dim=1)
        total = total + F.kl_div(ours.log_softmax(dim=1), log_theirs, log_target=True, reduction="sum")
    return total / 2


def place_loss(pupil: Float[Tensor, "rows dim"], teacher: Float[Tensor, "rows dim"]) -> Float[Tensor, ""]:
    """Of rows of any length; 0 where every row points where the teacher's does."""
    return (1 - F.cosine_similarity(pupil, teacher.detach(), dim=1)).sum()
