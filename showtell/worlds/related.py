"""Related names: when "is there a bird?" must not be asked of a picture of an owl.

Two names are confusable when one is a kind of the other, or when they are so alike at 96 pixels that people would
not agree. Such a name is never used as something that is not there. Not here: the questions (`language.py`).
"""

_GROUPS = """
bird owl eagle duck swan goose chicken hen rooster parrot penguin turkey dove pigeon crow flamingo peacock ostrich robin gull
fish shark tropical_fish goldfish clownfish pufferfish salmon trout blowfish
dog puppy wolf fox poodle
cat kitten lion tiger leopard cheetah
cow bull ox buffalo bison
horse pony zebra donkey unicorn
mouse rat hamster
rabbit hare bunny
frog toad
turtle tortoise
snake worm
monkey gorilla orangutan chimpanzee ape
bear panda koala polar_bear teddy_bear
sheep goat ram lamb
deer moose reindeer elk
camel llama
crocodile alligator lizard dinosaur
bee wasp fly insect beetle ladybug ant bug spider cricket mosquito
butterfly moth
flower rose tulip sunflower daisy blossom lily orchid
tree palm_tree pine_tree christmas_tree
leaf clover plant herb
car taxi truck van bus police_car fire_truck ambulance racing_car pickup automobile
bicycle motorcycle scooter bike motorbike
boat ship sailboat canoe ferry submarine
airplane plane jet helicopter
train locomotive tram
cup mug glass teacup
plate bowl dish
hat cap helmet crown
shoe boot sneaker sandal
apple peach pear tomato orange tangerine plum cherry nectarine
lemon lime
melon watermelon
cake pie cupcake cookie
bread toast baguette croissant bun
house building castle church hut home school
person man woman boy girl child baby
chair sofa couch armchair stool
clock watch alarm_clock stopwatch
ball soccer_ball basketball baseball football tennis_ball volleyball
guitar violin banjo cello
drum drums
phone telephone mobile_phone
lamp light_bulb flashlight lantern candle torch
moon sun globe
book notebook
pen pencil crayon
bag backpack handbag briefcase suitcase
key lock
vegetable carrot pepper
fruit apple pear banana orange strawberry grapes cherry
"""
_MEMBERS: dict[str, set[int]] = {}
for _number, _line in enumerate(_GROUPS.strip().splitlines()):
    for _name in _line.split():
        _MEMBERS.setdefault(_name.replace("_", " "), set()).add(_number)


def confusable(a: str, b: str) -> bool:
    """Whether one of the names could be said of the other thing."""
    if a in b.split() or b in a.split() or a.split()[-1] == b.split()[-1]:
        return True
    return bool(_MEMBERS.get(a, set()) & _MEMBERS.get(b, set()))
