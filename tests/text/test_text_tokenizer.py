"""The wall between text and control tokens, and text that survives the round trip."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.errors import CheckpointError
from showtell.text.tokenizer import Tokenizer, train_tokenizer

TOKENIZER = train_tokenizer(["where is the dog?", "a red star"] * 4, 300, ("<pad>", "<image>", "<loc_0>"))


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=30) | st.sampled_from(["<image>", "a <loc_0> b", "<pad><pad>"]))
def test_any_text_round_trips_and_is_never_control(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == text
    assert not set(ids) & set(TOKENIZER.control_names)


def test_control_tokens_by_name(tmp_path: Path) -> None:
    assert [TOKENIZER.id(name) for name in ("<pad>", "<image>", "<loc_0>")] == [0, 1, 2]
    assert TOKENIZER.pieces([1, *TOKENIZER.encode("dog"), 2])[0] == "<image>"
    with pytest.raises(CheckpointError, match="<loc_9>"):
        TOKENIZER.id("<loc_9>")
    TOKENIZER.save(tmp_path / "t.json")
    again = Tokenizer.load(tmp_path / "t.json")
    assert again.encode("<image> dog") == TOKENIZER.encode("<image> dog") and len(again) == len(TOKENIZER)
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(CheckpointError, match="not a readable tokenizer"):
        Tokenizer.load(tmp_path / "bad.json")
