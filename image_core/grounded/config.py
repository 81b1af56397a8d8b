"""The numbers of `Grounded`. The score is that of a prototype; what was chosen on no pictures, or after a look at some,
says so."""

from __future__ import annotations

from dataclasses import dataclass, field

from image_core.errors import ConfigError
from image_core.language.predicates import SpatialRules


@dataclass(frozen=True)
class GroundedConfig:
    """How evidence becomes an answer. Raises `ConfigError` for numbers out of their range."""

    #: Boxes below it are not looked at.
    least_score: float = 0.2
    #: Boxes that are masked for what an expression means, and for each thing that it is related to.
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
    #: The share of a thing's pixels from which a colour of its own, and a colour that it wears, is fully there.
    colour_own: float = 0.4
    colour_worn: float = 0.2
    #: What is left of the evidence, for the presence, where no pixel has a colour that was told. Lowered from 0.4
    #: after a look at a frame of DAVIS car-shadow.
    colour_doubt: float = 0.2
    #: What a phrase is put into for a scorer.
    template: str = "a photo of {}"
    #: Where things lie. Ranks count what comes before, so that a small wrong box in a corner is not "the left one".
    spatial: SpatialRules = field(default_factory=lambda: SpatialRules(superlative="count"))

    def __post_init__(self) -> None:
        shares = {
            name: getattr(self, name)
            for name in (
                *("least_score", "same_box", "same_mask", "class_floor", "colour_floor", "least_evidence"),
                *("least_share", "several_share", "presence_at", "colour_doubt", "colour_own", "colour_worn"),
                *("class_half", "rival_doubt"),
            )
        }
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise ConfigError(f"GroundedConfig.{name}: expected a number from 0 to 1, got {value}")
        if self.template.count("{}") != 1:
            raise ConfigError(f"GroundedConfig.template: expected one {{}} for the phrase, got '{self.template}'")
        counts = self.most_boxes, self.most_landmarks, self.group
        if min(counts) < 1:
            raise ConfigError(
                f"GroundedConfig: expected at least one box, one of a landmark and one in a group, got {counts}"
            )
        above = {
            name: getattr(self, name)
            for name in ("presence_slope", "several_share", "class_floor", "class_half", "colour_own", "colour_worn")
        }
        if min(above.values()) <= 0:
            raise ConfigError(f"GroundedConfig: expected numbers above 0, got {above}")
