"""Words of motion decide among tracks: in one pass and in two, over snapshots and cuts, with one question for
expressions of the same still part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from image_core.answer import Candidate, MaskAnswer
from image_core.language.motion_parser import parse_timed
from rvos import VideoSegmenter
from rvos.parts import tracker_config
from rvos.run.job import Job, run
from rvos.tracking.belief.meaning import MeaningConfig
from rvos.tracking.motion.motion_scorer import MotionMemory, MotionScorer, MotionScorerConfig
from rvos.types import Frame, FrameResult
from rvos.watch.stream import process

HEIGHT, WIDTH, FRAMES = 96, 192, 24
Boxes = dict[str, tuple[int, int]]
"""Name of a ball -> (x, y) of its corner."""


def balls_on(t: int) -> Boxes:
    """Three balls: one goes left, one right, and one stays."""
    return {"left": (140 - 4 * t, 8), "right": (20 + 4 * t, 38), "still": (90, 70)}


class AllBalls:
    """Draws every ball as it is, whatever it is asked, and keeps what that was."""

    def __init__(self, first: str = "still") -> None:
        self.asked: list[list[str]] = []
        self.first = first

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        self.asked.append(list(expressions))
        masks = [image[..., 0] == value for value in sorted(set(np.unique(image[..., 0])) & {201, 202, 203})]
        likelihoods = [0.9 if i == 2 else 0.8 for i in range(len(masks))]
        candidates = sorted(
            (Candidate(m, p, 1.0) for m, p in zip(masks, likelihoods, strict=True)), key=lambda c: -c.likelihood
        )
        return [MaskAnswer(tuple(candidates), 1.0 if masks else 0.0, 1.0) for _ in expressions]


def rendered(frames: int = FRAMES, pan: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(T, H, W, 3) uint8, and of each ball (T, H, W) bool. pan: pixels a frame that the camera goes right."""
    noise = np.random.default_rng(5).normal(0, 1, (HEIGHT, WIDTH + 400, 3)).astype(np.float32)
    ground = np.clip(cv2.GaussianBlur(noise, (0, 0), 1.5) * 60 + 100, 0, 190).astype(np.uint8)
    images, truth = [], {name: np.zeros((frames, HEIGHT, WIDTH), bool) for name in balls_on(0)}
    for t in range(frames):
        image = ground[:, pan * t : pan * t + WIDTH].copy()
        for value, (name, (x, y)) in enumerate(balls_on(t).items(), 201):
            x -= pan * t
            disc = np.zeros((HEIGHT, WIDTH), np.uint8)
            cv2.circle(disc, (x + 10, y + 10), 10, 1, -1)
            truth[name][t] = disc > 0
            image[disc > 0] = (value, 40, 40 + 60 * (value - 201))
        images.append(image)
    return np.stack(images), truth


def answered(images: np.ndarray, expressions: Sequence[str], **numbers: Any) -> list[list[FrameResult]]:
    """E lists of T results."""
    segmenter = VideoSegmenter(AllBalls(), tracker=tracker_config("tracks", **numbers))
    return [list(of_one) for of_one in zip(*(r for _, r in segmenter.stream(images, expressions)), strict=True)]


def share_right(results: Sequence[FrameResult], truth: np.ndarray) -> float:
    return float(np.mean([np.array_equal(r.mask, mask) for r, mask in zip(results, truth, strict=True)]))


@pytest.mark.parametrize("name", ["left", "right", "still"])
@pytest.mark.parametrize("pan", [0, 2], ids=["still camera", "pan"])
def test_two_passes_are_right_from_the_first_frame(name: str, pan: int) -> None:
    images, truth = rendered(pan=pan)
    expression_of = {
        "left": "the ball moving left",
        "right": "the ball going right",
        "still": "the ball that does not move",
    }
    (results,) = answered(images, [expression_of[name]], both_ways=True)
    assert share_right(results, truth[name]) == 1.0


@pytest.mark.parametrize("name", ["left", "right"])
def test_one_pass_selects_the_target_after_some_frames(name: str) -> None:
    images, truth = rendered()
    (results,) = answered(images, [f"the ball moving {name}"])
    assert share_right(results[8:], truth[name][8:]) == 1.0
    (late,) = answered(images, [f"the ball moving {name}"], lookahead=8)
    assert share_right(late, truth[name]) >= share_right(results, truth[name])
    assert share_right(late, truth[name]) == 1.0


def test_all_tracks_that_move_so_are_shown_if_several_are_meant() -> None:
    images, truth = rendered()
    moving, all_still = answered(images, ["the two balls that move", "the balls that stand still"], both_ways=True)
    assert share_right(moving, truth["left"] | truth["right"]) == 1.0
    assert share_right(all_still, truth["still"]) == 1.0


def test_nothing_is_shown_if_no_track_moves_so() -> None:
    images, _ = rendered()
    (results,) = answered(images, ["the ball moving up"], both_ways=True)
    assert not any(result.present for result in results)


def test_expressions_with_the_same_still_part_share_one_question(tmp_path: Path) -> None:
    images, truth = rendered()
    model = AllBalls()
    expressions = ["the ball moving left", "the ball moving right"]
    segmenter = VideoSegmenter(model, tracker=tracker_config("tracks", both_ways=True))
    stepped = [results for _, results in segmenter.stream(images, expressions)]
    assert model.asked == [["the ball"]] * (2 * FRAMES)
    for row, name in enumerate(("left", "right")):
        assert share_right([results[row] for results in stepped], truth[name]) == 1.0
    source = tmp_path / "frames"
    source.mkdir()
    for t, image in enumerate(images):
        cv2.imwrite(str(source / f"{t:05d}.png"), image[..., ::-1])
    report = run(Job(source=str(source), expressions=tuple(expressions), out=tmp_path / "out"), segmenter)
    assert report.result["expressions"] == expressions
    understood = json.loads(json.dumps(report.result["understood"]))
    assert understood[0] == {
        "still": "the ball",
        "asked": "the ball",
        "motions": [{"action": "goes", "direction": "left"}],
    }


def test_other_trackers_ask_the_model_the_whole_text() -> None:
    images, _ = rendered(2)
    model = AllBalls()
    list(VideoSegmenter(model, tracker="none").stream(images, ["the ball moving left"]))
    assert model.asked == [["the ball moving left"]] * 2


@pytest.mark.parametrize("numbers", [{}, {"lookahead": 3}, {"both_ways": True}], ids=["causal", "late", "both ways"])
@pytest.mark.parametrize("at", [3, 11])
def test_results_are_the_same_after_an_interruption(at: int, numbers: dict[str, Any]) -> None:
    images, _ = rendered()
    frames = [Frame(t, t / 25, image) for t, image in enumerate(images)]
    segmenter = VideoSegmenter(AllBalls(), tracker=tracker_config("tracks", **numbers))

    def session() -> Any:
        begun = segmenter.session(["the ball moving left", "the balls that move"])
        if begun.both_ways:
            for frame in frames:
                begun.step(frame)
            begun.rewind()
        return begun

    whole = [results for _, results in process(session(), frames)]
    first = session()
    early = [results for frame in frames[:at] if (results := first.step(frame))]
    restored = segmenter.session(["the ball moving left", "the balls that move"])
    restored.restore(first.snapshot())
    parts = early + [results for frame in frames[at:] if (results := restored.step(frame))] + restored.finish()
    assert len(parts) == len(whole)
    for one, other in zip(parts, whole, strict=True):
        assert all(np.array_equal(a.mask, b.mask) and a.presence == b.presence for a, b in zip(one, other, strict=True))


def test_an_unconfirmed_track_does_not_hide_others() -> None:
    words, memory = parse_timed("the ball moving left"), MotionMemory(log_odds={1: 1.0, 2: 3.0})
    scorer = MotionScorer(MotionScorerConfig(), MeaningConfig())
    assert scorer.select(words, memory, {1}, unconfirmed={2}) == {1}, "track 2 was drawn once and may be nothing"


def test_a_cut_is_not_measured_as_motion() -> None:
    """The still ball lies elsewhere in the second scene: it has not moved there."""
    images, truth = rendered(12)
    other = np.ascontiguousarray(images[::-1, ::-1, ::-1])  # played backwards and turned: left stays left
    both_scenes = np.concatenate([images, other])
    (results,) = answered(both_scenes, ["the ball that does not move"], both_ways=True)
    wanted = np.concatenate([truth["still"], truth["still"][::-1, ::-1, ::-1]])
    assert share_right(results, wanted) >= 0.9
