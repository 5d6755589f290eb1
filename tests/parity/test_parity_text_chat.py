"""Every chat format against the reference's rendering of the published Jinja template, on its own tokenizer.

Three kinds of tokenizer, trained here: bytes (SmolLM2, Qwen, Llama 3), SentencePiece with a space before every stretch
of text (Llama 2), SentencePiece with one before the first stretch only (LLaVA), and without any (Gemma). The templates
are those in the published `tokenizer_config.json` and `chat_template.json`; of Qwen's, the lines about tools are left
out.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as RustTokenizer
from transformers import PreTrainedTokenizerFast

from showtell.core.errors import CheckpointError, DataError
from showtell.text.chat import ChatFormat, Place, Rendered, Turn, render
from showtell.text.chat_formats import recognise
from showtell.text.tokenizer import Tokenizer

CORPUS = (
    "what is in the picture? a dog and a red star.", "USER: hello ASSISTANT: hi there\n\nuser model system assistant",
    "You are a helpful assistant. SYS INST 1234 [INST] [/INST] <<SYS>> <</SYS>>", "User: Assistant: System:\n think",
) * 3  # fmt: skip
SMOLLM = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN_2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\n"
    "You are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
QWEN_2_VL = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}<|vision_start|><|image_pad|>"
    "<|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
LLAMA_3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
    "message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LLAVA = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\n' }}{% endfor %}{# Render all text next #}{% for content in message['content'] | "
    "selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | "
    "trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
IDEFICS_2 = (
    "{% for message in messages %}{{message['role'].capitalize()}}{% if message['content'][0]['type'] == 'image' %}"
    "{{':'}}{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' %}"
    "{{line['text']}}{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)

IDEFICS_3 = "<|im_start|>" + IDEFICS_2


def trained(rust: RustTokenizer, control: Sequence[str], alphabet: Sequence[str] = ()) -> RustTokenizer:
    special: list[Any] = [AddedToken(name, special=True, normalized=False) for name in control]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, initial_alphabet=list(alphabet))
    rust.train_from_iterator(CORPUS, trainer)
    return rust


def bytes_level(control: Sequence[str]) -> RustTokenizer:
    rust = RustTokenizer(models.BPE())
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rust.decoder = decoders.ByteLevel()
    return trained(rust, control, pre_tokenizers.ByteLevel.alphabet())


def sentencepiece(prefix: str, control: Sequence[str], implicit: str = "") -> RustTokenizer:
    rust = RustTokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    spaces = normalizers.Replace(" ", "▁")
    rust.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if prefix == "every" else spaces
    rust.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    rust.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # no piece spans two words
    trained(rust, ("<unk>", *control, *(f"<0x{byte:02X}>" for byte in range(256))))
    rust.pre_tokenizer = None
    if prefix == "first":
        rust.normalizer, rust.pre_tokenizer = None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    if implicit:
        rust.post_processor = processors.TemplateProcessing(
            single=f"{implicit} $A", special_tokens=[(implicit, rust.token_to_id(implicit))]
        )
    content = json.loads(rust.to_str())  # the bytes are ordinary pieces, not control tokens
    content["added_tokens"] = [token for token in content["added_tokens"] if not token["content"].startswith("<0x")]
    return RustTokenizer.from_str(json.dumps(content))


@dataclass(frozen=True)
class Case:
    template: str
    rust: RustTokenizer
    picture: str = ""  # the placeholder, where the family has pictures
    implicit: bool = False  # the reference's tokenizer adds its own beginning
    system: bool = True
    parts: bool = False  # the template wants a list of parts, not a string

    @property
    def format(self) -> ChatFormat:
        return recognise(self.template)


IM = ("<|im_start|>", "<|im_end|>")
VISION = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
CASES = {
    "smollm2": Case(SMOLLM, bytes_level(IM)),
    "qwen2": Case(QWEN_2, bytes_level(IM)),
    "chatml": Case(CHATML, bytes_level(IM)),
    "qwen2-vl": Case(QWEN_2_VL, bytes_level((*IM, *VISION)), "<|image_pad|>", parts=True),
    "llama2": Case(LLAMA_2, sentencepiece("every", ("<s>", "</s>"))),
    "llama3": Case(
        LLAMA_3, bytes_level(("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"))
    ),
    "llava": Case(
        LLAVA, sentencepiece("every", ("<s>", "</s>", "<image>"), "<s>"), "<image>", implicit=True, parts=True
    ),
    "llava, first": Case(
        LLAVA, sentencepiece("first", ("<s>", "</s>", "<image>"), "<s>"), "<image>", implicit=True, parts=True
    ),
    "gemma": Case(GEMMA, sentencepiece("never", ("<bos>", "<start_of_turn>", "<end_of_turn>")), system=False),
    "idefics2": Case(
        IDEFICS_2, sentencepiece("every", ("<s>", "</s>", "<image>", "<end_of_utterance>"), "<s>"), "<image>",
        implicit=True, parts=True,
    ),
    "idefics3": Case(
        IDEFICS_3, bytes_level(("<|im_start|>", "<image>", "<end_of_utterance>")), "<image>", parts=True
    ),
}  # fmt: skip
TOKENS = 5  # a picture costs


def reference_ids(case: Case, turns: Sequence[Turn], prompt: bool) -> list[int]:
    """What the reference reads, each picture's placeholder repeated as a processor would."""
    names = case.rust.get_vocab()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=RustTokenizer.from_str(case.rust.to_str()),
        bos_token=next((name for name in ("<s>", "<bos>", "<|begin_of_text|>") if name in names), None),
        eos_token="</s>" if "</s>" in names else None,
    )
    messages = []
    for turn in turns:
        parts = [{"type": "text", "text": p} if isinstance(p, str) else {"type": "image"} for p in turn.parts]
        messages.append({"role": turn.role, "content": parts if case.parts else str(turn.parts[0])})
    text = tokenizer.apply_chat_template(
        messages, chat_template=case.template, tokenize=False, add_generation_prompt=prompt
    )
    ids: list[int] = tokenizer(text, add_special_tokens=case.implicit).input_ids
    picture = names.get(case.picture)
    return list(itertools.chain.from_iterable([id] * (TOKENS if id == picture else 1) for id in ids))


def ours(case: Case, turns: Sequence[Turn], prompt: bool) -> tuple[Rendered, Tokenizer]:
    tokenizer = Tokenizer(RustTokenizer.from_str(case.rust.to_str()))
    pictures = [[tokenizer.id(case.picture)] * TOKENS] * 3 if case.picture else []
    return render(case.format, tokenizer, turns, pictures, prompt=prompt), tokenizer


def conversations(case: Case) -> list[tuple[Turn, ...]]:
    question, answer = Turn("user", ("what is in the picture?",)), Turn("assistant", ("a dog and\na red star.",))
    again = (question, answer, Turn("user", ("  where?\n\n",)), Turn("assistant", (" hi there ",)))
    found = [(question,), (question, answer), again, (*again, question)]
    if case.system:
        found += [(Turn("system", ("You are a helpful assistant. ",)), Turn("user", (" hello",)), answer)]
    if case.picture:
        found += [
            (Turn("user", (Place(0), "what is this?")), answer, Turn("user", (Place(1), "and this?"))),
            (Turn("user", (Place(0), Place(1), " hello")), answer),
        ]
    return found


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("prompt", [False, True])
def test_ids_equal_the_reference(name: str, prompt: bool) -> None:
    case = CASES[name]
    for turns in conversations(case):
        if not prompt and all(turn.role != "assistant" for turn in turns):
            continue
        rendered, _ = ours(case, turns, prompt)
        assert rendered.ids == reference_ids(case, turns, prompt), turns


@pytest.mark.parametrize("name", CASES)
def test_only_answers_and_their_stop_are_trained(name: str) -> None:
    case = CASES[name]
    for turns in conversations(case)[1:]:
        rendered, tokenizer = ours(case, turns, prompt=True)
        assert len(rendered.ids) == len(rendered.loss_mask) == len(rendered.roles)
        assert [role == "assistant" for role in rendered.roles] == rendered.loss_mask
        learned = [id for id, on in zip(rendered.ids, rendered.loss_mask, strict=True) if on]
        answers = [str(turn.parts[0]) for turn in turns if turn.role == "assistant"]
        assert "".join(tokenizer.decode(learned).split()) == "".join("".join(answers).split())
        stops = learned.count(tokenizer.control.get(case.format.stop, -1))
        assert stops == (len(answers) if case.template != LLAVA else 0)
        asked = [id for id, role in zip(rendered.ids, rendered.roles, strict=True) if role == "user"]
        questions = "".join(p for turn in turns if turn.role == "user" for p in turn.parts if isinstance(p, str))
        assert tokenizer.decode(asked).replace(" ", "").replace("\n", "") == questions.replace(" ", "").replace(
            "\n", ""
        )


@pytest.mark.parametrize("name", CASES)
def test_pictures_have_their_slots(name: str) -> None:
    case = CASES[name]
    for turns in conversations(case):
        rendered, tokenizer = ours(case, turns, prompt=True)
        for first, count in rendered.image_slots:
            assert rendered.ids[first : first + count] == [tokenizer.id(case.picture)] * TOKENS
            assert set(rendered.roles[first : first + count]) == {"image"}
        shown = sum(isinstance(part, Place) for turn in turns for part in turn.parts)
        assert len(rendered.image_slots) == shown and rendered.roles.count("image") == shown * TOKENS


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_a_user_types_is_text(name: str, data: st.DataObject) -> None:
    """Also the names of control tokens, which the reference would take for the tokens themselves."""
    case = CASES[name]
    marks = st.sampled_from([*case.format.control, "<image>", "<|image_pad|>", "</s>", " "])
    text = "".join(data.draw(st.lists(marks | st.text(max_size=6), min_size=1, max_size=4)))
    rendered, tokenizer = ours(case, [Turn("user", (text,))], prompt=True)
    empty, _ = ours(case, [Turn("user", ("",))], prompt=True)
    control = set(tokenizer.control_names) - {tokenizer.control.get("<unk>")}
    assert [id for id in rendered.ids if id in control] == [id for id in empty.ids if id in control]
    if not set("".join(tokenizer.control)) & set(text) and text.strip():
        assert rendered.ids == reference_ids(case, [Turn("user", (text,))], prompt=True)


def test_what_cannot_be_rendered_is_said() -> None:
    with pytest.raises(DataError, match="no role 'system'"):
        ours(CASES["gemma"], [Turn("system", ("be kind",)), Turn("user", ("hi",))], prompt=True)
    with pytest.raises(DataError, match="nothing in this conversation is trained on"):
        ours(CASES["smollm2"], [Turn("user", ("hi",))], prompt=False)
    with pytest.raises(DataError, match="shows picture 4 but only 3"):
        ours(CASES["llava"], [Turn("user", (Place(3), "hi"))], prompt=True)
    with pytest.raises(CheckpointError, match="of a kind not known here"):
        recognise("{% for m in messages %}### {{ m.role }}{% endfor %}")


def test_a_reasoning_template_gets_an_empty_thought_before_the_last_answer() -> None:
    format = recognise(CHATML + "{# ... '\\n</think>\\n\\n' #}")
    tokenizer = Tokenizer(bytes_level(IM))
    turns = [Turn("user", ("a",)), Turn("assistant", ("b",)), Turn("user", ("c",)), Turn("assistant", ("d",))]
    rendered = render(format, tokenizer, turns)
    text = "user\na\nassistant\nb\nuser\nc\nassistant\n<think>\n\n</think>\n\nd\n"
    assert tokenizer.decode(rendered.ids) == text
    assert tokenizer.decode([id for id, on in zip(rendered.ids, rendered.loss_mask, strict=True) if on]) == "bd"
