"""The words that the rules of the expression parser know: sides, sizes, relations, verbs, nouns, colours.

Kinds of superlatives and relations are named after the predicate that answers them: left, right, above, below, front,
behind, bigger, smaller, inside, between (the keywords of ReCLIP), and ours: middle, near, far.
"""

from __future__ import annotations


def _table(rows: dict[str, str]) -> dict[str, str]:
    """Phrases separated by `|` -> {phrase: kind}."""
    return {phrase.strip(): kind for kind, phrases in rows.items() for phrase in phrases.split("|")}


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


SIDES = _table(
    {
        "left": "left|west",
        "right": "right|east",
        "above": "top|upper|north",
        "below": "bottom|lower|south",
        "front": "front|foreground|forefront",
        "behind": "back|background|rear|distance",
        "middle": "middle|center|central|mid",
    }
)
"""A place in the picture: "on the left", "top right corner", "in the background"."""

_PAIRS = (("left", "right"), ("above", "below"), ("front", "behind"), ("bigger", "smaller"))
OPPOSITES = {kind: other for pair in _PAIRS for kind, other in (pair, pair[::-1])}

MOST = _table(
    {
        "left": "leftmost|left most",
        "right": "rightmost|right most",
        "above": "topmost|top most|uppermost|highest|higher",
        "below": "bottommost|bottom most|lowermost|lowest",
        "front": "frontmost|front most|foremost",
        "behind": "backmost|back most",
        "middle": "middlemost|center most",
        "bigger": "biggest|bigger|largest|larger|tallest|taller|longest|fattest|closest|closer|nearest|nearer",
        "smaller": "smallest|smaller|tiniest|tinier|shortest|shorter|littlest|furthest|farthest|further|farther",
    }
)
"""Superlatives, and comparatives that are used as such ("the taller one"). Closer is bigger, as in ReCLIP."""

RELATIONS = _table(
    {
        "above": "above|over|on top of|atop|higher than|on top",
        "below": "below|under|underneath|beneath|lower than",
        "behind": "behind|in back of|at the back of|in the back of|in the background of",
        "front": "in front of|at the front of|ahead of|in the front of",
        "inside": "inside|inside of|within|contained in|in",
        "between": "between|in between|in the middle of",
        "near": "next to|next|beside|besides|near|near to|nearest|nearest to|closest to|close to|closer to|adjacent to"
        "|upon|alongside|alongside of|along|against|touching|by|by the side of|at|around|on|onto|on the side of"
        "|on side of",
        "far": "far from|away from|far away from|furthest from|farthest from|further from|farther from",
        "bigger": "bigger than|larger than|taller than|closer than|longer than",
        "smaller": "smaller than|tinier than|shorter than|further than|farther than",
    }
)
"""Words between a thing and its landmark."""

WITHOUT_PREDICATE = _set(
    "with of for from to toward towards through like as across up down off out about into after during has"
    " have having had"
)
"""Words between a thing and something of its own, or that no predicate answers: they stay in the phrase."""
BREAKS = _set(
    ", . ; that which who whose where while when is are was were be been being its it's he's she's he she they it him"
    " there can"
)
"""Words that end a noun phrase and turn back to the thing that is spoken of."""
NEGATIONS = _set("not without no except isn't doesn't minus")
OWN = _set("its his her their it him them")
"""Behind a landmark: the thing itself. "with a dog to its left", "that has a dog below it"."""
ARTICLES = _set("the a an")
DETERMINERS = _set("the a an this these those his her their our my your some all both each another other any that")
ORDINALS = {
    word: rank
    for rank, words in enumerate(("first|1st", "second|2nd", "third|3rd", "fourth|4th", "fifth|5th", "sixth|6th"), 1)
    for word in words.split("|")
}
PICTURE = "picture|image|pic|photo|photograph|screen|frame|shot|view|scene|camera|img"
NULL_NOUNS = _set("part image side picture half region section one ones corner end edge portion area row")
"""Nouns that name nothing to look for. The first seven are ReCLIP's."""

COLOURS = _set(
    "red orange yellow green blue purple violet pink brown black white gray tan beige maroon silver gold golden teal"
    " navy turquoise blond blonde brunette khaki multicolored colorful plaid striped stripped"
)
ADJECTIVES = COLOURS | _set(
    "big large small little tiny huge tall short long fat thin skinny wide narrow old young older younger elderly dark"
    " light bright pale clear plain spotted dotted checkered wooden plastic metal full empty open closed whole half"
    " adult bald bearded shirtless naked only same different single two three four five six main very most more mostly"
    " dirty clean blurry first second third fourth fifth last 1st 2nd 3rd 4th 5th colored coloured far furry fluffy"
    " round nice pretty visible asian male female partially partly barely completely half-eaten solo"
    " opposite wooded outermost"
)
AMBIGUOUS_NOUNS = _set("orange light adult male female")
PEOPLE = _set(
    "man men woman women guy guys girl girls boy boys person people lady ladies kid kids child children baby babies"
    " toddler player batter catcher umpire pitcher skier snowboarder surfer dude gentleman gal mom dad mother father"
    " groom bride chef officer soldier runner rider couple adult teen male female skateboarder spectator referee fan"
    " worker"
)
THINGS = PEOPLE | _set(
    "dog cat horse cow sheep elephant zebra giraffe bear bird duck goat panda fish car truck bus train bike motorcycle"
    " boat plane airplane umbrella chair couch table bowl cup glass bottle plate laptop pizza donut sandwich cake"
    " banana apple shirt"
)
"""Nouns after which a colour begins another noun: "guy blue shirt", "horse white legs"."""
CLOTHES = _set(
    "shirt shirts tshirt t-shirt tracksuit harness goggles sweatpants tee top tops dress jacket coat vest suit"
    " hat cap helmet jeans pants shorts skirt shoes"
    " shoe boots socks tie scarf glasses sunglasses uniform jersey sweater sweatshirt hoodie blouse jumper jumpsuit"
    " outfit clothes clothing robe gown costume apron gloves swimsuit bikini trunks trousers tank wetsuit belt stripes"
    " plaid leggings tights overalls trouser pant bra underwear skirts t"
)
TOPS = _set("tank crop halter")
"""Words before "top" that make clothes of it."""
SCENERY = _set(
    "ground grass floor road air sky water snow sand street field dirt beach motion action wall distance sun sunlight"
    " shade woods forest park pool river sea ocean lake ice rain mud room carpet track court yard lawn land"
    " sidewalk pathway"
)
"""What no detector proposes as a box: a relation to it is left to the scorer."""
ADVERBS = _set(
    "ahead downward downwards upward upwards away outside inside upside directly close forth together aside sideways"
    " backward backwards forward forwards here there upon alone apart now then again ready"
)
"""Never the head of a noun phrase; nor are words in -ly, unless they end like one of LY_NOUNS."""
LY_NOUNS = ("fly", "family", "jelly", "belly", "lily", "bully", "trolly", "dolly", "ally")
STAND_INS = _set("another other others one ones")
"""Words that stand for a thing of the same noun."""
MOTIONS = tuple(
    _set(
        "walk run mov go fac look turn swim fly lean jump head driv crawl climb rid com rol roll slid point"
        " skat danc hop"
        " gallop race rac skateboard ski surf bik spin tilt bend stretch travel float creep crept pass rush lifted"
    )
)
"""Stems of verbs after which "to the left" is a direction and no place."""
RELATIVES = _set("that which who whose")
VERBS = _set(
    "wear wears wore hold holds held sit sits sat stand stands stood lay lays lie lies laid look looks walk walks run"
    " runs ride rides ridden eat eats ate play plays made seen worn used carry carries lead leads led driven thrown"
    " swims swim jumps jump rolls roll flies climbs crawls moves goes seated parked covered dressed filled surrounded"
    " get gets got appears starts bounces tries turns stays keeps comes takes makes picks puts falls enters passes"
    " drinks sleeps swings drags pulls pushes catches throws kicks rests floats chases follows gives turned attached"
    " facing kept done shown bitten taken crossed cut tied placed holded stuck about slept came went"
)
PARTICIPLES = _set(
    "used held worn ridden driven thrown eaten seen shown bitten taken cut being done kept led holded hit made drawn"
)
"""Irregular ones: a "by" that follows names the doer."""
NOT_PARTICIPLES = tuple(
    _set(
        "haired colored coloured striped legged faced sleeved headed shaped necked sized skinned seated parked bearded"
        " spotted checkered hundred sled shed feathered horned tailed tied breasted sided"
    )
)
"""Endings of words in -ed that describe, or are nouns, or tell a place."""
TRANSITIVE = _set(
    "wearing holding carrying eating riding facing touching using pushing pulling petting hitting throwing drinking"
    " catching kicking chasing looking playing watching reading hugging swinging"
)
"""Verbs that, at the beginning, tell of a thing left unsaid: "holding umbrella"."""
ING_NOUNS = _set(
    "building thing ring king wing string swing ceiling painting railing clothing awning ping earring icing frosting"
    " dressing topping pudding sibling duckling gosling evening spring sling fencing outing something anything"
    " everything"
    " nothing morning lightning seedling"
    " serving bring drawing bedding siding wiring filling carving"
)
COMPOUNDS = frozenset(
    _table(
        {
            "compound": "swimming pool|parking lot|parking meter|parking space|dining table|dining room|living room"
            "|wedding cake|wedding dress|bowling ball|bowling alley|cutting board|racing car|racing track|race car"
            "|washing machine|boxing ring|frying pan|surfing board|sleeping bag|rocking chair|baking sheet"
            "|serving dish|mixing bowl|play ground"
        }
    )
)
"""Nouns whose first half would pass for a verb."""
SPELLINGS = {
    "infront": "in front",
    "rt": "right",
    "rightside": "right side",
    "leftside": "left side",
    "lft": "left",
    "lt": "left",
    "btm": "bottom",
    "bttm": "bottom",
    "centre": "center",
    "grey": "gray",
    "w": "with",
    "w/": "with",
    "w/o": "without",
    "nearby": "near",
    "farest": "farthest",
    "extreme": "far",
    "dont": "not",
    "inbetween": "in between",
    "back-ground": "background",
    "left-most": "leftmost",
    "right-most": "rightmost",
    "left-hand": "left hand",
    "right-hand": "right hand",
}


def head(phrase: list[str]) -> str:
    """The last word that is no adjective and names something; "" without one."""
    for word in reversed(phrase):
        adverb = word in ADVERBS or (word.endswith("ly") and not word.endswith(LY_NOUNS))
        plain = word not in ADJECTIVES and word not in NULL_NOUNS | STAND_INS | {"and"}
        if plain and not adverb and not word.isdigit():
            return word
    return ""


def ambiguous_noun(phrase: list[str]) -> str:
    """The last word where it is a colour or the like that names a thing as well: "the left orange"."""
    return phrase[-1] if phrase and phrase[-1] in AMBIGUOUS_NOUNS else ""


def is_verb(word: str, noun: str = "") -> bool:
    """Whether a word, behind that head noun, is a verb form."""
    if word in VERBS or (noun and is_participle(word)):
        return True
    if word.endswith("ing"):
        return len(word) > 4 and word not in ING_NOUNS
    return False


def is_participle(word: str) -> bool:
    """Whether a "by" behind it names the doer."""
    if word in PARTICIPLES:
        return True
    return word.endswith("ed") and len(word) > 4 and not word.endswith(NOT_PARTICIPLES)


def is_motion(verb: str) -> bool:
    """Whether "to the left" behind it is a direction."""
    return verb.startswith(MOTIONS)
