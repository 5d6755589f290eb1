"""Packing never mixes: whatever the documents, a token sees its picture and its own question, and nobody else's."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.masks import branch_mask
from showtell.instruct.packing import IGNORE, Document, pack_row
from showtell.text.chat import Rendered

PADDING = 0


def rendered(first: int, length: int, trained: int) -> Rendered:
    """Distinct ids, so that every token of a row can be told apart; the last `trained` are an answer."""
    trained = min(trained, length - 1)
    roles = ["user"] * (length - trained) + ["assistant"] * trained
    mask = [role == "assistant" for role in roles]
    return Rendered(list(range(first, first + length)), mask, roles, [])  # type: ignore[arg-type]


@st.composite
def documents(draw: st.DrawFn) -> list[Document]:
    found, first = [], 1
    for _ in range(draw(st.integers(1, 4))):
        pieces = []
        for _ in range(draw(st.integers(1, 5))):
            length = draw(st.integers(1, 7))
            pieces.append(rendered(first, length, draw(st.integers(0, 3)) if pieces else 0))
            first += length
        found.append(Document(pieces[0], pieces[1:]))
    return found


@settings(max_examples=80, deadline=None)
@given(rows=documents(), spare=st.integers(0, 60))
def test_what_a_token_sees_is_its_own(rows: list[Document], spare: int) -> None:
    tokens = sum(len(piece) for d in rows for piece in (d.trunk, *d.branches))
    row = pack_row(rows, tokens + spare, PADDING)
    home = {i: (n, 0) for n, d in enumerate(rows) for i in d.trunk.ids}
    home |= {i: (n, (n, b)) for n, d in enumerate(rows) for b, r in enumerate(d.branches) for i in r.ids}
    seen = branch_mask(torch.from_numpy(row.documents)[None], torch.from_numpy(row.branches)[None])[0]
    seen = seen.reshape(seen.shape[-2:])
    for place, token in enumerate(row.ids):
        others = {int(row.ids[i]) for i in torch.nonzero(seen[place])[:, 0]}
        if token == PADDING:
            assert all(home.get(other) is None for other in others)
            continue
        number, branch = home[int(token)]
        allowed = {i for i, (n, b) in home.items() if n == number and b in (0, branch) and i <= token}
        assert others == allowed if branch else others <= allowed
        if row.targets[place] != IGNORE:  # what is to be said next is said in the same question
            assert home[int(row.targets[place])] == (number, branch) and row.targets[place] == token + 1


@settings(max_examples=80, deadline=None)
@given(rows=documents(), spare=st.integers(0, 30))
def test_questions_are_whole_or_left_out(rows: list[Document], spare: int) -> None:
    row = pack_row(rows[:1], len(rows[0].trunk) + spare, PADDING)
    kept = {int(token) for token in row.ids} - {PADDING}
    for piece in (rows[0].trunk, *rows[0].branches):
        assert set(piece.ids) <= kept or not set(piece.ids) & kept
    assert row.placed[0] == sum(set(piece.ids) <= kept for piece in rows[0].branches)
