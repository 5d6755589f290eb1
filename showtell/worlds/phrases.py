"""Phrases: the many ways in which one thing is asked, and the small grammar that English needs.

Each skill has about a dozen ways to ask; some of each are held out of training (`HELD_OUT`), so that a model can be
asked in words it was never asked in. A way ending in "?" may lose its question mark, an order may gain a "please".
`{box}` and `{point}` stand for places in the picture, not for text. Not here: which question is asked, and the answer
(`language.py`).
"""

VOWELS = "aeiou"

TRAIN: dict[str, tuple[str, ...]] = {
    "caption": (
        "describe the picture",
        "describe this image",
        "caption this picture",
        "write a caption for the image",
        "give a short description of the picture",
        "what does the picture show?",
        "what is in the picture?",
        "what do you see?",
        "what can you see in this image?",
        "tell me what is in the image",
        "what is shown here?",
    ),
    "list": (
        "list everything from left to right",
        "list all things from left to right",
        "name everything from left to right",
        "what is in the picture from left to right?",
        "name all objects from left to right",
        "from left to right, what is there?",
        "list the objects",
        "list what is in the picture",
        "go from left to right and name each thing",
    ),
    "dense": (
        "list everything with its box",
        "detect all objects",
        "name everything and draw its box",
        "give the name and the box of every object",
        "find all things and box them",
        "list the objects with their boxes",
        "detect everything from left to right",
        "which things are where?",
    ),
    "name": (
        "what is this?",
        "what is it?",
        "what is that called?",
        "name the object",
        "name this thing",
        "what object is this?",
        "which thing is shown?",
        "say what this is",
    ),
    "name_at": (
        "what is at {point}?",
        "what do you see at {point}?",
        "what is this {point}?",
        "name the thing at {point}",
        "which object is at {point}?",
        "what lies at {point}?",
        "tell me what is at {point}",
        "name what is at {point}",
    ),
    "region": (
        "what is in {box}?",
        "what is inside {box}?",
        "what is this {box}?",
        "name the thing in {box}",
        "which object is in {box}?",
        "what does {box} show?",
        "tell me what is in {box}",
        "describe {box}",
    ),
    "color": (
        "what color is {the}?",
        "what is the color of {the}?",
        "which color is {the}?",
        "which color does {the} have?",
        "what color does {the} have?",
        "tell me the color of {the}",
        "name the color of {the}",
        "{the} is what color?",
        "{the} has which color?",
        "say the color of {the}",
    ),
    "color_all": (
        "what color are the {many}?",
        "what is the color of the {many}?",
        "which color are the {many}?",
        "which color do the {many} have?",
        "tell me the color of the {many}",
        "name the color of the {many}",
        "the {many} are what color?",
        "what color do the {many} have?",
    ),
    "count": (
        "how many {many} are there?",
        "how many {many} are in the picture?",
        "how many {many} do you see?",
        "how many {many} can you see?",
        "how many {many}?",
        "count the {many}",
        "count all {many}",
        "what is the number of {many}?",
        "tell me how many {many} there are",
        "how many {many} does the picture show?",
    ),
    "exists": (
        "is there {a}?",
        "is there {a} in the picture?",
        "do you see {a}?",
        "can you see {a}?",
        "does the picture show {a}?",
        "is {a} in the image?",
        "does this image have {a} in it?",
        "is there {a} here?",
        "do you see {a} anywhere?",
        "does the picture contain {a}?",
    ),
    "exists_many": (
        "are there {many}?",
        "are there any {many}?",
        "do you see any {many}?",
        "can you see {many}?",
        "are there {many} in the picture?",
        "does the picture show {many}?",
        "are there any {many} in the image?",
        "do you see {many} here?",
    ),
    "exists_text": (
        "is there text in the picture?",
        "is there a word in the picture?",
        "is there any text?",
        "can you see a word?",
        "does the picture contain writing?",
        "is something written here?",
        "is there anything to read?",
        "do you see any letters?",
    ),
    "where": (
        "where is {a} relative to {b}?",
        "where is {a} compared to {b}?",
        "on which side of {b} is {a}?",
        "in which direction from {b} is {a}?",
        "where does {a} lie relative to {b}?",
        "seen from {b}, where is {a}?",
        "how is {a} placed relative to {b}?",
        "is {a} left, right, above or below {b}?",
        "relative to {b}, where is {a}?",
        "which side of {b} is {a} on?",
    ),
    "is_where": (
        "is {a} {rel} {b}?",
        "does {a} lie {rel} {b}?",
        "can you see {a} {rel} {b}?",
        "is it true that {a} is {rel} {b}?",
        "do you see {a} {rel} {b}?",
        "would you say {a} is {rel} {b}?",
        "is {a} somewhere {rel} {b}?",
        "is {a} placed {rel} {b}?",
    ),
    "what_where": (
        "what is {rel} {b}?",
        "what do you see {rel} {b}?",
        "what lies {rel} {b}?",
        "which thing is {rel} {b}?",
        "name the thing {rel} {b}",
        "which object is {rel} {b}?",
        "tell me what is {rel} {b}",
        "what can be seen {rel} {b}?",
    ),
    "which_size": (
        "which is {size}, {a} or {b}?",
        "what is {size}, {a} or {b}?",
        "which one is {size}, {a} or {b}?",
        "{a} or {b}, which is {size}?",
        "which looks {size}, {a} or {b}?",
        "between {a} and {b}, which is {size}?",
        "tell me which is {size}, {a} or {b}",
        "of {a} and {b}, which one is {size}?",
    ),
    "is_size": (
        "is {a} {size} than {b}?",
        "does {a} look {size} than {b}?",
        "would you say {a} is {size} than {b}?",
        "is it true that {a} is {size} than {b}?",
        "compared to {b}, is {a} {size}?",
        "is the size of {a} {size} than that of {b}?",
        "is {a} {size} or not, compared to {b}?",
        "do you find {a} {size} than {b}?",
    ),
    "is_more": (
        "are there more {m} than {n}?",
        "do you see more {m} than {n}?",
        "does the picture show more {m} than {n}?",
        "is the number of {m} greater than the number of {n}?",
        "can you see more {m} than {n}?",
        "are more {m} than {n} in the picture?",
        "is there a larger number of {m} than of {n}?",
        "is it true that there are more {m} than {n}?",
    ),
    "which_more": (
        "are there more {m} or more {n}?",
        "which are there more of, {m} or {n}?",
        "what is there more of, {m} or {n}?",
        "do you see more {m} or {n}?",
        "{m} or {n}, which are more?",
        "does the picture show more {m} or {n}?",
        "more {m} or more {n}?",
        "tell me if there are more {m} or {n}",
    ),
    "refer": (
        "find {the}",
        "locate {the}",
        "draw a box around {the}",
        "box {the}",
        "give the box of {the}",
        "where is {the}?",
        "mark {the}",
        "show me {the}",
        "give me the box around {the}",
        "where in the picture is {the}?",
        "detect {the}",
    ),
    "point": (
        "point to {the}",
        "point at {the}",
        "click on {the}",
        "click {the}",
        "give a point on {the}",
        "put a point on {the}",
        "tap {the}",
        "show me with a point where {the} is",
    ),
    "read": (
        "what does it say?",
        "what does the {thing} say?",
        "read the {thing}",
        "what is written on the picture?",
        "what text is in the picture?",
        "which word is in the picture?",
        "read the text",
        "what is written here?",
        "spell out the {thing}",
        "which word can you read?",
    ),
    "outside": (
        "what time is it?",
        "who painted this?",
        "what is the capital of france?",
        "who are you?",
        "how old is the photographer?",
        "what day is it today?",
        "where was this picture taken?",
        "who took this picture?",
        "what is the weather like tomorrow?",
        "what is two plus two?",
        "how much does this cost?",
        "what is my name?",
        "when was this made?",
        "why is the sky blue?",
        "what happens next?",
        "who is the president?",
        "what does it smell like?",
        "what is it thinking?",
        "tell me a joke",
        "write a poem",
        "what was here yesterday?",
        "how heavy is it?",
        "what language do you speak?",
        "which team won the game?",
        "what is the name of the owner?",
    ),
}

HELD_OUT: dict[str, tuple[str, ...]] = {
    "caption": ("give me a caption", "say in one sentence what you see", "what is this a picture of?"),
    "list": ("name each object, starting at the left", "what things are there from left to right?"),
    "dense": ("give every object and its box", "box and name all things"),
    "name": ("what thing is this?", "can you name this object?"),
    "name_at": ("which thing do you see at {point}?", "say what is at {point}"),
    "region": ("what do you see in {box}?", "name the object inside {box}"),
    "color": ("can you tell me what color {the} is?", "what is {the}'s color?", "which color is used for {the}?"),
    "color_all": ("can you tell me what color the {many} are?", "say the color of the {many}"),
    "count": ("can you count the {many}?", "give the number of {many}", "how many {many} are shown?"),
    "exists": ("can {a} be seen?", "tell me if there is {a}", "does {a} appear in the picture?"),
    "exists_many": ("can any {many} be seen?", "tell me if there are {many}"),
    "exists_text": ("does the image have a word in it?", "can any text be seen?"),
    "where": ("what is the position of {a} relative to {b}?", "looking from {b}, on which side is {a}?"),
    "is_where": ("can {a} be found {rel} {b}?", "tell me if {a} is {rel} {b}"),
    "what_where": ("what can you find {rel} {b}?", "say what is {rel} {b}"),
    "which_size": ("which of them is {size}, {a} or {b}?", "name the {size} one: {a} or {b}"),
    "is_size": ("can you see that {a} is {size} than {b}?", "tell me if {a} is {size} than {b}"),
    "is_more": ("tell me if there are more {m} than {n}", "do the {m} outnumber the {n}?"),
    "which_more": ("what do you see more of, {m} or {n}?", "which do you see more often, {m} or {n}?"),
    "refer": ("can you find {the}?", "put a box on {the}", "what is the box of {the}?"),
    "point": ("can you point at {the}?", "place a point on {the}"),
    "read": ("can you read the {thing}?", "what word do you see?", "tell me what the text says"),
    "outside": (
        "who made this picture?",
        "what is the time?",
        "what is the capital of spain?",
        "what will happen tomorrow?",
        "how much does it weigh?",
        "tell me a story",
    ),
}

CANNOT_TELL = "i cannot tell that from this picture."

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
