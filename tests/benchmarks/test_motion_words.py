"""The benchmark of words of motion: what true masks are asked, and what its figures are means of."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.few_masks import motion_coverage
from benchmarks.gain import motion_words
from rvos.synthetic.dataset import SyntheticVideos
from rvos.synthetic.motion_meanings import MotionMeaning


def test_true_masks_are_those_of_every_object_that_the_still_part_fits() -> None:
    videos = SyntheticVideos("val", 0, size=(72, 128))
    described = videos.describe(11)
    (number,) = [e for e, expression in enumerate(described.expressions) if expression.kind == "motion"]
    meaning = described.meanings[number]
    assert isinstance(meaning, MotionMeaning)
    whole = videos[11]
    sample = type(whole)(whole.video_id, whole.frames, whole.rate, (whole.expressions[number],), whole.tracks)
    clip = motion_words.clip_of_true_masks(sample, described, [number])
    ((question, answers),) = clip.recorded.items()
    assert question == "the circles" and len(answers) == len(sample.frames)
    fits = {actor.item.id for actor in described.animation.objects if meaning.of.fits(actor.item)}
    for track, answer in zip(sample.tracks, answers, strict=True):
        assert {int(np.unique(track[c.mask]).item()) for c in answer.candidates} == fits & set(np.unique(track))


def test_identity_is_the_share_of_visible_frames_with_the_target_on_most_of_what_is_shown() -> None:
    videos = SyntheticVideos("val", 0, size=(72, 128))
    sample = videos[11]
    truth = sample.mask(0)
    visible = truth.any((1, 2))
    assert motion_words.identity(sample, 0, list(truth)) == 1.0
    wrong = [~mask if t % 2 else mask for t, mask in enumerate(truth)]
    expected = np.mean([t % 2 == 0 for t in np.flatnonzero(visible)])
    assert motion_words.identity(sample, 0, wrong) == pytest.approx(expected)


def test_figures_are_means_over_expressions_that_have_them() -> None:
    about = {"model": "embedded", "system": "tracks", "verb": "left", "family": "plain"}
    rows = [
        about | {"J&F": 0.5, "identity": 1.0, "N-acc": None, "T-acc": 1.0},
        about | {"J&F": None, "identity": None, "N-acc": 0.25, "T-acc": None},
    ]
    figures = motion_words.report(rows)["embedded"]["tracks"]
    assert {k: figures[k] for k in ("J&F", "N-acc", "expressions", "with_target")} == {
        "J&F": 0.5, "N-acc": 0.25, "expressions": 2, "with_target": 1
    }  # fmt: skip
    assert figures["verbs"]["left"]["J&F"] == 0.5 and figures["families"]["absent"]["J&F"] is None


def test_the_sample_that_is_judged_is_of_the_held_out_half_and_stays() -> None:
    texts = [f"the car number {i} moving left" if i % 3 else f"the car number {i}" for i in range(300)]
    drawn = motion_coverage.sampled(texts, 0)
    assert len(drawn) == motion_coverage.SAMPLE and {one.text for one in drawn} <= set(texts[1::2])
    fewer = motion_coverage.sampled([text for text in texts if text != texts[200]], 0)
    assert drawn == motion_coverage.sampled(texts, 0) and len(fewer) == motion_coverage.SAMPLE
    assert motion_coverage.figures(texts)["share"]["measured_alone"] == pytest.approx(2 / 3, abs=0.01)
