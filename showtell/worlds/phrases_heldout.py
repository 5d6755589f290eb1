"""Held-out phrases: wordings that training never uses, so that a model can be asked in words it was never asked in.

The same ways of asking with the same slots as `phrases.py`, and no wording in common. Not here: filling one in
(`wording.py`).
"""

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
