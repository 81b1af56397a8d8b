"""A stand-in for a multimodal model that decides among tracks by the truth: what is lost with it is due to the tracks
and the questions."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from benchmarks.gain.clip import Clip
from benchmarks.gain.oracles import LEAST_SHARED
from image_core.answer import Candidate, MaskAnswer
from image_core.geometry.masks import resize_masks
from image_core.language.motion_parser import parse_timed
from rvos.synthetic.dataset import VideoSample
from rvos.tracking.deciding.outlines import colour_of

ALIKE = 12.0
"""Mean difference, of 255, below which two images count as the same frame: one of them has outlines and numbers."""
THUMB = (72, 40)


def lies_on(mask: np.ndarray, target: np.ndarray) -> bool:
    """Whether two masks (H, W) bool share at least `LEAST_SHARED` of the smaller one, as for the oracle
    `true_identity`."""
    smaller = min(np.count_nonzero(mask), np.count_nonzero(target))
    return bool(smaller and np.count_nonzero(mask & target) >= LEAST_SHARED * smaller)


class TruthModel:
    """Answers like a perfect multimodal model: it finds the numbered outlines in the images, and accepts those that lie
    on the target.

    images: (T, H, W, 3) uint8 RGB; truth_of: expression -> (T, H, W) bool.
    """

    def __init__(self, images: np.ndarray, truth_of: Callable[[str], np.ndarray]) -> None:
        self._thumbs = np.stack([_thumb(image) for image in images])
        self._truth_of = truth_of

    def answer(self, images: Sequence[np.ndarray], question: str, most_tokens: int) -> str:
        """One JSON object with a verdict for each number of the question."""
        match = re.search(r'"(?P<expression>[^"]*)"[?]', question)
        form = re.search(r"[{](?P<numbers>[^}]*)[}]", question)
        if match is None or form is None:
            raise ValueError(f"TruthModel: expected an expression and numbers in the question, got {question!r}")
        truth = self._truth_of(match["expression"])
        numbers = [int(number) for number in re.findall(r'"([0-9]+)"', form["numbers"])]
        hits: dict[int, list[bool]] = {number: [] for number in numbers}
        for image in images:
            frame = self._frame_of(image)
            if frame is None:  # a close-up
                continue
            target = resize_masks(truth[frame][None], image.shape[:2])[0]
            for number in numbers:
                region = inside_outline(image, number)
                if region is not None:
                    hits[number].append(lies_on(region, target))
        return json.dumps({str(number): _verdict(seen) for number, seen in hits.items()})

    def _frame_of(self, image: np.ndarray) -> int | None:
        differences = np.abs(self._thumbs - _thumb(image)).mean((1, 2, 3))
        best = int(differences.argmin())
        return best if differences[best] < ALIKE else None


def _verdict(hits: Sequence[bool]) -> str:
    return "unsure" if not hits else "accept" if 2 * sum(hits) >= len(hits) else "reject"


def inside_outline(image: np.ndarray, number: int) -> np.ndarray | None:
    """(h, w) bool: the region inside the outline of a number; None without such an outline."""
    line = (image == np.array(colour_of(number)[1], np.uint8)).all(-1)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(line.astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    boxes = stats[1:, cv2.CC_STAT_WIDTH] * stats[1:, cv2.CC_STAT_HEIGHT]
    outline = labels == 1 + int(np.argmax(boxes))
    closed = cv2.morphologyEx(outline.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(closed), contours, -1, 1, cv2.FILLED)
    region = (filled > 0) & ~outline
    return region if region.any() else None


def _thumb(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, THUMB, interpolation=cv2.INTER_AREA).astype(np.float32)


def all_objects(sample: VideoSample) -> Clip:
    """A clip with an image model that returns every object's true mask and does not know which is meant: likelihoods
    are random, one per object, video and expression."""
    random = np.random.default_rng(zlib.crc32(sample.video_id.encode()))
    ids = [int(i) for i in np.unique(sample.tracks) if i]
    likelihoods = random.uniform(0.5, 1.0, (len(sample.expressions), len(ids)))
    rows = []
    for track in sample.tracks:
        seen = [(position, track == i) for position, i in enumerate(ids) if (track == i).any()]
        answers = []
        for of_expression in likelihoods:
            candidates = [Candidate(mask, float(of_expression[position])) for position, mask in seen]
            candidates.sort(key=lambda candidate: -candidate.likelihood)
            answers.append(MaskAnswer(tuple(candidates), 0.9 if candidates else 0.1))
        rows.append(tuple(answers))
    answers_of: dict[str, tuple[MaskAnswer, ...]] = {}
    for expression, answers in zip(sample.expressions, zip(*rows, strict=True), strict=True):
        for question in (expression.text, parse_timed(expression.text).candidate_query):
            answers_of.setdefault(question, answers)
    return Clip(sample, answers_of, 0.0)


def truths(masks: Mapping[str, np.ndarray]) -> Callable[[str], np.ndarray]:
    """A function from an expression, also one whose quotation marks were changed in the question, to its true masks."""
    known = {text.replace('"', "'"): mask for text, mask in masks.items()}
    return lambda expression: known[expression.replace('"', "'")]
