"""An image-text scorer that decides among tracks: SpARC over the frames of a film."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from image_core.weak.sparc import SparcConfig, question_of
from rvos.tracking.deciding.album import Album, AlbumConfig, Seen
from rvos.tracking.deciding.decision import Verdict
from rvos.tracking.deciding.similarity import Similarity, SimilarityConfig, probabilities_with_place
from rvos.types import Frame
from rvos.view.frame_view import view_of
from tests.rvos.tracking.deciding.film import film, results, session

SIZE = (60, 100)


class SeesColours:
    """Scores a picture by how red it is within its red box, for texts with "red" in them; others fit all alike."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    def scores(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
        self.asked.append((len(images), tuple(texts)))
        return np.array([[8 * redness(image) if "red" in text else 0.0 for text in texts] for image in images])


def redness(image: np.ndarray) -> float:
    """In [-1, 1], of what a box encloses whose lines are of the purest red."""
    line = (image == np.array((255, 0, 0))).all(-1)
    rows, columns = np.flatnonzero(line.any(1)), np.flatnonzero(line.any(0))
    inside = image[rows[0] + 2 : rows[-1] - 1, columns[0] + 2 : columns[-1] - 1].astype(float)
    return float((inside[..., 0] - inside[..., 2]).mean()) / 255


def asking(scorer: SeesColours, **numbers: float) -> Similarity:
    return Similarity(SimilarityConfig("model", **numbers), AlbumConfig(), lambda: scorer, dict)  # type: ignore[arg-type]


def test_what_the_words_fit_best_is_shown() -> None:
    """The image model takes the blue ball for meant."""
    scorer = SeesColours()
    begun = session(asking(scorer, frames=3))
    np.testing.assert_array_equal(np.stack([r.mask for r in results(begun)]), film().red)
    (told,) = begun.decision_document()
    assert told is not None and set(told["tracks"].values()) == {"accept", "reject"}
    assert sum(told["scores"].values()) == pytest.approx(1, abs=1e-3) and max(told["scores"].values()) > 0.9
    assert scorer.asked == [(3, ("a photo of the red ball",))] * 2


def test_tracks_with_similar_scores_are_all_shown_by_the_threshold() -> None:
    begun = session(asking(SeesColours()), expression="a ball")
    np.testing.assert_array_equal(np.stack([r.mask for r in results(begun)]), film().red | film().blue)
    begun = session(asking(SeesColours(), reject=0.0))
    assert set(begun.decision_document()[0]["tracks"].values()) == {"accept"}  # type: ignore[index]


def album_of(frames: Sequence[dict[int, int]]) -> Album:
    """An album of squares: of each frame track id -> the column of its left side."""
    album = Album()
    for index, tracks in enumerate(frames):
        seen = []
        for track_id, left in tracks.items():
            mask = np.zeros(SIZE, bool)
            mask[20:32, left : left + 12] = True
            seen.append(Seen(track_id, mask, 1.0, index + 1))
        image = np.full((*SIZE, 3), 90, np.uint8)
        album = album.after(view_of(Frame(index, index / 25, image), None), seen, AlbumConfig())
    return album


@pytest.mark.parametrize(
    ("expression", "scores"),
    [("the leftmost ball", [1.0, 0.0]), ("the ball on the right", [0.0, 1.0]), ("a ball", [0.5, 0.5])],
)
def test_places_are_judged_among_the_tracks_of_one_frame(expression: str, scores: list[float]) -> None:
    album, question = album_of([{1: 10, 2: 60}, {1: 20, 2: 70}, {1: 30, 2: 80}]), question_of(expression, SparcConfig())
    looks = {text: np.array([0.5, 0.5]) for text in question.texts}
    np.testing.assert_allclose(probabilities_with_place(question, album, [1, 2], looks, 60), scores)


def test_a_track_that_is_alone_on_its_frames_gains_nothing_by_that() -> None:
    """Of track 3, which nothing speaks for, there are no frames with the others."""
    album, question = album_of([{1: 10, 2: 60}, {1: 20, 2: 70}, {3: 50}]), question_of("the left ball", SparcConfig())
    looks = {text: np.array([0.6, 0.3, 0.1]) for text in question.texts}
    np.testing.assert_allclose(probabilities_with_place(question, album, [1, 2, 3], looks, 60), [0.9, 0.0, 0.1])


def test_a_landmark_counts() -> None:
    """ "red" is the landmark; the ball near it is meant, and not the one that is as red as nothing."""
    album = album_of([{1: 5, 2: 80, 3: 64}] * 3)
    question = question_of("the ball near the red box", SparcConfig())
    looks = {text: np.array([0.05, 0.9, 0.05] if "red" in text else [0.4, 0.2, 0.4]) for text in question.texts}
    scores = probabilities_with_place(question, album, [1, 2, 3], looks, 60)
    assert scores.argmax() == 2


def test_an_album_without_tracks_is_left_to_the_rules() -> None:
    assert asking(SeesColours()).decide("the red ball", Album()) is None


def test_a_scorer_that_gives_no_numbers_is_a_fault_of_its_own() -> None:
    class Broken:
        def scores(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
            return np.full((len(images), len(texts)), np.nan)

    with pytest.raises(ValueError, match="expected finite scores of shape"):
        asking(Broken()).decide("the red ball", album_of([{1: 10}]))  # type: ignore[arg-type]


def test_one_track_is_accepted_whatever_fits() -> None:
    decision = asking(SeesColours()).decide("the red ball", album_of([{4: 10}]))
    assert decision is not None and decision.verdicts == {4: Verdict.ACCEPT}
