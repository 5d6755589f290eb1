"""Questions about one picture in a published chat format, as a trunk and its branches for packing.

    trunk    <|im_start|>system ... <|im_end|> \\n <|im_start|> user \\n [picture]        once a picture
    branch   what is this? <|im_end|> \\n <|im_start|> assistant \\n a dog. <|im_end|>     one for each question
                                                                TRAINED ...............

Each conversation is rendered whole by `text/chat.py` and cut where its picture ends: the trunk is what all of them have
in common, and a packed question is computed exactly as it would be alone. Without a picture the cut is where the
user's turn opens, which is how a blind model is trained and asked. Packing is `packing.py`.
"""

from collections.abc import Sequence

from showtell.core.errors import DataError
from showtell.instruct.packing import Document
from showtell.text.chat import ChatFormat, Place, Rendered, Turn, render
from showtell.text.tokenizer import Tokenizer

Asked = tuple[str, str | None]


def chat_document(format: ChatFormat, tokenizer: Tokenizer, picture: Sequence[int], pairs: Sequence[Asked]) -> Document:
    """The document of one picture.

    Args:
        picture: ids that stand for it; none for a conversation without picture.
        pairs: question and answer; an answer of None is left for the model to write.

    Raises DataError when there is no question, or the format writes something of a question before the picture.
    """
    if not pairs:
        raise DataError("a document needs at least one question; this picture has none")
    cuts = [cut(whole(format, tokenizer, picture, pair), len(picture)) for pair in pairs]
    trunk = cuts[0][0]
    if any(other.ids != trunk.ids for other, _ in cuts):
        raise DataError("this chat format puts words of the question before its picture; they cannot share a trunk")
    return Document(trunk, [branch for _, branch in cuts])


def whole(format: ChatFormat, tokenizer: Tokenizer, picture: Sequence[int], pair: Asked) -> Rendered:
    """One question and its answer, or an open turn for the answer, with everything the format puts around them."""
    question, answer = pair
    turns = [Turn("user", (*((Place(0),) if picture else ()), question))]
    if answer is None:
        return render(format, tokenizer, turns, [picture], prompt=True)
    out = render(format, tokenizer, [*turns, Turn("assistant", (answer,))], [picture])
    last = max(i for i, trained in enumerate(out.loss_mask) if trained) + 1  # what follows the stop token is not needed
    return part(out, 0, last)


def cut(out: Rendered, tokens: int) -> tuple[Rendered, Rendered]:
    """Before and after the end of the picture, or the first word of the user where there is none."""
    place = out.image_slots[0][0] + tokens if tokens else out.roles.index("user")
    return part(out, 0, place), part(out, place, len(out.ids))


def part(out: Rendered, first: int, end: int) -> Rendered:
    """Tokens `first` up to `end`."""
    slots = [(start - first, tokens) for start, tokens in out.image_slots if first <= start < end]
    return Rendered(out.ids[first:end], out.loss_mask[first:end], out.roles[first:end], slots)
