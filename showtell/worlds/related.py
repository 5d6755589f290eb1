"""Related names: when "is there a bird?" must not be asked of a picture of an owl.

Two names are confusable when one is a kind of the other, or when they are so alike at 96 pixels that people would
not agree. Such a name is never used as something that is not there. Not here: the questions (`language.py`).
"""

_GROUPS = """
bird owl eagle duck swan goose chicken chick rooster parrot penguin turkey pigeon crow flamingo peacock ostrich seagull
fish shark dolphin whale seal otter beaver
dog wolf fox
cat lion tiger leopard
cow bull bison
horse donkey zebra
mouse squirrel hedgehog raccoon beaver rabbit
lizard dinosaur dragon snake
monkey gorilla
bear panda koala teddy_bear
sheep goat deer
crab lobster shrimp scorpion
bee fly ant spider ladybug dragonfly grasshopper mosquito butterfly
snake caterpillar
flower bouquet rose tulip daffodil sunflower flower_pot
tree palm_tree pine_tree bamboo
leaf clover feather
car taxi police_car race_car truck fire_truck ambulance bus bulldozer tractor
train tram bus
bicycle motorcycle
boat ship sailboat
airplane helicopter rocket satellite
cup coffee_cup glass wine_glass beer bottle flask
bottle baby_bottle milk beer
glass glasses sunglasses
plate pot soup teapot bucket basket barrel trash_can can flower_pot
hat cap helmet crown top_hat santa
shoe boot high_heel ice_skate sock foot footprint
shirt jacket dress
apple peach pear tomato orange plum cherry mango onion
lemon lime kiwi avocado mango
melon watermelon
blueberry grapes plum cherry
cake pie muffin cookie pancake donut candle
bread croissant pretzel sandwich hamburger hot_dog taco pizza
pepper chili_pepper carrot cucumber eggplant
candy lollipop candy_cane
egg fried_egg
nut coconut
pumpkin jack-o-lantern
house castle church tower factory tent
person baby angel santa mermaid alien robot ghost snowman statue skull
chair couch bed
clock watch alarm_clock stopwatch compass
ball american_football
guitar violin harp
flute trumpet saxophone
phone mobile_phone calculator radio
computer laptop television keyboard
camera video_camera binoculars
lamp light_bulb lantern candle fire
moon sun globe planet
book folder newspaper calendar envelope ticket
pen pencil crayon paint_brush
knife sword saw axe
hammer wrench screwdriver screw
broom shovel paint_brush
syringe thermometer
bag backpack suitcase
box gift brick
key lock
money coin ticket
disc record coin dartboard wheel gear
hand glove thumbs_up
mountain volcano
rope thread
telescope microscope
balloon parachute
boomerang bow
circle ball disc coin planet record wheel moon sun dartboard globe orange plate
oval egg
crescent moon
ring donut wheel
arrow bow
diamond kite
cross bandage
star snowflake medal
rectangle door brick book folder ticket envelope mobile_phone
square box dice
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
