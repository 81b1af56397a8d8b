"""The one type between models and their users: checked at birth, masks at any size, candidates of maps."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from image_core.answer import MAX_LOG_ODDS, Candidate, DenseMap, MaskAnswer, candidates_of, check_answers

ALL = np.ones((2, 2), bool)


def square(size: tuple[int, int], top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_a_mask_comes_back_as_it_is_and_at_other_sizes_where_it_was() -> None:
    mask = square((40, 60), 10, 20, 16)
    answer = MaskAnswer.of_mask(mask)
    assert np.array_equal(answer.mask((40, 60)), mask) and answer.presence == answer.score == 1
    assert np.array_equal(answer.mask((80, 120)), mask.repeat(2, 0).repeat(2, 1))
    (candidate,) = answer.candidates
    assert candidate.box_xyxy == (20, 10, 36, 26) and candidate.likelihood == candidate.quality == 1
    nothing = MaskAnswer.of_mask(np.zeros((4, 4), bool), presence=0.2)
    assert nothing.candidates == () and not nothing.mask((8, 8)).any()
    for size in ((0, 5), (4,)):
        with pytest.raises(ValueError, match=r"expected a size \(height, width\) of at least 1 px, got \("):
            answer.mask(size)  # type: ignore[arg-type]


@pytest.mark.parametrize(("presence", "shown"), [(0.5, True), (0.499, False), (1.0, True), (0.0, False)])
def test_below_the_threshold_of_presence_nothing_is_shown(presence: float, shown: bool) -> None:
    plain = MaskAnswer.of_mask(np.ones((2, 2), bool), presence)
    dense = MaskAnswer.of_map(DenseMap(np.ones((2, 2), np.float32)), presence, 1.0)
    for answer in (plain, dense):
        assert answer.mask((4, 4)).all() == answer.mask((4, 4)).any() == shown
        assert answer.mask((4, 4), presence_threshold=0.0).all()


def test_of_several_candidates_the_likely_ones_are_meant() -> None:
    size = (20, 30)
    first, second, third = (square(size, 4, left, 6) for left in (0, 10, 20))
    answer = MaskAnswer((Candidate(first, 0.9), Candidate(second, 0.5, 0.5), Candidate(third, 0.4)), presence=0.8)
    assert np.array_equal(answer.mask(size), first | second)
    log_odds = answer.log_odds(size)
    assert log_odds[5, 1] == pytest.approx(np.log(0.9 / 0.1), rel=1e-4)
    assert log_odds[5, 11] == pytest.approx(np.log(0.25 / 0.75), rel=1e-4)
    assert log_odds[0, 0] == pytest.approx(-MAX_LOG_ODDS, rel=1e-4) and log_odds.dtype == np.float32
    assert MaskAnswer.of_mask(first).log_odds(size)[5, 1] == pytest.approx(MAX_LOG_ODDS, rel=1e-4)


@pytest.mark.parametrize("size", [(48, 80), (37, 64), (480, 854), (5, 9)])
def test_the_left_half_of_the_cells_is_the_left_half_of_the_frame(size: tuple[int, int]) -> None:
    """A network's input keeps the picture's shape, so that its last cells are partly padding."""
    scale = 64 / max(size)
    valid = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    cells = -(-valid[0] // 4), -(-valid[1] // 4)
    logits = np.full(cells, -4.0, np.float32)
    logits[:, : valid[1] // 8] = 4.0
    mask = MaskAnswer.of_map(DenseMap(logits, 4, valid), 0.95, 0.75).mask(size)
    border = size[1] * (valid[1] // 8) * 4 / valid[1]
    assert mask.shape == size and mask.sum(1) == pytest.approx([border] * size[0], abs=1)


@pytest.mark.parametrize("valid", [(144, 192), (141, 192), (142, 189), (7, 192)])
def test_enlarging_has_no_shift(valid: tuple[int, int]) -> None:
    """A plane that rises linearly over the input comes back as the same plane, within half a cell at the border."""
    size, rows, columns = (289, 401), -(-valid[0] // 4), -(-valid[1] // 4)
    for axis in (0, 1):
        rising = (np.arange((rows, columns)[axis], dtype=np.float32) + 0.5) * 4
        plane = np.broadcast_to(rising[:, None] if axis == 0 else rising, (rows, columns)).astype(np.float32)
        restored = DenseMap(plane, 4, valid).at(size)
        assert restored.shape == size
        line = restored[:, 0] if axis == 0 else restored[0]
        scale = valid[axis] / size[axis]
        expected = (np.arange(size[axis]) + 0.5) * scale
        inner = (expected > 2) & (expected < valid[axis] - 2)
        assert np.abs(line - expected)[inner].max() < max(0.5, 0.5 * scale) + 1e-3


def test_candidates_of_a_map_are_its_regions_the_likeliest_first() -> None:
    logits = np.full((24, 40), -3.0, np.float32)
    logits[2:12, 2:12] = 0.5
    logits[2:8, 20:26] = 4.0
    logits[20, 38] = 9.0
    first, second = candidates_of(DenseMap(logits))
    assert first.box_xyxy == (20, 2, 26, 8) and second.box_xyxy == (2, 2, 12, 12), "the single cell is a crumb"
    assert first.likelihood > 0.98 > 0.63 > second.likelihood > 0.5
    assert (first.quality, second.quality) == (1.0, 0.0)
    assert candidates_of(DenseMap(np.full((4, 4), -1.0, np.float32))) == ()
    only = np.full((4, 4), -1.0, np.float32)
    only[1, 1] = 1.0
    assert len(candidates_of(DenseMap(only))) == 1, "a crumb is kept where there is nothing larger"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Candidate(np.zeros((2, 2))), r"Candidate.mask: expected bool \(h, w\), got float64 \(2, 2\)"),
        (lambda: Candidate(np.zeros((0, 2), bool)), r"got bool \(0, 2\)"),
        (lambda: MaskAnswer.of_mask(np.full((2, 2), 0.2, np.float32)), r"got float32 \(2, 2\): .*\(probs > 0.5\)"),
        (lambda: MaskAnswer((), None), "MaskAnswer.presence: expected a number from 0 to 1, got None"),  # type: ignore
        (lambda: MaskAnswer((), "0.5"), "MaskAnswer.presence: expected a number from 0 to 1, got '0.5'"),  # type: ignore
        (lambda: DenseMap(np.zeros((0, 4), np.float32)), r"DenseMap: expected float32 \(h, w\), got float32 \(0, 4\)"),
        (lambda: DenseMap(np.array([[0, np.nan]], np.float32)), "expected finite log-odds, got NaN or infinity"),
        (lambda: MaskAnswer((Candidate(ALL, 0.2), Candidate(ALL, 0.9)), 1.0), "expected the likeliest first"),
        (lambda: Candidate(np.ones((2, 2), bool), 1.2), "likelihood: expected a number from 0 to 1, got 1.2"),
        (lambda: Candidate(np.ones((2, 2), bool), 1.0, float("nan")), "quality: expected a number from 0 to 1"),
        (lambda: MaskAnswer((), -0.1), "presence: expected a number from 0 to 1"),
        (lambda: MaskAnswer((), 1.0, 3.0), "score: expected a number from 0 to 1"),
        (lambda: DenseMap(np.zeros((2, 2))), "expected float32"),
        (lambda: DenseMap(np.zeros((2, 2), np.float32), 4, (8, 9)), r"expected \(2, 3\) cells of 4 px"),
    ],
)
def test_answers_are_checked_at_birth(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("wrong", [None, 3, [np.zeros((2, 2), bool)], (a for a in ())])
def test_what_a_model_gives_has_to_be_answers(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"Mine.segment: expected a list of MaskAnswer, got"):
        check_answers(wrong, ["a"], "Mine")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="expected 2 answers, one an expression, got 1"):
        check_answers([MaskAnswer((), 0.0)], ["a", "b"], "Mine")


def test_an_answer_can_be_given_without_torch() -> None:
    code = (
        "import sys, numpy; from image_core.answer import MaskAnswer;"
        "MaskAnswer.of_mask(numpy.ones((4, 4), bool)).mask((8, 8)); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_numbers_of_another_framework_become_those_of_python() -> None:
    answer = MaskAnswer((Candidate(ALL, np.float32(0.5)),), torch.tensor(0.25), np.array(1.0))  # type: ignore
    assert [type(v) for v in (answer.presence, answer.score, answer.candidates[0].likelihood)] == [float] * 3
    assert answer.presence == 0.25
