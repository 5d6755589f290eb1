"""The chat formats of published models, and how a checkpoint's own template says which one it uses.

    ChatML       <|im_start|>user\\nhi<|im_end|>\\n<|im_start|>assistant\\n            SmolLM2, Qwen2, Qwen2-VL, Qwen3
    Llama 2      <s>[INST] <<SYS>>\\n...\\n<</SYS>>\\n\\nhi [/INST] hello </s>         Llama 2 chat
    Llama 3      <|start_header_id|>user<|end_header_id|>\\n\\nhi<|eot_id|>
    Vicuna       USER: <image>\\nhi ASSISTANT: hello                                 LLaVA 1.5
    Gemma        <start_of_turn>user\\nhi<end_of_turn>\\n<start_of_turn>model\\n       no system
    Idefics 3    <|im_start|>User:<image>hi<end_of_utterance>\\nAssistant:           SmolVLM

A checkpoint carries its format as a small program (Jinja) in `chat_template`. It is not run here: `recognise` finds the
control tokens in it, takes the default system text out of it, and refuses what it does not know.
"""

import re
from dataclasses import replace

from showtell.core.errors import CheckpointError
from showtell.text.chat import ChatFormat

ROLES = ("system", "user", "assistant")


def chatml(default_system: str | None = None, answer_prefix: str = "") -> ChatFormat:
    """ChatML, with the markers that Qwen2-VL puts around a picture."""
    return ChatFormat(
        control=("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
        stop="<|im_end|>",
        openings={role: f"<|im_start|>{role}\n" for role in ROLES},
        closings=dict.fromkeys(ROLES, "<|im_end|>\n"),
        prompt="<|im_start|>assistant\n",
        default_system=default_system,
        answer_prefix=answer_prefix,
    )


LLAMA_2 = ChatFormat(
    control=("<s>", "</s>"),
    stop="</s>",
    openings={"user": "<s>[INST] ", "assistant": " "},
    closings={"user": " [/INST]", "assistant": " </s>"},
    prompt="",
    strip=True,
    system_inside="<<SYS>>\n{}\n<</SYS>>\n\n",
)
LLAMA_3 = ChatFormat(
    control=("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    stop="<|eot_id|>",
    begin="<|begin_of_text|>",
    openings={role: f"<|start_header_id|>{role}<|end_header_id|>\n\n" for role in ROLES},
    closings=dict.fromkeys(ROLES, "<|eot_id|>"),
    prompt="<|start_header_id|>assistant<|end_header_id|>\n\n",
    strip=True,
)
VICUNA = ChatFormat(
    control=("<s>", "</s>"),
    stop="</s>",
    implicit="<s>",
    openings={"system": "", "user": "USER: ", "assistant": "ASSISTANT: "},
    closings={"system": " ", "user": " ", "assistant": " "},
    prompt="ASSISTANT:",
    picture="{}\n",
    pictures_first=True,
)
GEMMA = ChatFormat(
    control=("<bos>", "<start_of_turn>", "<end_of_turn>"),
    stop="<end_of_turn>",
    begin="<bos>",
    openings={"user": "<start_of_turn>user\n", "assistant": "<start_of_turn>model\n"},
    closings={"user": "<end_of_turn>\n", "assistant": "<end_of_turn>\n"},
    prompt="<start_of_turn>model\n",
    strip=True,
)
IDEFICS_3 = ChatFormat(
    control=("<|im_start|>", "<end_of_utterance>"),
    stop="<end_of_utterance>",
    begin="<|im_start|>",
    openings={"system": "System:", "user": "User:", "assistant": "Assistant:"},
    closings=dict.fromkeys(ROLES, "<end_of_utterance>\n"),
    prompt="Assistant:",
    gap=" ",
)
IDEFICS_2 = replace(IDEFICS_3, control=("<s>", "<end_of_utterance>"), implicit="<s>", begin="")


def recognise(template: str) -> ChatFormat:
    """The format that a checkpoint's Jinja template writes; raises CheckpointError when it is none of these."""
    if "<|im_start|>" in template and "<|im_end|>" in template:
        found = re.search(r"<\|im_start\|>system(?:\\n|\n)([^'\"{]+?)<\|im_end\|>", template)
        default = found.group(1).replace("\\n", "\n") if found else None
        format = chatml(default, "<think>\n\n</think>\n\n" if "</think>" in template else "")
        markers = "<|vision_start|>{}<|vision_end|>" if "<|vision_start|>" in template else "{}"
        return replace(format, picture=markers)
    if "<|start_header_id|>" in template and "date_string" not in template:
        return LLAMA_3
    for mark, format in (
        ("<end_of_utterance>", IDEFICS_3 if "<|im_start|>" in template else IDEFICS_2),
        ("<start_of_turn>", GEMMA),
        ("<<SYS>>", LLAMA_2),
        ("ASSISTANT:", VICUNA),
    ):
        if mark in template:
            return format
    raise CheckpointError(
        f"the checkpoint's chat template is of a kind not known here (it begins {template[:60]!r}); "
        "write the prompt as plain text instead"
    )
