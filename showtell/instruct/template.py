"""Rendering a conversation: ids, loss mask, roles and picture slots come out together, once.

    <image> x 64  <user> where is the dog ? <assistant> <box> <loc_3> <loc_9> <loc_30> <loc_41> <end>
    image......   control user...........   control     assistant.............................  assistant
    not trained   not     not               not         TRAINED ..............................  TRAINED

The mask is true by construction, since each token is written by the code that knows who says it; nothing is searched
for afterwards in a tokenised string. A template is a table of control tokens around each role. Location tokens are
written through the model's one codec from the *view's* unit coordinates. Pictures that open a message are written
before the turn itself opens, so that one picture can be the shared trunk of many questions (`packing.py`). What comes
out is the `Rendered` of `text/chat.py`, which writes the formats of published models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from showtell.core.errors import DataError
from showtell.core.geometry import Box, Point
from showtell.fusion.image_plan import ImagePlan
from showtell.instruct.conversation import Conversation, Part, Picture
from showtell.text.chat import Rendered, TokenRole
from showtell.text.coordinates import LocationCodec
from showtell.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class TemplateConfig:
    """Control tokens around each role.

    image: the placeholder that one image token replaces.
    before: control tokens that open a turn, by role.
    end: control token that closes an assistant's turn; it is trained on.
    box, point: control tokens that announce a place, so that two boxes in a row stay two.
    padding: fills rows.
    lowercase_questions: the model was only ever asked in lower case, so questions are lowered before they are written.
    """

    image: str = "<image>"
    before: dict[str, str] = field(default_factory=lambda: {"user": "<user>", "assistant": "<assistant>"})
    end: str = "<end>"
    box: str = "<box>"
    point: str = "<point>"
    padding: str = "<pad>"
    lowercase_questions: bool = False

    @property
    def control(self) -> tuple[str, ...]:
        """Every control token, padding first."""
        return (self.padding, self.image, *self.before.values(), self.end, self.box, self.point)


class Template:
    """Writes conversations for one model: its tokenizer, its control tokens, its location codec."""

    def __init__(self, config: TemplateConfig, tokenizer: Tokenizer, codec: LocationCodec):
        self.config, self.tokenizer, self.codec = config, tokenizer, codec
        self.end_id = tokenizer.id(config.end)
        self.image_id = tokenizer.id(config.image)
        self.padding_id = tokenizer.id(config.padding)
        self.before = {role: tokenizer.id(name) for role, name in config.before.items()}
        self.location_ids = [tokenizer.id(name) for name in codec.names]

    def render(self, conversation: Conversation, plans: Sequence[ImagePlan] = (), *, prompt: bool = False) -> Rendered:
        """Tokens of the whole conversation.

        Args:
            plans: one image plan a picture of the conversation.
            prompt: end with the control tokens that open the assistant's turn.

        Raises DataError for a picture without plan, a role the template does not know, or (unless `prompt`) a
        conversation in which nothing is trained on.
        """
        out = Rendered()
        for message in conversation.messages:
            if message.role not in self.before:
                raise DataError(
                    f"this model's template has no role {message.role!r}; it knows {', '.join(self.before)}"
                )
            leading = next(
                (i for i, part in enumerate(message.parts) if not isinstance(part, Picture)), len(message.parts)
            )
            answering = message.role == "assistant"
            for part in message.parts[:leading]:
                self._write_part(out, part, message.role, answering, plans)
            out.write([self.before[message.role]], "control", False)
            for part in message.parts[leading:]:
                self._write_part(out, part, message.role, answering, plans)
            if answering:
                out.write([self.end_id], "assistant", True)
        if prompt:
            out.write([self.before["assistant"]], "control", False)
        elif not any(out.loss_mask):
            raise DataError("nothing in this conversation is trained on; it needs an assistant turn")
        return out

    def trunk(self, plan: ImagePlan) -> Rendered:
        """The picture alone: what every question about it continues from."""
        out = Rendered()
        self._write_part(out, Picture(0), "image", False, [plan])
        return out

    def locations(self, shape: Box | Point) -> list[int]:
        """Ids of a box (announced, then 4) or a point (announced, then 2) in the frame the model sees."""
        announced = self.config.box if isinstance(shape, Box) else self.config.point
        return [self.tokenizer.id(name) for name in (announced, *self.codec.encode(shape))]

    def _write_part(
        self, out: Rendered, part: Part, role: TokenRole, trained: bool, plans: Sequence[ImagePlan]
    ) -> None:
        if isinstance(part, Picture):
            if part.index >= len(plans):
                raise DataError(f"the conversation shows picture {part.index + 1} but only {len(plans)} were given")
            tokens = plans[part.index].tokens
            out.image_slots.append((len(out.ids), tokens))
            out.write([self.image_id] * tokens, "image", False)
        elif isinstance(part, str):
            lowered = self.config.lowercase_questions and role == "user"
            out.write(self.tokenizer.encode(part.lower() if lowered else part), role, trained)
        else:
            out.write(self.locations(part), role, trained)
