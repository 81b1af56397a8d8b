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
from image_core.grounded.evidence import class_evidence, presence_of, weights
from image_core.grounded.parts import Classifier, Detector, Masker, PhraseDetector
from image_core.grounded.proposals import Proposal, proposals_of, worth_a_mask
from image_core.grounded.regions import Region, regions_of
from image_core.grounded.understanding import Thing, Understanding, understand
from image_core.identity import ModelIdentity
from image_core.language.expression import Referent
from image_core.language.predicates import SpatialRules, compose
from image_core.weak.prompting import show_proposals
from image_core.weak.sparc import Scorer

IDENTITY = ModelIdentity("grounded", adapter="grounded")
DEFAULT = GroundedConfig()
_COMPARED = frozenset({"bigger", "smaller"})


class Judge(Protocol):
    """Weighs the evidence that each region is a given thing."""

    def __call__(self, thing: Thing, *, size_power: float) -> np.ndarray: ...


class Grounded:
    """A `MaskModel` of parts.

    detector: of its own classes, or one that is asked with words. classifier, scorer: optional; without them only the
    detector's classes are known. A scorer (CLIP and its kin) is shown each region as SpARC shows a proposal, and scores
    it against everything that was said about a thing.
    """

    is_slow = True
    """A masker encodes every picture anew."""

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
    def takes_words(self) -> bool:
        """Whether the detector is asked with words, so that no noun is unknown."""
        return isinstance(self.detector, PhraseDetector)

    def understood(self, expression: str) -> dict[str, Any]:
        """What is looked for when an expression is asked, as JSON values."""
        return self.understanding(expression).document()

    def understanding(self, expression: str) -> Understanding:
        """What is looked for when an expression is asked."""
        return understand(expression, any_noun=self.takes_words)

    def unseen_words(self, expressions: Sequence[str]) -> list[str]:
        """Nouns of targets that no class of COCO or, with a classifier, ImageNet fits; each once."""
        if self.takes_words:
            return []
        things = [
            t for e in expressions for u in [self.understanding(e)] for t in (u.thing, *u.also) if not t.is_anything
        ]
        told = [t for t in things if t.meaning.coco or (t.meaning.synsets and self.classifier is not None)]
        return list(dict.fromkeys(thing.noun for thing in things if thing not in told))

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        """(H, W, 3) uint8 RGB and E expressions -> E answers, each with every region that was looked at as a
        candidate.

        Each part is asked once. The mask of an answer is one region, or several for a plural.
        """
        if not expressions:
            return []
        understood = [self.understanding(expression) for expression in expressions]
        size = image.shape[0], image.shape[1]
        proposed = self._proposed(image, understood, size)
        chosen = [worth_a_mask(image, *pair, self.config) for pair in zip(proposed, understood, strict=True)]
        named = [u.asks_for_classes for u in understood]
        regions = regions_of(image, chosen, named, self.masker, self.classifier, self.config)
        shown = self._shown(image, understood, regions)
        return [self._answer(*asked, size) for asked in zip(understood, regions, shown, strict=True)]

    def _proposed(
        self, image: np.ndarray, understood: Sequence[Understanding], size: tuple[int, int]
    ) -> list[list[Proposal]]:
        """The boxes of each expression: the same for all, unless the detector is asked with words."""
        detector = self.detector
        if isinstance(detector, PhraseDetector):
            phrases = list(dict.fromkeys(phrase for u in understood for phrase in u.phrases))
            found = dict(zip(phrases, detector.detect_phrases(image, phrases) if phrases else [], strict=True))
            own = [[box for phrase in u.phrases for box in found[phrase]] for u in understood]
            return [proposals_of(boxes, size, self.config) for boxes in own]
        return [proposals_of(detector.detect(image), size, self.config)] * len(understood)

    def _shown(
        self, image: np.ndarray, understood: Sequence[Understanding], own: Sequence[list[Region]]
    ) -> list[dict[str, np.ndarray]]:
        """What the scorer says for each expression: phrase -> (N,) over its regions, summing to one; {} without one."""
        everything = list({id(region): region for regions in own for region in regions}.values())
        phrases = list(dict.fromkeys(phrase for u in understood for phrase in u.phrases))
        if self.scorer is None or not everything or not phrases:
            return [{} for _ in understood]
        pictures = list(show_proposals(image, np.stack([region.box_xyxy for region in everything])))
        logits = self.scorer.scores(pictures, [self.config.template.format(phrase) for phrase in phrases])
        row = {id(region): i for i, region in enumerate(everything)}
        column = {phrase: i for i, phrase in enumerate(phrases)}
        return [
            {p: softmax(logits[[row[id(r)] for r in regions], column[p]]) for p in u.phrases} if regions else {}
            for u, regions in zip(understood, own, strict=True)
        ]

    def _answer(
        self, understood: Understanding, regions: list[Region], shown: dict[str, np.ndarray], size: tuple[int, int]
    ) -> MaskAnswer:
        presence = 0.0 if understood.is_empty else presence_of(understood.thing, regions, self.config)
        if not regions:
            return MaskAnswer((), presence, 0.0)
        judge = partial(self._judged, regions=regions, shown=shown)
        chances = self._chances(understood, regions, judge, size)
        likelihoods = self._several(understood, chances) if understood.several else against_the_rival(chances)
        for thing in understood.also:
            alone = against_the_rival(judge(thing, size_power=1.0)) * presence_of(thing, regions, self.config)
            likelihoods = np.maximum(likelihoods, alone)
        candidates = [
            Candidate(region.mask, float(likelihood), float(np.clip(region.quality, 0, 1)))
            for region, likelihood in zip(regions, likelihoods, strict=True)
        ]
        best = sorted(candidates, key=lambda candidate: -candidate.likelihood)
        return MaskAnswer(tuple(best), presence, best[0].likelihood * best[0].quality)

    def _judged(
        self, thing: Thing, size_power: float, regions: Sequence[Region], shown: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """(N,) of 0 or more: the evidence that each region is a thing, wherever it lies."""
        return weights(thing, regions, self.config, size_power) * shown.get(thing.phrase, 1.0)

    def _chances(
        self, understood: Understanding, regions: list[Region], judge: Judge, size: tuple[int, int]
    ) -> np.ndarray:
        """(N,) that sum to one: the probability that each region is the target, by what it is and where it lies."""
        referent = _answerable(understood.referent, understood, regions, self.config)
        power = self._size_power(understood, referent)
        judged = {thing.key: _distribution(judge(thing, size_power=power)) for thing in understood.things}
        boxes = np.stack([region.box_xyxy for region in regions])
        return compose(referent, boxes, size, judged, self._rules(understood))

    def _size_power(self, understood: Understanding, referent: Referent) -> float:
        """Exponent of a region's size. Large regions are preferred, unless there are several targets or a rule picks
        one."""
        compared = any(s.kind in _COMPARED or s.rank > 1 for s in referent.superlatives)
        if understood.several or understood.is_strict or compared:
            return 0.0
        return self.config.place_size if referent.superlatives else 1.0

    def _rules(self, understood: Understanding) -> SpatialRules:
        """With several targets, no single one is "at the left": regions are compared in pairs, which falls off
        gradually."""
        return replace(self.config.spatial, superlative="pairs") if understood.several else self.config.spatial

    def _several(self, understood: Understanding, chances: np.ndarray) -> np.ndarray:
        """(N,) in [0, 1]: above one half for as many regions as the expression counts, or for all close to the best."""
        ranked = np.sort(chances)[::-1]
        bar = self.config.several_share * ranked[0]
        if understood.count is not None and understood.count < len(ranked):
            bar = max(bar, float(np.sqrt(ranked[understood.count - 1] * ranked[understood.count])))
        return chances / (chances + bar)


def against_the_rival(chances: np.ndarray) -> np.ndarray:
    """(N,) of 0 or more -> (N,) in [0, 1]: the probability that each is the target rather than the best other one."""
    if len(chances) == 1:
        return (chances > 0).astype(np.float64)
    order = np.argsort(-chances, kind="stable")
    rivals = np.full(len(chances), chances[order[0]])
    rivals[order[0]] = chances[order[1]]
    total = chances + rivals
    shares = np.divide(chances, total, out=np.zeros_like(chances), where=total > 0)
    # Of two equals only the better detected one becomes the mask.
    shares[order[1:]] = np.minimum(shares[order[1:]], 0.499)
    return shares


def _distribution(judged: np.ndarray) -> np.ndarray:
    total = judged.sum()
    return judged / total if total > 0 else np.full(len(judged), 1 / len(judged))


def _answerable(
    referent: Referent, understood: Understanding, regions: list[Region], config: GroundedConfig
) -> Referent:
    """A referent without the relations to landmarks that the picture does not show."""

    def is_shown(mark: Referent) -> bool:
        return class_evidence(understood.thing_of(mark.phrase), regions, config).max() >= config.least_evidence

    kept = tuple(
        replace(r, landmarks=tuple(_answerable(mark, understood, regions, config) for mark in r.landmarks))
        for r in referent.relations
        if all(is_shown(mark) for mark in r.landmarks)
    )
    excluded = tuple(_answerable(other, understood, regions, config) for other in referent.excluded if is_shown(other))
    return replace(referent, relations=kept, excluded=tuple(o for o in excluded if _differs(o, referent)))


def _differs(other: Referent, referent: Referent) -> bool:
    """Whether what is excluded still differs from the target once everything that cannot be answered is left out."""
    return other.phrase != referent.phrase or other.is_spatial
