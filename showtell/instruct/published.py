"""A published checkpoint in memory: the model of its family, and what belongs between it and the outside.

    folder or .gguf ──► model          as its family's file builds it
                        processor      preprocessor_config.json     pixels, and the way back for coordinates
                        tokenizer      tokenizer.json
                        chat           the chat template, recognised

What a folder does not hold is None here: a bare tower has no tokenizer, a language model no processor. Which families
there are is `load.py`'s table; our own models, with boxes and their own template, are `instruct/bundle.py`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import nn

from showtell.core.config import to_dict
from showtell.core.errors import ConfigError
from showtell.core.geometry import Frame
from showtell.core.hf_folder import read_json
from showtell.fusion.image_plan import ImageLayout
from showtell.fusion.sight import Sight
from showtell.images.decode import Picture, Source, decode
from showtell.images.eval_transforms import processor_from_open_clip, processor_from_timm
from showtell.images.families import AnyProcessor, processor_from_hf
from showtell.instruct.answer import Answer
from showtell.instruct.published_chat import Speaking
from showtell.text.chat import ChatFormat
from showtell.text.sampling import SamplingConfig
from showtell.text.tokenizer import Tokenizer

Kind = Literal["vision encoder", "dual encoder", "language model", "vision-language model"]
PICTURES = (Frame(640, 480), Frame(1024, 1024), Frame(480, 1920))


@dataclass(frozen=True, eq=False)
class Published:
    """A loaded checkpoint.

    name: what to call it.
    kind: what it can be used for.
    family: what it calls itself, `model_type` in most files.
    model: in evaluation mode, float32.
    processor, tokenizer, chat: None where the checkpoint has none.
    sight: model and processor together, where pictures stand among the words of a prompt.
    config: contents of its configuration file.
    about: what its card says, for a model that was trained here.
    stops: tokens that end an answer besides the chat format's.
    """

    name: str
    kind: Kind
    family: str
    model: nn.Module
    processor: AnyProcessor | None = None
    tokenizer: Tokenizer | None = None
    chat: ChatFormat | None = None
    sight: Sight | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    stops: tuple[int, ...] = ()

    def layout(self, frame: Frame) -> ImageLayout:
        """How a picture of this extent stands in a prompt; raises ConfigError for a model that reads none there."""
        if self.sight is None:
            raise ConfigError(f"{self.name}: a {self.kind} ({self.family}) reads no pictures among its words")
        return self.sight.layouts([frame])[0]

    @property
    def context(self) -> int:
        """Most tokens it was trained to read at once; 2,048 where its configuration does not say."""
        inner = [self.config.get(name) for name in ("text_config", "llm_config", "language_config")]
        places = [part for part in (*inner, self.config) if isinstance(part, Mapping)]
        names = ("max_position_embeddings", "llama.context_length")
        found = (part.get(name) for part in places for name in names)
        return next((int(number) for number in found if isinstance(number, int)), 2048)

    def speaking(self) -> Speaking:
        """What is needed to talk to it; raises ConfigError naming the part the checkpoint lacks."""
        if self.tokenizer is None or self.chat is None:
            lacks = "tokenizer.json" if self.tokenizer is None else "a chat template that is known here"
            raise ConfigError(f"{self.name}: a {self.kind} ({self.family}) without {lacks} cannot be asked")
        return Speaking(self.model, self.tokenizer, self.chat, self.sight, self.stops)

    def encode(self, image: Source | Picture) -> Picture:
        """The decoded picture; published models look at it again with each question."""
        return image if isinstance(image, Picture) else decode(image)

    def ask(
        self,
        image: Source | Picture | Sequence[Source | Picture] | None,
        question: str,
        sampling: SamplingConfig = SamplingConfig(),
    ) -> Answer:
        """The model's answer in words, to a question about a picture, several (a list) or none.

        Raises ConfigError for a checkpoint that cannot be asked, or shown pictures.
        """
        images: Sequence[Any] = image if isinstance(image, list | tuple) else () if image is None else (image,)
        return self.speaking().answer(question, [self.encode(one) for one in images], self.name, sampling)

    def caption(self, image: Source | Picture) -> Answer:
        """A sentence about the picture."""
        return self.ask(image, "Describe the picture in one sentence.")

    def ground(self, image: Source | Picture, phrase: str) -> Answer:
        """Refused: each family writes boxes in its own way, and none is read here yet."""
        raise ConfigError(f"{self.name}: boxes of a {self.family} are not read here; ask it in words instead")

    @property
    def card(self) -> dict[str, Any]:
        """What it is, in plain values: `showtell card` prints it."""
        parts = {name: count(part) for name, part in self.model.named_children() if count(part)}
        found: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "family": self.family,
            "parameters": {"total": count(self.model), **parts},
        }
        if self.processor is not None:
            found["processor"] = to_dict(self.processor.config)
        with suppress(ConfigError):  # no pictures among its words
            found["image tokens"] = {f"{at.width} x {at.height}": self.layout(at).tokens for at in PICTURES}
        if self.tokenizer is not None:
            found["vocabulary"] = len(self.tokenizer)
        if self.chat is not None:
            found["chat"] = {role: repr(opening)[1:-1] for role, opening in self.chat.openings.items()}
            found["chat"]["stop"] = self.chat.stop
        return found | dict(self.about)


def count(module: nn.Module) -> int:
    """Parameters, tied ones once."""
    return sum(parameter.numel() for parameter in module.parameters())


def read_processor(folder: Path, config: Mapping[str, Any]) -> AnyProcessor | None:
    """The processor that the files of a folder declare, newest layout first; None if there is none of them."""
    if (folder / "processor_config.json").is_file():
        inner = read_json(folder / "processor_config.json").get("image_processor")
        if isinstance(inner, Mapping):
            return processor_from_hf(inner)
    if (folder / "preprocessor_config.json").is_file():
        return processor_from_hf(read_json(folder / "preprocessor_config.json"))
    if (folder / "open_clip_config.json").is_file():
        return processor_from_open_clip(read_json(folder / "open_clip_config.json"))
    timm = config.get("pretrained_cfg")
    return processor_from_timm(timm) if isinstance(timm, Mapping) else None


def read_stops(folder: Path) -> tuple[int, ...]:
    """The tokens that end an answer by `generation_config.json`: one, a list of them, or none."""
    path = folder / "generation_config.json"
    named = read_json(path).get("eos_token_id") if path.is_file() else None
    return tuple(id for id in (named if isinstance(named, list) else [named]) if isinstance(id, int))


def read_chat_template(folder: Path) -> str | None:
    """The Jinja text of a folder, whichever of the three files holds it."""
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        if (folder / name).is_file() and isinstance(text := read_json(folder / name).get("chat_template"), str):
            return text
    return None
