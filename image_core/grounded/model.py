"""`Grounded`: a detector, a masker and rules for words make a `MaskModel` that was never trained on expressions.

It is SpARC (SafaRi, ECCV 2024) used for inference: proposals, each judged by what the words say it is, and by where it
lies. Where SpARC asks CLIP what a proposal shows, here the noun is compared with the classes of a detector and a
classifier, and colours with the pixels of the mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from scipy.special import softmax

from image_core.answer import Candidate, MaskAnswer
from image_core.grounded.config import GroundedConfig
from image_core.grounded.evidence import class_evidence, presence_probability, region_weights
from image_core.grounded.parts import Classifier, Detector, Masker, PhraseDetector
from image_core.grounded.proposals import Proposal, proposals_of, select_proposals
from image_core.grounded.regions import Region, regions_of
from image_core.grounded.understanding import NounPhrase, Understanding, understand
from image_core.identity import ModelIdentity
from image_core.language.expression import Referent
from image_core.language.predicates import SpatialRules, compose
from image_core.weak.prompting import show_proposals
from image_core.weak.sparc import Scorer

IDENTITY = ModelIdentity("grounded", adapter="grounded")
DEFAULT = GroundedConfig()
_SIZE_COMPARISONS = frozenset({"bigger", "smaller"})


class RegionWeighter(Protocol):
    """Weighs the evidence that each region fits a noun phrase."""

    def __call__(self, phrase: NounPhrase, *, size_power: float) -> np.ndarray: ...


class Grounded:
    """A `MaskModel` of parts.

    detector: closed-set or open-vocabulary. classifier, scorer: optional; without them only the
    detector's classes are known. A scorer (such as CLIP) is shown each region as SpARC shows a proposal, and scores
    it against each noun phrase.
    """

    is_slow = True
    """The masker encodes every image."""

    def __init__(
        self,
        detector: Detector | PhraseDetector,
        masker: Masker,
        classifier: Classifier | None = None,
        scorer: Scorer | None = None,
        config: GroundedConfig = DEFAULT,
        identity: ModelIdentity = IDENTITY,
    ) -> None:
        self.detector = detector
        self.masker = masker
        self.classifier = classifier
        self.scorer = scorer
        self.config = config
        self.identity = identity

    def describe(self) -> ModelIdentity:
        """The identity that was given with the parts."""
        return self.identity

    @property
    def is_open_vocabulary(self) -> bool:
        """Whether the detector takes phrases, so that no noun is unknown."""
        return isinstance(self.detector, PhraseDetector)

    def understood(self, expression: str) -> dict[str, Any]:
        """How an expression is interpreted, as JSON values."""
        return self.understanding(expression).document()

    def understanding(self, expression: str) -> Understanding:
        """How an expression is interpreted."""
        return understand(expression, any_noun=self.is_open_vocabulary)

    def unseen_words(self, expressions: Sequence[str]) -> list[str]:
        """Nouns of targets that no class of COCO or, with a classifier, ImageNet fits; each once."""
        if self.is_open_vocabulary:
            return []
        things = [
            t for e in expressions for u in [self.understanding(e)] for t in (u.thing, *u.also) if not t.is_anything
        ]
        known = [t for t in things if t.meaning.coco or (t.meaning.synsets and self.classifier is not None)]
        return list(dict.fromkeys(thing.noun for thing in things if thing not in known))

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        """(H, W, 3) uint8 RGB and E expressions -> E answers, whose candidates are all segmented regions.

        Each part is called once. The mask of an answer is one region, or several for a plural.
        """
        if not expressions:
            return []
        understood = [self.understanding(expression) for expression in expressions]
        size = image.shape[0], image.shape[1]
        proposals = self._propose(image, understood, size)
        chosen = [select_proposals(image, *pair, self.config) for pair in zip(proposals, understood, strict=True)]
        needs_classes = [u.asks_for_classes for u in understood]
        regions = regions_of(image, chosen, needs_classes, self.masker, self.classifier, self.config)
        scorer_probabilities = self._scorer_probabilities(image, understood, regions)
        return [self._answer(*inputs, size) for inputs in zip(understood, regions, scorer_probabilities, strict=True)]

    def _propose(
        self, image: np.ndarray, understood: Sequence[Understanding], size: tuple[int, int]
    ) -> list[list[Proposal]]:
        """The boxes of each expression: the same for all, unless the detector is open-vocabulary."""
        detector = self.detector
        if isinstance(detector, PhraseDetector):
            phrases = list(dict.fromkeys(phrase for u in understood for phrase in u.phrases))
            detections = dict(zip(phrases, detector.detect_phrases(image, phrases) if phrases else [], strict=True))
            boxes_per_expression = [[box for phrase in u.phrases for box in detections[phrase]] for u in understood]
            return [proposals_of(boxes, size, self.config) for boxes in boxes_per_expression]
        return [proposals_of(detector.detect(image), size, self.config)] * len(understood)

    def _scorer_probabilities(
        self, image: np.ndarray, understood: Sequence[Understanding], regions_per_expression: Sequence[list[Region]]
    ) -> list[dict[str, np.ndarray]]:
        """What the scorer says for each expression: phrase -> (N,) over its regions, summing to one; {} without one."""
        all_regions = list({id(region): region for regions in regions_per_expression for region in regions}.values())
        phrases = list(dict.fromkeys(phrase for u in understood for phrase in u.phrases))
        if self.scorer is None or not all_regions or not phrases:
            return [{} for _ in understood]
        prompts = list(show_proposals(image, np.stack([region.box_xyxy for region in all_regions])))
        logits = self.scorer.scores(prompts, [self.config.template.format(phrase) for phrase in phrases])
        row = {id(region): i for i, region in enumerate(all_regions)}
        column = {phrase: i for i, phrase in enumerate(phrases)}
        return [
            {p: softmax(logits[[row[id(r)] for r in regions], column[p]]) for p in u.phrases} if regions else {}
            for u, regions in zip(understood, regions_per_expression, strict=True)
        ]

    def _answer(
        self,
        understood: Understanding,
        regions: list[Region],
        scorer_probabilities: dict[str, np.ndarray],
        size: tuple[int, int],
    ) -> MaskAnswer:
        presence = 0.0 if understood.is_empty else presence_probability(understood.thing, regions, self.config)
        if not regions:
            return MaskAnswer((), presence, 0.0)
        weigh = partial(self._region_weights, regions=regions, scorer_probabilities=scorer_probabilities)
        probabilities = self._target_probabilities(understood, regions, weigh, size)
        likelihoods = (
            self._plural_likelihoods(understood, probabilities)
            if understood.several
            else pairwise_likelihoods(probabilities)
        )
        for thing in understood.also:
            alone = pairwise_likelihoods(weigh(thing, size_power=1.0)) * presence_probability(
                thing, regions, self.config
            )
            likelihoods = np.maximum(likelihoods, alone)
        candidates = [
            Candidate(region.mask, float(likelihood), float(np.clip(region.quality, 0, 1)))
            for region, likelihood in zip(regions, likelihoods, strict=True)
        ]
        ordered = sorted(candidates, key=lambda candidate: -candidate.likelihood)
        return MaskAnswer(tuple(ordered), presence, ordered[0].likelihood * ordered[0].quality)

    def _region_weights(
        self,
        phrase: NounPhrase,
        size_power: float,
        regions: Sequence[Region],
        scorer_probabilities: Mapping[str, np.ndarray],
    ) -> np.ndarray:
        """(N,) of 0 or more: the evidence that each region fits a noun phrase, independent of its place."""
        return region_weights(phrase, regions, self.config, size_power) * scorer_probabilities.get(phrase.phrase, 1.0)

    def _target_probabilities(
        self, understood: Understanding, regions: list[Region], weigh: RegionWeighter, size: tuple[int, int]
    ) -> np.ndarray:
        """(N,) that sum to one: the probability that each region is the target, by what it is and where it lies."""
        referent = _without_unseen_landmarks(understood.referent, understood, regions, self.config)
        power = self._size_power(understood, referent)
        phrase_probabilities = {thing.key: _normalised(weigh(thing, size_power=power)) for thing in understood.things}
        boxes = np.stack([region.box_xyxy for region in regions])
        return compose(referent, boxes, size, phrase_probabilities, self._spatial_rules(understood))

    def _size_power(self, understood: Understanding, referent: Referent) -> float:
        """Exponent of a region's size. Large regions are preferred, unless there are several targets or a rule picks
        one."""
        compared = any(s.kind in _SIZE_COMPARISONS or s.rank > 1 for s in referent.superlatives)
        if understood.several or understood.is_strict or compared:
            return 0.0
        return self.config.place_size if referent.superlatives else 1.0

    def _spatial_rules(self, understood: Understanding) -> SpatialRules:
        """With several targets, no single one is "at the left": regions are compared in pairs, which falls off
        gradually."""
        return replace(self.config.spatial, superlative="pairs") if understood.several else self.config.spatial

    def _plural_likelihoods(self, understood: Understanding, probabilities: np.ndarray) -> np.ndarray:
        """(N,) in [0, 1]: above one half for as many regions as the expression counts, or for all close to the best."""
        ranked = np.sort(probabilities)[::-1]
        threshold = self.config.several_share * ranked[0]
        if understood.count is not None and understood.count < len(ranked):
            threshold = max(threshold, float(np.sqrt(ranked[understood.count - 1] * ranked[understood.count])))
        return probabilities / (probabilities + threshold)


def pairwise_likelihoods(weights: np.ndarray) -> np.ndarray:
    """(N,) of 0 or more -> (N,) in [0, 1]: the probability that each is the target rather than the best other one."""
    if len(weights) == 1:
        return (weights > 0).astype(np.float64)
    order = np.argsort(-weights, kind="stable")
    rivals = np.full(len(weights), weights[order[0]])
    rivals[order[0]] = weights[order[1]]
    total = weights + rivals
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    # Of two equals only the better detected one becomes the mask.
    shares[order[1:]] = np.minimum(shares[order[1:]], 0.499)
    return shares


def _normalised(weights: np.ndarray) -> np.ndarray:
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(weights), 1 / len(weights))


def _without_unseen_landmarks(
    referent: Referent, understood: Understanding, regions: list[Region], config: GroundedConfig
) -> Referent:
    """A referent without the relations to landmarks that the image does not show."""

    def is_shown(landmark: Referent) -> bool:
        return class_evidence(understood.thing_of(landmark.phrase), regions, config).max() >= config.least_evidence

    kept = tuple(
        replace(
            r,
            landmarks=tuple(
                _without_unseen_landmarks(landmark, understood, regions, config) for landmark in r.landmarks
            ),
        )
        for r in referent.relations
        if all(is_shown(landmark) for landmark in r.landmarks)
    )
    excluded = tuple(
        _without_unseen_landmarks(other, understood, regions, config) for other in referent.excluded if is_shown(other)
    )
    return replace(referent, relations=kept, excluded=tuple(o for o in excluded if _differs(o, referent)))


def _differs(other: Referent, referent: Referent) -> bool:
    """Whether what is excluded still differs from the target once everything that cannot be answered is left out."""
    return other.phrase != referent.phrase or other.is_spatial
