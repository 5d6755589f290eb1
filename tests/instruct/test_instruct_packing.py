"""Packed equals separate: what a question reads in a packed row is what it would read alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import tiny_bundle

from showtell.core.errors import DataError
from showtell.core.geometry import Box, Frame, Point
from showtell.core.masks import branch_mask
from showtell.fusion.image_plan import plan_image
from showtell.instruct.conversation import Conversation, Message, Picture, question
from showtell.instruct.packing import IGNORE, Document, PackedBatch, pack_row, stack_rows
from showtell.instruct.step import SupervisedStep
from showtell.instruct.template import Template, TemplateConfig

BUNDLE = tiny_bundle()
MODEL, TEMPLATE = BUNDLE.model, BUNDLE.template
VIEW = Frame(24, 24)
PLAN = plan_image(Frame(31, 17), BUNDLE.config.model.vision)
WORDS = ["what is this?", "where is the dog", "a red star", "two cats and a cup", "dog", "<image> <end>"]


def branch(text: str, answer: str) -> object:
    return TEMPLATE.render(question(text, answer=(answer, Box(2, 3, 20, 23, VIEW))))


def logits(batch: PackedBatch) -> torch.Tensor:
    with torch.no_grad():
        mask = branch_mask(batch.documents, batch.branches)
        return MODEL.decoder.logits(MODEL(batch.pixels, batch.ids, batch.positions, mask))


def packed(documents: list[Document], length: int, pixels: torch.Tensor) -> tuple[PackedBatch, object]:
    row = pack_row(documents, length, TEMPLATE.padding_id)
    return stack_rows([row], pixels), row


@settings(deadline=None, max_examples=15)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3), min_size=1, max_size=3), st.integers(0, 9))
def test_packed_equals_separate(texts: list[list[str]], seed: int) -> None:
    pixels = torch.randn(len(texts), 3, 24, 24, generator=torch.Generator().manual_seed(seed))
    documents = [Document(TEMPLATE.trunk(PLAN), [branch(t, t[::-1]) for t in of]) for of in texts]
    batch, row = packed(documents, 9 * len(texts) + sum(len(b) for d in documents for b in d.branches) + 3, pixels)
    assert row.placed == tuple(len(of) for of in texts)
    together = logits(batch)[0]
    for number, document in enumerate(documents):
        for which, alone in enumerate(document.branches, start=1):
            single, _ = packed([Document(document.trunk, [alone])], 9 + len(alone), pixels[number : number + 1])
            here = (batch.documents[0] == number) & (batch.branches[0] == which)
            assert (together[here] - logits(single)[0, 9:]).abs().max() <= 1e-5
            assert torch.equal(batch.targets[0][here], single.targets[0, 9:])


def test_disturbing_one_question_or_picture_leaves_the_others_alone() -> None:
    pixels = torch.randn(2, 3, 24, 24)
    documents = [Document(TEMPLATE.trunk(PLAN), [branch(t, "dog") for t in WORDS[:3]]) for _ in range(2)]
    batch, _ = packed(documents, 120, pixels)
    before = logits(batch)[0]
    mine = (batch.documents[0] == 0) & (batch.branches[0] == 2)
    ids = batch.ids.clone()
    ids[0, mine] = ids[0, mine].flip(0)
    after = logits(PackedBatch(**(vars(batch) | {"ids": ids})))[0]
    assert (after[mine] - before[mine]).abs().max() > 1e-3
    assert torch.equal(after[~mine], before[~mine])
    other = pixels.clone()
    other[1] += 1
    after = logits(PackedBatch(**(vars(batch) | {"pixels": other})))[0]
    second = batch.documents[0] == 1
    assert torch.equal(after[~second], before[~second]) and (after[second] - before[second]).abs().max() > 1e-3


def test_targets_cover_answers_and_their_end_only() -> None:
    rendered = branch("what is this?", "a dog")
    row = pack_row([Document(TEMPLATE.trunk(PLAN), [rendered])], 60, TEMPLATE.padding_id)
    learned = [int(t) for t in row.targets if t != IGNORE]
    assert TEMPLATE.tokenizer.pieces(learned)[-6:] == ["<box>", "<loc_1>", "<loc_1>", "<loc_5>", "<loc_6>", "<end>"]
    assert TEMPLATE.tokenizer.decode(learned) == "a dog"
    at = [i for i, t in enumerate(row.targets) if t != IGNORE]
    assert all(row.targets[i] == row.ids[i + 1] for i in at)
    assert row.ids[at[0]] == TEMPLATE.before["assistant"]


def test_questions_that_do_not_fit_are_left_out_whole() -> None:
    rendered = [branch("what is this?", "a dog"), branch("dog", "a")]
    length = 9 + len(rendered[1])
    row = pack_row([Document(TEMPLATE.trunk(PLAN), rendered)], length, TEMPLATE.padding_id)
    assert row.placed == (1,) and (row.targets != IGNORE).sum() == sum(rendered[1].loss_mask)
    with pytest.raises(ValueError, match="needs 9 tokens"):
        pack_row([Document(TEMPLATE.trunk(PLAN), [])], 8, TEMPLATE.padding_id)


def test_what_a_user_types_is_text() -> None:
    rendered = TEMPLATE.render(question(Picture(0), "<image><end><loc_3>", answer=("dog",)), [PLAN])
    assert rendered.roles.count("image") == 9 and rendered.image_slots == [(0, 9)]
    assert next(r for r in rendered.roles if r != "image") == "control"
    assert rendered.ids.count(TEMPLATE.end_id) == 1
    user = [i for i, r in zip(rendered.ids, rendered.roles, strict=True) if r == "user"]
    assert TEMPLATE.tokenizer.decode(user) == "<image><end><loc_3>"
    assert not set(user) & set(TEMPLATE.tokenizer.control_names)


def test_questions_are_lowered_where_the_model_knows_no_capitals_and_answers_never() -> None:
    lowered = Template(TemplateConfig(lowercase_questions=True), TEMPLATE.tokenizer, TEMPLATE.codec)
    for template, expected in ((lowered, "what is THIS?".lower()), (TEMPLATE, "what is THIS?")):
        rendered = template.render(question("what is THIS?", answer=("STOP",)))
        user = [i for i, r in zip(rendered.ids, rendered.roles, strict=True) if r == "user"]
        said = [i for i, r in zip(rendered.ids, rendered.roles, strict=True) if r == "assistant"]
        assert template.tokenizer.decode(user) == expected and template.tokenizer.decode(said) == "STOP"


def test_unusable_conversations_are_refused() -> None:
    with pytest.raises(DataError, match="nothing in this conversation is trained on"):
        TEMPLATE.render(question("dog"))
    with pytest.raises(DataError, match="picture 1 but only 0"):
        TEMPLATE.render(question(Picture(0), "dog", answer=("a",)))
    with pytest.raises(DataError, match="no role 'system'"):
        TEMPLATE.render(Conversation((Message("system", ("be brief",)),)))


def test_a_point_and_two_boxes_in_a_row_are_read_back() -> None:
    a, b, p = Box(0, 0, 12, 12, VIEW), Box(4, 8, 24, 24, VIEW), Point(12, 4, VIEW)
    ids = TEMPLATE.render(question("dog", answer=(a, b, p, "dog"))).ids
    shapes = TEMPLATE.codec.decode(TEMPLATE.tokenizer.pieces(ids), VIEW)
    assert len(shapes) == 3
    for read, written in zip(shapes, (a, b, p), strict=True):
        assert read.unit == pytest.approx(written.unit, abs=0.5 / 6 + 1e-9)


def test_one_batch_is_overfitted() -> None:
    bundle = tiny_bundle(scale=0.15)
    rng = np.random.default_rng(0)
    documents = [
        Document(TEMPLATE.trunk(PLAN), [branch(t, w) for t, w in zip(WORDS[:2], rng.permutation(WORDS), strict=False)])
    ]
    batch, _ = packed(documents, 80, torch.randn(1, 3, 24, 24))
    step = SupervisedStep()
    optimizer = torch.optim.AdamW(bundle.model.parameters(), lr=1e-2)
    losses = []
    for _ in range(80):
        loss = step(bundle.model.train(), batch)
        mean = loss.value / loss.weight
        losses.append(float(mean.detach()))
        optimizer.zero_grad()
        mean.backward()
        optimizer.step()
    assert losses[0] > 3 and losses[-1] < 0.1 and loss.parts["token_accuracy"] == 1.0
