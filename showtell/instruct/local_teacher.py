"""A teacher on this machine: a small chat model reads the facts and writes sentences; the shape is put around them.

    facts -> "Here is what is in a picture: ... Describe it." -> the model's words -> {"turns": [{question, answer}]}

A model of 135 million weights keeps to no JSON and adds what is not there; the checks of `teaching.py` set such rows
aside and count them. It answers as `endpoint.py` does, greedily, one request at a time.
"""

import json
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from showtell.instruct.endpoint import Reply
from showtell.instruct.published_chat import Speaking
from showtell.instruct.teacher import INSTRUCTIONS
from showtell.text.chat import Turn
from showtell.text.sampling import SamplingConfig

QUESTIONS = {
    "conversation": "What things are in the picture?",
    "description": "Describe the picture in detail.",
    "reasoning": "What is where in the picture?",
}


class LocalTeacher:
    """A published chat model in the place of an endpoint."""

    def __init__(self, speaking: Speaking, max_tokens: int = 120):
        self.speaking, self.max_tokens = speaking, max_tokens
        self.requests, self.troubles = 0, dict[str, int]()
        self._lock = Lock()

    def body(self, messages: Sequence[Mapping[str, Any]], schema: Any, seed: int) -> dict[str, Any]:
        """The request; only what the answer depends on, so that the cache knows it again."""
        told = str(messages[-1]["content"])
        kind = next(kind for kind, instruction in INSTRUCTIONS.items() if told.startswith(instruction))
        facts = told.removeprefix(INSTRUCTIONS[kind]).strip()
        return {"messages": [{"content": facts}], "question": QUESTIONS[kind], "max_tokens": self.max_tokens}

    def ask(self, body: Mapping[str, Any]) -> Reply:
        """Its sentences, up to the last full stop."""
        prompt = f"{body['messages'][0]['content']}\n\n{body['question']} Use one or two short plain sentences."
        with self._lock:
            self.requests += 1
            said = self.speaking.reply([Turn("user", (prompt,))], sampling=SamplingConfig(max_tokens=self.max_tokens))
        text = self.speaking.tokenizer.decode(said.ids).strip()
        whole = text if said.stopped or "." not in text else text[: text.rindex(".") + 1]
        turns = [{"question": body["question"], "answer": whole}]
        return Reply(json.dumps({"turns": turns}), len(prompt) // 4, len(said.ids))

    def close(self) -> None:
        """Nothing is open."""
