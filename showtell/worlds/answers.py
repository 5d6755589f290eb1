"""Sentences about a whole picture and the short names of single things: what is said, not what is asked.

    caption   'a dog, two red stars and a yellow sign that says STOP.'      from left to right, equal things together
    list      'dog, red star, red star, yellow sign STOP'                   from left to right, one by one
    dense     'dog <box>, red star <box>, ...'                              the same with boxes

Every form is canonical: there is one right answer to learn, and a short tuple of others that are accepted. Not here:
questions (`language.py`).
"""

from showtell.core.geometry import Box, Point
from showtell.worlds.facts import Facts, Item, left_to_right, noun
from showtell.worlds.grammar import NUMBERS, amount, article, is_mass, is_plural

Part = str | Box | Point

NOTHING = "nothing"
CANNOT_TELL = "i cannot tell that from this picture."


def label(item: Item) -> str:
    """'red star', 'dog', 'yellow sign STOP', 'word STOP'."""
    return f"{noun(item)} {item.text}" if item.text else noun(item)


def names_of(item: Item) -> tuple[str, ...]:
    """The answers that name an item rightly, the canonical one first."""
    called = noun(item)
    names = dict.fromkeys((called, label(item), item.name, article(called), f"the {called}", article(item.name)))
    return tuple(names)


def caption(facts: Facts) -> str:
    """One short sentence that names everything, equal things together, in the order of their leftmost."""
    if not facts.items:
        return "there is nothing in the picture."
    groups: dict[str, int] = {}
    for item in left_to_right(facts):
        called = f"{noun(item)} that says {item.text}" if item.kind == "word" else noun(item)
        groups[called] = groups.get(called, 0) + 1
    parts = [amount(number, called) for called, number in groups.items()]
    return f"{_joined(parts)}."


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def listing(facts: Facts) -> str:
    """Everything from left to right, one by one."""
    return ", ".join(label(item) for item in left_to_right(facts)) or NOTHING


def dense(facts: Facts) -> tuple[Part, ...]:
    """Everything from left to right, each with its box."""
    parts: list[Part] = []
    for item in left_to_right(facts):
        parts += [f", {noun(item)} " if parts else f"{noun(item)} ", item.box]
    return tuple(parts) or (NOTHING,)


def absent(called: str) -> tuple[str, ...]:
    """What is said of a thing that is not there; the first form is the canonical one."""
    no = "there are no" if is_plural(called) else "there is no"
    forms = [f"{no} {called} in the picture.", f"{no} {called} here.", f"{no} {called}.", f"{no} {called}"]
    if not is_plural(called) and not is_mass(called):
        forms.append(f"i do not see {article(called)}.")
    return tuple(forms)


def number(n: int) -> tuple[str, ...]:
    """'3', also accepted as 'three'; 0 also as 'none' and 'no'."""
    return (str(n), NUMBERS[n], *(("none",) if n == 0 else ()))
