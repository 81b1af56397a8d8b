"""A detector of the hub, with a masker and a scorer where they are named: `Grounded` of such parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from image_core.adapters.maskers import packaged_masker, packaged_revision
from image_core.errors import ConfigError
from image_core.grounded.config import GroundedConfig
from image_core.grounded.hub_detectors import HubDetector, HubPhraseDetector
from image_core.grounded.hub_maskers import MASKERS, read_masker
from image_core.grounded.model import Grounded
from image_core.grounded.parts import Masker
from image_core.hub.detectors import CLOSED_SET, OPEN_VOCABULARY, OpenVocabularyDetector, read_detector
from image_core.hub.loading import Placement
from image_core.hub.sources import Source
from image_core.identity import ModelIdentity
from image_core.mask_model import WeightsProvider
from image_core.weak.scorers.clip import SCORERS, ClipScorer

NAME = "grounded"
ROLES = {
    **dict.fromkeys((*OPEN_VOCABULARY, *CLOSED_SET), "detector"),
    **dict.fromkeys(MASKERS, "masker"),
    **dict.fromkeys(SCORERS, "scorer"),
}
"""By the `model_type` of config.json."""


@dataclass(frozen=True)
class Parts:
    """Which network does what."""

    detector: Source
    masker: Source | None = None
    scorer: Source | None = None

    @classmethod
    def of(cls, sources: Sequence[Source]) -> Parts:
        """Assigns each network to its part by its kind, in whatever order they were named. Raises `ConfigError` for
        anything else than one detector, at most one masker and at most one scorer."""
        roles = [ROLES.get(source.model_type, f"a {source.model_type}") for source in sources]
        if "detector" not in roles or len(set(roles)) < len(roles) or not set(roles) <= set(ROLES.values()):
            raise ConfigError(
                "model 'hub:...': expected DETECTOR, DETECTOR+MASKER or DETECTOR+MASKER+SCORER, got "
                f"{' + '.join(roles)}: name one detector, such as IDEA-Research/grounding-dino-base"
            )
        return cls(**dict(zip(roles, sources, strict=True)))

    @property
    def sources(self) -> tuple[Source, ...]:
        """Those that were named."""
        return tuple(part for part in (self.detector, self.masker, self.scorer) if part)

    def identity(self, name: str) -> ModelIdentity:
        """By the revisions and licences of all parts, of the packaged masker, too, where none is named."""
        parts = [(source.revision, source.licence) for source in self.sources]
        revisions_and_licences = parts if self.masker else [*parts, packaged_revision()]
        revisions, licences = zip(*revisions_and_licences, strict=True)
        return ModelIdentity(name, "+".join(revisions), NAME, ", ".join(dict.fromkeys(filter(None, licences))))


def build(parts: Parts, identity: ModelIdentity, placement: Placement, weights: WeightsProvider) -> Grounded:
    """weights: gives the packaged masker. Raises `CheckpointError` where any part cannot be read.

    With an open-vocabulary detector, the presence is one half at its authors' score threshold. It is not
    calibrated.
    """
    masker: Masker = read_masker(parts.masker, placement) if parts.masker else packaged_masker(weights)
    detector = read_detector(parts.detector, placement)
    scorer = ClipScorer([parts.scorer.text], device=placement.device, batch=1) if parts.scorer else None
    if isinstance(detector, OpenVocabularyDetector):
        phrase_detector = HubPhraseDetector(detector)
        config = GroundedConfig(least_score=phrase_detector.min_score, presence_at=detector.threshold)
        return Grounded(phrase_detector, masker, scorer=scorer, config=config, identity=identity)
    return Grounded(HubDetector(detector), masker, scorer=scorer, identity=identity)
