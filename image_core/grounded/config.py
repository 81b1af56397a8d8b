"""The settings of `Grounded`. The scoring is that of a prototype. Where a number was chosen without images, or after
a look at some, its comment says so."""

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

    #: Boxes with a lower score are ignored.
    least_score: float = 0.1
    #: Most boxes that get a mask for the target of an expression (half as many more for several targets, or for a
    #: target given by its place among others), and for each landmark.
    most_boxes: int = 8
    most_landmarks: int = 4
    #: A box that contains so many better boxes of its class is a group, and is left out. Proposed after a look at a
    #: frame of DAVIS dance-twirl.
    group: int = 3
    #: IoU above which two boxes, and two masks, are of one object.
    same_box: float = 0.75
    same_mask: float = 0.8
    #: Weight of a box without any evidence for the class.
    class_floor: float = 0.02
    #: Weight of a region in which no pixel has the colour.
    colour_floor: float = 0.05
    #: The classifier's probability at which the class evidence of a crop is one half; it is multiplied by the square
    #: root of the number of the noun's classes.
    class_half: float = 0.02
    #: Share by which the detector's evidence is reduced where the classifier is sure of another animal or vehicle, and
    #: the classifier's where the detector is sure of something else.
    rival_doubt: float = 0.9
    #: Class evidence from which a box is of the noun's class, and the share of the best box's that it must have. Chosen
    #: on no images.
    least_evidence: float = 0.05
    least_share: float = 0.1
    #: For several targets: the share of the best region's probability from which another region is a target, too.
    #: Chosen on no images.
    several_share: float = 0.3
    #: Presence: a logistic curve over the best evidence; where it is one half, and how steep. Chosen on 29 images
    #: that come with packages of Python, and 60 nouns: benchmarks/accuracy/photo_presence.py.
    presence_at: float = 0.3
    presence_slope: float = 12.0
    #: The share of a region's pixels at which a colour counts fully: its own colour, the colour of clothes and the
    #: like, and the colour of a hat or another detail.
    colour_own: float = 0.4
    colour_worn: float = 0.2
    colour_detail: float = 0.02
    #: Factor of the evidence for presence where no pixel has a colour that the expression names. Chosen on the same
    #: images.
    colour_doubt: float = 0.1
    #: Exponent of a region's size where the expression names a place ("on the left"): large regions are still
    #: preferred, but less.
    place_size: float = 0.5
    #: The prompt that a phrase is put into for a scorer.
    template: str = "a photo of {}"
    #: Rules of place. Ranks count what comes before, so that a small wrong box in a corner is not "the left one".
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
