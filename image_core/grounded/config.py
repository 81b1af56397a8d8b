"""The numbers of `Grounded`. The score is that of a prototype; what was chosen on no pictures, or after a look at some,
says so."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from image_core.errors import ConfigError
from image_core.language.predicates import SpatialRules

_COUNTS = ("most_boxes", "most_landmarks", "group")
_ABOVE_0 = (
    *("presence_slope", "several_share", "class_floor", "class_half"),
    *("colour_own", "colour_worn", "colour_detail"),
)


@dataclass(frozen=True)
class GroundedConfig:
    """How evidence becomes an answer. Raises `ConfigError` for numbers out of their range."""

    #: Boxes below it are not looked at.
    least_score: float = 0.1
    #: Boxes that are masked for what an expression means (half as many more where several are meant, or one by its
    #: place among others), and for each thing that it is related to.
    most_boxes: int = 8
    most_landmarks: int = 4
    #: So many better boxes of its class within a box make a group of it, which is left out. Proposed after a
    #: look at a frame of DAVIS dance-twirl.
    group: int = 3
    #: IoU above which two boxes, and two masks, are of one thing.
    same_box: float = 0.75
    same_mask: float = 0.8
    #: What a box counts that nothing says is of the class.
    class_floor: float = 0.02
    #: What a thing counts of which no pixel has the colour.
    colour_floor: float = 0.05
    #: The probability of the classifier at which a crop counts half as one of a noun's class; times the square root of
    #: the count of its classes.
    class_half: float = 0.02
    #: How much of what the detector says is doubted where the classifier is sure of another animal, or another vehicle.
    rival_doubt: float = 0.9
    #: Class evidence from which a box is of the noun's class, and the share of the best one's that it must have. Chosen
    #: on no pictures.
    least_evidence: float = 0.05
    least_share: float = 0.1
    #: The part of the best one's weight from which several targets are meant. Chosen on no pictures.
    several_share: float = 0.3
    #: Presence: a logistic curve over the best evidence; where it is one half, and how steep. Chosen on 29 pictures
    #: that come with packages of Python, and 60 nouns: benchmarks/accuracy/photo_presence.py.
    presence_at: float = 0.3
    presence_slope: float = 12.0
    #: The share of a thing's pixels from which a colour of its own, one that it wears, and one of a hat or another
    #: detail is fully there.
    colour_own: float = 0.4
    colour_worn: float = 0.2
    colour_detail: float = 0.02
    #: What is left of the evidence, for the presence, where no pixel has a colour that was told. Chosen on the
    #: same pictures.
    colour_doubt: float = 0.1
    #: The power of a thing's size where a place is told ("on the left"): a large thing is still the likelier one meant,
    #: but less so.
    place_size: float = 0.5
    #: What a phrase is put into for a scorer.
    template: str = "a photo of {}"
    #: Where things lie. Ranks count what comes before, so that a small wrong box in a corner is not "the left one".
    spatial: SpatialRules = field(default_factory=lambda: SpatialRules(superlative="count"))

    def __post_init__(self) -> None:
        numbers = {one.name: getattr(self, one.name) for one in fields(self)}
        for one in fields(self):
            is_share = isinstance(one.default, float) and one.name != "presence_slope"
            if is_share and not 0 <= numbers[one.name] <= 1:
                raise ConfigError(f"GroundedConfig.{one.name}: expected a number from 0 to 1, got {numbers[one.name]}")
        for name in _ABOVE_0:
            if not numbers[name] > 0:
                raise ConfigError(f"GroundedConfig.{name}: expected a number above 0, got {numbers[name]}")
        for name in _COUNTS:
            if numbers[name] < 1:
                raise ConfigError(f"GroundedConfig.{name}: expected 1 or more, got {numbers[name]}")
        if self.template.count("{}") != 1:
            raise ConfigError(f"GroundedConfig.template: expected one {{}} for the phrase, got '{self.template}'")
