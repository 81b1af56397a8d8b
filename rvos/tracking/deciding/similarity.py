"""The decider `similarity`: SpARC (SafaRi, ECCV 2024), applied to video. Each track is shown in a red box on several
frames, and an image-text scorer such as CLIP or SigLIP scores how well the words fit.

The score of a phrase is a softmax over all tracks of the video, of the mean of each track's logits over its frames.
Words of place ("on the left") can be judged only among tracks that are seen on the same frame. There the rules of SpARC
share out the probability that its tracks have together, and the mean over the frames is taken. SpARC does not deal with
tracks that come and go: an interpretation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from image_core.language.predicates import compose, reweighted
from image_core.ranges import Count, Share, check_ranges
from image_core.weak.prompting import show_proposals
from image_core.weak.sparc import Question, Scorer, SparcConfig, question_of
from rvos.tracking.deciding.album import Album, Page
from rvos.tracking.deciding.decider import ModelDecider
from rvos.tracking.deciding.decision import Decision, Verdict

SPARC = SparcConfig()


@dataclass(frozen=True)
class SimilarityConfig:
    """The numbers of the decisions by an image-text scorer."""

    #: CLIP, SigLIP or SigLIP 2: OWNER/NAME or OWNER/NAME@COMMIT of the hub, or a folder; several separated by commas.
    model: str = ""
    #: Most images per track that are scored.
    frames: Count = 4
    #: A track is rejected if its probability is below this share of the most likely track's.
    reject: Share = 0.5

    def __post_init__(self) -> None:
        check_ranges(self)


class Similarity(ModelDecider[Scorer]):
    """Decides by the scores of an image-text scorer."""

    config: SimilarityConfig

    def decide(self, expression: str, album: Album) -> Decision | None:
        """None for an album without tracks."""
        if not album.tracks:
            return None
        tracks, question = sorted(album.tracks), question_of(expression, SPARC)
        appearance_probs = self._appearance_probs(question, album, tracks)
        scores = probabilities_with_place(question, album, tracks, appearance_probs, self._image_px)
        if question.caption:
            scores = reweighted(scores, appearance_probs[question.caption] ** SPARC.caption_weight)
        accepted = scores >= self.config.reject * scores.max()
        verdicts = [Verdict.ACCEPT if one else Verdict.REJECT for one in accepted]
        score_of = dict(zip(tracks, scores.tolist(), strict=True))
        return Decision(dict(zip(tracks, verdicts, strict=True)), score_of)

    def _appearance_probs(self, question: Question, album: Album, tracks: Sequence[int]) -> dict[str, np.ndarray]:
        """Text -> (N,) softmax over the tracks, of the mean of their logits."""
        texts = list(dict.fromkeys(question.texts))
        prompts = [SPARC.template.format(text) for text in texts]
        means = []
        for track_id in tracks:
            images = [self._boxed(page, track_id) for page in album.views(track_id, self.config.frames)]
            logits = np.asarray(self._model.scores(images, prompts), np.float64)
            if logits.shape != (len(images), len(texts)) or not np.isfinite(logits).all():
                expected = len(images), len(texts)
                raise ValueError(f"Scorer: expected finite scores of shape {expected}, got {logits.shape}")
            means.append(logits.mean(0))
        return dict(zip(texts, softmax(np.stack(means)).T, strict=True))

    def _boxed(self, page: Page, track_id: int) -> np.ndarray:
        """(h, w, 3) uint8 RGB: a page with a track in a red box, blurred outside of it."""
        image = page.image(self._image_px)
        box = page.box(track_id, (image.shape[0], image.shape[1]))
        return next(show_proposals(image, np.array([box], np.float64), SPARC.style))


def softmax(logits: np.ndarray) -> np.ndarray:
    """(N, E) -> (N, E), each column summing to one."""
    odds = np.exp(logits - logits.max(0))
    return odds / odds.sum(0)


def probabilities_with_place(
    question: Question, album: Album, tracks: Sequence[int], appearance_probs: Mapping[str, np.ndarray], side_px: int
) -> np.ndarray:
    """(N,) summing to one: how likely each track is meant, by its appearance and its place.

    appearance_probs: phrase -> (N,) summing to one; side_px: short side of the images that places are measured on.
    """
    own = (
        appearance_probs[question.referent.phrase]
        if question.referent.phrase
        else np.full(len(tracks), 1 / len(tracks))
    )
    if not question.referent.is_spatial:
        return own
    total, frames = np.zeros(len(tracks)), np.zeros(len(tracks))
    for page in album.pages.values():
        seen = [position for position, track_id in enumerate(tracks) if track_id in page.masks]
        size = page.image(side_px).shape[:2]
        boxes = np.array([page.box(tracks[position], (size[0], size[1])) for position in seen], np.float64)
        probs_on_page = {text: _shares(probs[seen]) for text, probs in appearance_probs.items()}
        shares = compose(question.referent, boxes, (size[0], size[1]), probs_on_page, SPARC.spatial)
        total[seen] += own[seen].sum() * shares
        frames[seen] += 1
    return _shares(total / np.maximum(frames, 1))


def _shares(masses: np.ndarray) -> np.ndarray:
    """(N,) normalised to sum to one; equal shares if all are 0."""
    total = masses.sum()
    return masses / total if total > 0 else np.full(len(masses), 1 / len(masses))
