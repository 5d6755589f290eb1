"""Grammar: the little that English needs around the name of a thing.

    plural   'red star' -> 'red stars'    'mouse' -> 'mice'              'bread', 'scissors' stay as they are
    article  'star'     -> 'a star'       'umbrella' -> 'an umbrella'    'bread' -> 'some bread'
    agree    'where is {the}?' -> 'where are {the}?'                     for 'the scissors'

Rules for the regular, tables for the rest; the tables hold what the pack's categories call for. Not here: which
words a question is made of (`phrases.py`), sentences (`answers.py`).
"""

VOWELS = "aeiou"

_PLURALS = {
    "mouse": "mice",
    "goose": "geese",
    "mongoose": "mongooses",
    "foot": "feet",
    "tooth": "teeth",
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "ox": "oxen",
    "leaf": "leaves",
    "wolf": "wolves",
    "knife": "knives",
    "loaf": "loaves",
    "calf": "calves",
    "shelf": "shelves",
    "scarf": "scarves",
    "elf": "elves",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "mango": "mangoes",
    "volcano": "volcanoes",
    "buffalo": "buffaloes",
    "mosquito": "mosquitoes",
    "cactus": "cacti",
    "die": "dice",
    "quiz": "quizzes",
    "thumbs up": "thumbs up",
}
_UNCHANGED = frozenset(
    "sheep fish deer moose bison shrimp squid salmon trout goldfish jellyfish starfish swordfish clownfish pufferfish "
    "aircraft spacecraft hovercraft swine reindeer".split()
)
PLURAL_ONLY = frozenset(
    "scissors glasses sunglasses trousers pants jeans shorts binoculars pliers tweezers tongs headphones goggles "
    "grapes chopsticks noodles fireworks dice stairs clothes beans peas peanuts fries maracas".split()
)
MASS = frozenset(
    "bread cheese rice popcorn garlic ginger broccoli celery lettuce cabbage butter milk water honey sushi spaghetti "
    "pasta chocolate bacon ham meat corn money furniture tofu cotton candy fire snow grass wheat lightning asparagus "
    "spinach cauliflower jam tea coffee luggage seaweed bamboo paper soap toast yogurt salad ice".split()
)
_SOUNDS_LIKE_YOU = ("uni", "use", "uku", "eu", "ura", "ufo", "one", "ute")


def is_plural(name: str) -> bool:
    """Whether a name is already a plural ('scissors')."""
    return name.split()[-1] in PLURAL_ONLY


def is_mass(name: str) -> bool:
    """Whether a name takes no 'a' ('bread')."""
    return name.split()[-1] in MASS


def head(phrase: str) -> str:
    """'the left scissors above the cup' -> 'the left scissors': a phrase without the landmark that it ends in."""
    for direction in (" left of ", " right of ", " above ", " below "):
        phrase = phrase.partition(direction)[0]
    return phrase


def agree(question: str, slot: str) -> str:
    """Put the verb before or after a slot into the plural: 'where is {the}?' -> 'where are {the}?'."""
    for one, many in (("is", "are"), ("does", "do"), ("has", "have")):
        question = f" {question}".replace(f" {one} {slot}", f" {many} {slot}")[1:]
        question = question.replace(f"{slot} {one} ", f"{slot} {many} ").replace(f"{slot} {one}?", f"{slot} {many}?")
    return question.replace(f"is there {slot}", f"are there {slot}")


def plural(noun: str) -> str:
    """'red star' -> 'red stars', 'mouse' -> 'mice'; names of masses and plurals stay as they are."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    *before, last = noun.split(" ")
    return " ".join((*before, _plural(last)))


def _plural(word: str) -> str:
    if word in _PLURALS:
        return _PLURALS[word]
    if word in _UNCHANGED or word in PLURAL_ONLY or word in MASS:
        return word
    if word.endswith(("man",)) and word not in ("human", "german", "shaman", "roman"):
        return word[:-3] + "men"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and len(word) > 1 and word[-2] not in VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def article(noun: str) -> str:
    """'star' -> 'a star', 'orange star' -> 'an orange star', 'bread' -> 'some bread'."""
    if is_plural(noun) or is_mass(noun):
        return f"some {noun}"
    vowel = noun.startswith("hour") or (noun[0] in VOWELS and not noun.startswith(_SOUNDS_LIKE_YOU))
    return f"an {noun}" if vowel else f"a {noun}"


NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def amount(number: int, noun: str) -> str:
    """'a dog', 'two dogs'."""
    return article(noun) if number == 1 else f"{NUMBERS[number]} {plural(noun)}"
