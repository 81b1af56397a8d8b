"""The words of motion and time that the rules of `motion_parser` know."""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _split(rows: dict[str, str]) -> dict[str, str]:
    """Words separated by spaces -> {word: key}."""
    return {word: key for key, text in rows.items() for word in text.split()}


TRAVEL = _set("move go come travel proceed drive drift glide head")
"""To change place: a still picture shows nothing of it."""
GAITS = _set(
    "walk run ride fly swim crawl jog march gallop race climb roll hop trot sprint stroll stride sail row skate ski"
    " surf cycle bike pedal skateboard bicycle slide creep wander rush dash scurry slither swing jump leap float"
    " wheel stagger limp reverse"
)
"""To change place in a way that a still picture shows, too."""
FIXED = _set("jump leap swing float skate ski surf row")
"""Gaits that may well stay where they are: without a direction they say nothing of a change of place."""
CARRYING = _set("push pull carry drag lead tow ride drive walk roll")
"""What moves something with it, and may have an object before the direction: "riding a bike to the left"."""
VERBS: dict[str, str] = {
    **dict.fromkeys(_set("stop halt brake"), "stops"),
    **dict.fromkeys(_set("accelerate"), "speeds"),
    **dict.fromkeys(_set("decelerate"), "slows"),
    **dict.fromkeys(_set("spin rotate twirl revolve whirl swivel pivot"), "spins"),
    "turn": "turns",
    **dict.fromkeys(_set("circle orbit"), "circles"),
    **dict.fromkeys(_set("grow enlarge"), "grows"),
    **dict.fromkeys(_set("shrink recede"), "shrinks"),
    **dict.fromkeys(_set("enter appear arrive emerge"), "enters"),
    **dict.fromkeys(_set("leave exit disappear vanish depart"), "leaves"),
    **dict.fromkeys(_set("cross"), "crosses"),
    **dict.fromkeys(_set("rise ascend sink descend fall drop"), "goes"),
    **dict.fromkeys(_set("follow chase pursue"), "follows"),
    **dict.fromkeys(_set("overtake outrun"), "overtakes"),
    **dict.fromkeys(_set("approach near"), "joins"),
    **dict.fromkeys(_set("sway oscillate bounce"), "sways"),
}
"""Verbs that mean one action."""
VERTICAL = {**dict.fromkeys(_set("rise ascend"), "up"), **dict.fromkeys(_set("sink descend fall drop"), "down")}
STAYING = _set("stay remain keep")
POSES = _set("stand sit lie rest wait park")
"""They, with "still" behind, say that nothing moves."""
LINKING = _set("get become grow turn")
"""With "bigger" behind."""
FINITE = TRAVEL - {"head"} | _set("walk run swim crawl climb jog enter rotate spin start begin")
"""Verbs that in -s need no "that" before: no noun is spelled so."""
STARTING = _set("start begin")
PACES: dict[tuple[str, str], str] = {("slow", "down"): "slows", ("speed", "up"): "speeds"}
"""A verb and the word behind it."""

_DOUBLED = _set("stop run swim jog hop trot spin get sit skid drop drag step")
_IRREGULAR = {
    "went": "go", "came": "come", "drove": "drive", "ran": "run", "rode": "ride", "flew": "fly", "swam": "swim",
    "rose": "rise", "sank": "sink", "fell": "fall", "grew": "grow", "shrank": "shrink", "overtook": "overtake",
    "began": "begin", "got": "get", "became": "become", "stood": "stand", "kept": "keep", "spun": "spin",
    "lying": "lie", "beginning": "begin", "overtaking": "overtake",
}  # fmt: skip


def _forms(stem: str) -> dict[str, str]:
    """Form -> base, s, ing or ed."""
    sibilant = stem.endswith(("s", "x", "sh", "ch", "o"))
    plural = stem[:-1] + "ies" if stem.endswith("y") and stem[-2] not in "aeiou" else stem + ("es" if sibilant else "s")
    root = stem + stem[-1] if stem in _DOUBLED else stem[:-1] if stem.endswith("e") else stem
    past = stem[:-1] + "ied" if plural.endswith("ies") else root + "ed"
    return {stem: "base", plural: "s", root + "ing": "ing", past: "ed"}


STEMS = TRAVEL | GAITS | CARRYING | VERBS.keys() | STAYING | POSES | LINKING | STARTING | {"slow", "speed"}
FORMS: dict[str, tuple[str, str]] = {form: (stem, kind) for stem in STEMS for form, kind in _forms(stem).items()} | {
    form: (stem, "ing" if form.endswith("ing") else "ed") for form, stem in _IRREGULAR.items() if stem in STEMS
}
"""Form of a verb -> its stem, and which form it is: base, s, ing or ed."""

SIDES = _split({"left": "left leftward leftwards leftside", "right": "right rightward rightwards rightside"})
HEIGHTS = _split({"up": "up upward upwards uphill top", "down": "down downward downwards downhill bottom"})
DIRECTIONS = SIDES | HEIGHTS
BARE = DIRECTIONS.keys() - {"top", "bottom", "leftside", "rightside"}
"""Directions that need no "to" before."""
OPPOSITES = {"left": "right", "right": "left", "up": "down", "down": "up"}
CAMERA = _set("camera viewer us me screen you lens audience front foreground")
BACKGROUND = _set("background distance back")
PICTURE = _set("picture image frame screen view video scene shot camera clip film sight pic photo")
FILM = _set("video clip film scene shot footage sequence")

SLOW = _set("slow slowly")
FAST = _set("fast quickly rapidly swiftly quick speedily speedy hurriedly")
SUPERLATIVES = {
    **dict.fromkeys(_set("fastest quickest speediest faster quicker"), "fastest"),
    **dict.fromkeys(_set("slowest slower"), "slowest"),
}
ORDINALS = {"first": 1, "second": 2, "third": 3, "last": -1}
MANNER = _set(
    "steadily straight smoothly gently forward forwards backward backwards ahead freely around along together alone"
    " away off by past suddenly constantly continuously still just also now always directly simply only clearly"
    " while along on"
)
ONWARDS = _set("forward forwards backward backwards ahead onward onwards")
BEFORE_VERB = _set(
    "slowly quickly rapidly suddenly just also now always constantly continuously simply only then first"
    " finally eventually initially later still never steadily all both"
)
"""Adverbs between "that" or "is" and its verb."""
AUXILIARIES = _set("is are was were be been being has have had does do did will would can keeps it's who's that's")
NEGATIONS = _set("not never isn't aren't wasn't doesn't don't didn't n't without hardly")
RELATIVES = _set("that which who while whose")
MOTIONLESS = _set("motionless stationary immobile unmoving stopped still")
"""Adjectives of what does not move."""
SEEN_STILL = _set("parked")
"""The same, which a still picture shows something of."""
ATTRIBUTES: dict[str, tuple[str, str]] = {
    "moving": ("moves", ""), "rotating": ("spins", ""), "spinning": ("spins", ""), "turning": ("turns", ""),
    "circling": ("circles", ""), "growing": ("grows", ""), "shrinking": ("shrinks", ""), "rising": ("goes", "up"),
    "sinking": ("goes", "down"), "falling": ("goes", "down"), "approaching": ("grows", ""), "stationary": ("still", ""),
    "motionless": ("still", ""), "immobile": ("still", ""), "unmoving": ("still", ""), "oncoming": ("grows", ""),
    "stopping": ("stops", ""), "departing": ("leaves", ""), "receding": ("shrinks", ""),
    "non-moving": ("still", ""), "slow-moving": ("moves", ""), "fast-moving": ("moves", ""),
    "left-moving": ("goes", "left"), "right-moving": ("goes", "right"), "parked": ("still", ""),
    "accelerating": ("speeds", ""), "swaying": ("sways", ""),
}  # fmt: skip
"""Before a noun: "the moving car"."""
LARGER = {
    **dict.fromkeys(_set("bigger larger closer nearer taller"), "grows"),
    **dict.fromkeys(_set("smaller further farther tinier"), "shrinks"),
}
SCENERY_ENTERED = _set("room stage field court area place")
"""What is entered or left as the picture is that shows it."""
OTHERS = _set("another other others rest")
