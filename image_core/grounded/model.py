"""`Grounded`: a detector, a masker and the meaning of words make a `MaskModel` that was never trained on expressions.

It is SpARC (SafaRi, ECCV 2024) taken to inference: proposals, each judged by what the words say it is, and by where it
lies. Where SpARC asks CLIP what a proposal shows, the noun is held against the classes of a detector and a classifier,
and colours against the pixels of the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from image_core.answer import Candidate, MaskAnswer
from image_core.grounded.config import GroundedConfig
from image_core.grounded.evidence import class_evidence, presence_of, weights
from image_core.grounded.parts import Classifier, Detector, Masker
from image_core.grounded.regions import Region, regions_of
from image_core.grounded.understanding import Thing, Understanding, understand
from image_core.identity import ModelIdentity
from image_core.language.expression import Referent
from image_core.language.predicates import SpatialRules, compose

IDENTITY = ModelIdentity("grounded", adapter="grounded")
DEFAULT = GroundedConfig()
_COMPARED = frozenset({"bigger", "smaller"})


class Grounded:
    """A `MaskModel` of parts. The classifier may be left out: then only the detector's classes are told apart."""

    is_slow = True
    """A masker encodes every picture anew."""

    def __init__(
        self,
        detector: Detector,
        masker: Masker,
        classifier: Classifier | None = None,
        config: GroundedConfig = DEFAULT,
        identity: ModelIdentity = IDENTITY,
    ) -> None:
        self.detector = detector
        self.masker = masker
        self.classifier = classifier
        self.config = config
        self.identity = identity

    def describe(self) -> ModelIdentity:
        """The identity that it was given by who chose the parts."""
        return self.identity

    def understood(self, expression: str) -> dict[str, Any]:
        """What is looked for when an expression is asked, as JSON values."""
        return understand(expression).document()

    def unseen_words(self, expressions: Sequence[str]) -> list[str]:
        """Nouns of what is meant that no class of COCO or, with a classifier, ImageNet fits; each once."""
        things = [t for e in expressions for u in [understand(e)] for t in (u.thing, *u.also) if not t.is_anything]
        told = [t for t in things if t.meaning.coco or (t.meaning.synsets and self.classifier is not None)]
        return list(dict.fromkeys(thing.noun for thing in things if thing not in told))

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        """(H, W, 3) uint8 RGB and E expressions -> E answers, each with every region of the picture as a candidate.

        Detector, masker and classifier are asked once. The mask of an answer is one region, or several for a plural.
        """
        if not expressions:
            return []
        regions = regions_of(image, self.detector, self.masker, self.classifier, self.config)
        size = image.shape[0], image.shape[1]
        return [self._answer(understand(expression), regions, size) for expression in expressions]

    def _answer(self, understood: Understanding, regions: list[Region], size: tuple[int, int]) -> MaskAnswer:
        presence = 0.0 if understood.is_empty else presence_of(understood.thing, regions, self.config)
        if not regions:
            return MaskAnswer((), presence, 0.0)
        chances = self._chances(understood, regions, size)
        likelihoods = self._several(understood, chances) if understood.several else against_the_rival(chances)
        for thing in understood.also:
            alone = weights(thing, regions, self.config, by_size=True)
            likelihoods = np.maximum(likelihoods, against_the_rival(alone) * presence_of(thing, regions, self.config))
        candidates = [
            Candidate(region.mask, float(likelihood), float(np.clip(region.quality, 0, 1)))
            for region, likelihood in zip(regions, likelihoods, strict=True)
        ]
        best = sorted(candidates, key=lambda candidate: -candidate.likelihood)
        return MaskAnswer(tuple(best), presence, best[0].likelihood * best[0].quality)

    def _chances(self, understood: Understanding, regions: list[Region], size: tuple[int, int]) -> np.ndarray:
        """(N,) that sum to one: which region the expression speaks of, by what it is and where it lies."""
        referent = _answerable(understood.referent, understood, regions, self.config.least_evidence)
        # A large thing is the likelier one meant, unless several are meant or there is a rule that picks one.
        compared = any(s.kind in _COMPARED or s.rank > 1 for s in referent.superlatives)
        by_size = not (understood.several or understood.is_strict or compared)
        judged = {thing.key: self._distribution(thing, regions, by_size) for thing in understood.things}
        boxes = np.stack([region.box_xyxy for region in regions])
        return compose(referent, boxes, size, judged, self._rules(understood))

    def _distribution(self, thing: Thing, regions: list[Region], by_size: bool) -> np.ndarray:
        """(N,) that sum to one: which region shows a thing."""
        judged = weights(thing, regions, self.config, by_size)
        return judged / judged.sum()

    def _rules(self, understood: Understanding) -> SpatialRules:
        """Of several meant, none is the only one at the left: pairs are weighed, which fades towards the right."""
        return replace(self.config.spatial, superlative="pairs") if understood.several else self.config.spatial

    def _several(self, understood: Understanding, chances: np.ndarray) -> np.ndarray:
        """(N,) in [0, 1]: above one half for as many as were counted, or for all that come near the best."""
        ranked = np.sort(chances)[::-1]
        bar = self.config.several_share * ranked[0]
        if understood.count is not None and understood.count < len(ranked):
            bar = max(bar, float(np.sqrt(ranked[understood.count - 1] * ranked[understood.count])))
        return chances / (chances + bar)


def against_the_rival(chances: np.ndarray) -> np.ndarray:
    """(N,) of 0 or more -> (N,) in [0, 1]: the probability that each is meant, and not the best of the others."""
    if len(chances) == 1:
        return (chances > 0).astype(np.float64)
    order = np.argsort(-chances, kind="stable")
    rivals = np.full(len(chances), chances[order[0]])
    rivals[order[0]] = chances[order[1]]
    total = chances + rivals
    shares = np.divide(chances, total, out=np.zeros_like(chances), where=total > 0)
    # Of equals the better detected one is drawn, not both.
    shares[order[1:]] = np.minimum(shares[order[1:]], 0.499)
    return shares


def _answerable(referent: Referent, understood: Understanding, regions: list[Region], least: float) -> Referent:
    """A referent without the relations to landmarks that the picture does not show."""

    def is_shown(mark: Referent) -> bool:
        return class_evidence(understood.thing_of(mark.phrase), regions).max() >= least

    kept = tuple(
        replace(r, landmarks=tuple(_answerable(mark, understood, regions, least) for mark in r.landmarks))
        for r in referent.relations
        if all(is_shown(mark) for mark in r.landmarks)
    )
    excluded = tuple(_answerable(other, understood, regions, least) for other in referent.excluded if is_shown(other))
    return replace(referent, relations=kept, excluded=tuple(o for o in excluded if _differs(o, referent)))


def _differs(other: Referent, referent: Referent) -> bool:
    """Whether what is excluded is something else than what is meant, once what cannot be answered is left out."""
    return other.phrase != referent.phrase or other.is_spatial
