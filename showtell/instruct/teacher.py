"""Teacher-written data (LLaVA: Liu et al. 2023): a language model that sees only facts writes what we train on.

    Facts -> "a red star at (12, 40)-(30, 58) ..." -> the teacher -> {"turns": [{"question", "answer"}, ...]}
          -> claims of its answers against the facts -> kept, or set aside with what they deny

Three kinds, each with its own instruction: a conversation, one detailed description, one question that needs a step of
reasoning. Answers come as JSON of a given shape; anything else is not repaired. Who is asked is `endpoint.py`, how many
times and what is kept `teaching.py`, what counts as a claim `worlds/claims.py`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from showtell.core.errors import DataError
from showtell.worlds.claims import Claim, claims
from showtell.worlds.facts import Facts, Item, relation

Kind = Literal["conversation", "description", "reasoning"]
SYSTEM = (
    "You write training data for a model that sees pictures. You do not see the picture; you are given the complete "
    "list of what is in it, with places in pixels (x to the right, y downward). Write as if you saw it: never mention "
    "the list, pixels or coordinates. Say only what the list supports; if something is not on it, it is not there. "
    'Answer with JSON only: {"turns": [{"question": "...", "answer": "..."}]}.'
)
INSTRUCTIONS: dict[Kind, str] = {
    "conversation": "Write 3 or 4 turns: about what things there are, how many, their colours, and where they lie from "
    "each other. Vary the wording. Answers are one or two plain sentences.",
    "description": "Write 1 turn: the question asks for a detailed description, the answer is one paragraph of 3 to 6 "
    "sentences that names every thing, its colour where it is given, and where it lies.",
    "reasoning": "Write 1 turn: a question that needs a step of reasoning over several things (comparing counts, "
    "following two relations, leaving something out); the answer explains the step and then says the result.",
}
TURN = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"turns": {"type": "array", "items": TURN, "minItems": 1}},
    "required": ["turns"],
    "additionalProperties": False,
}
MOST_TURNS = {"conversation": 8, "description": 1, "reasoning": 1}


class WrongShape(DataError):
    """An answer that is not the JSON that was asked for."""


@dataclass(frozen=True)
class Written:
    """What the teacher wrote about one picture, and how its claims fared."""

    turns: tuple[tuple[str, str], ...]
    claims: tuple[Claim, ...]

    @property
    def denied(self) -> list[Claim]:
        """Claims that the facts deny."""
        return [claim for claim in self.claims if claim.holds is False]


def messages_for(facts: Facts, kind: Kind) -> list[dict[str, str]]:
    """What the teacher reads."""
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": f"{INSTRUCTIONS[kind]}\n\n{in_words(facts)}"},
    ]


def in_words(facts: Facts) -> str:
    """The facts as a list, with every relation on which people would agree."""
    if not facts.items:
        return "The picture shows a background and nothing else."
    called = dict(zip(map(id, facts.items), labels(facts.items), strict=True))
    lines = [f"The picture is {facts.frame.width} by {facts.frame.height}. In it are {len(facts.items)} things:"]
    for item in facts.items:
        box = item.box
        reads = f', it reads "{item.text}"' if item.text else ""
        lines.append(f"- {called[id(item)]} at ({box.x1:.0f}, {box.y1:.0f})-({box.x2:.0f}, {box.y2:.0f}){reads}")
    for a in facts.items:
        for b in facts.items:
            if a is not b and (direction := relation(a, b)):
                lines.append(f"- {called[id(a)]} is {direction} {called[id(b)]}")
    return "\n".join(lines)


def labels(items: Sequence[Item]) -> list[str]:
    """'red star', 'dog'; numbered where two would be called the same."""
    plain = [f"{item.color} {item.name}" if item.color else item.name for item in items]
    seen: dict[str, int] = {}
    made = []
    for name in plain:
        seen[name] = seen.get(name, 0) + 1
        made.append(f"{name} {seen[name]}" if plain.count(name) > 1 else name)
    return made


def read_answer(text: str, kind: Kind) -> tuple[tuple[str, str], ...]:
    """The turns in a teacher's answer; WrongShape for anything that is not of the given shape."""
    try:
        data = json.loads(unfenced(text))
    except json.JSONDecodeError as error:
        raise WrongShape(f"not JSON ({error.msg})") from error
    turns = data.get("turns") if isinstance(data, Mapping) else None
    if not isinstance(turns, list) or not 1 <= len(turns) <= MOST_TURNS[kind]:
        raise WrongShape(f"no list of 1 to {MOST_TURNS[kind]} turns")
    found = []
    for turn in turns:
        pair = [turn.get(name) for name in ("question", "answer")] if isinstance(turn, Mapping) else []
        said = [part.strip() for part in pair if isinstance(part, str) and part.strip()]
        if len(said) != 2:
            raise WrongShape("a turn without question or answer")
        found.append((said[0], said[1]))
    return tuple(found)


def unfenced(text: str) -> str:
    """Without the ```json fence that some models put around it."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        return text.strip("`").removeprefix("json").strip()
    return text


def judged(turns: tuple[tuple[str, str], ...], facts: Facts) -> Written:
    """The turns with the claims of their answers."""
    return Written(turns, tuple(claim for _, answer in turns for claim in claims(answer, facts)))
