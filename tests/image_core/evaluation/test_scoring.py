"""Scoring over a set of pictures, on four pictures of two by two pixels that a reader can score by eye."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from image_core.answer import MaskAnswer
from image_core.checkpoint import LoadedModel, Provenance
from image_core.errors import ConfigError
from image_core.evaluation.presence import collect_presence
from image_core.evaluation.samples import with_questions
from image_core.evaluation.scoring import evaluate_images, predict_with
from image_core.models.description import ModelConfig
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing
from image_core.sample import ImageSample
from image_core.segmenter import ImageSegmenter
from image_core.synthetic.dataset import SyntheticImages

EMPTY, TOP, LEFT, ALL = [[0, 0], [0, 0]], [[1, 1], [0, 0]], [[1, 0], [1, 0]], [[1, 1], [1, 1]]


def sample(index: int, truth: dict[str, list[list[int]]], families: tuple[str, ...] = ()) -> ImageSample:
    masks = np.array(list(truth.values()), bool).reshape(len(truth), 2, 2)
    image = np.full((2, 2, 3), index, np.uint8)
    return ImageSample(image, tuple(truth), masks, f"picture {index}", families)


SAMPLES = [
    sample(0, {"top": TOP, "nothing": EMPTY}, ("place", "none")),
    sample(1, {"left": LEFT}, ("place",)),
    sample(2, {"all": ALL, "gone": EMPTY, "both": ALL}, ("count", "none", "count")),
]


def answers(sample: ImageSample) -> list[MaskAnswer]:
    """One that reads: the mask its word names, and present unless the word is one of absence."""
    known = {"top": TOP, "left": TOP, "all": ALL, "both": ALL, "nothing": TOP, "gone": ALL}
    present = {"top": 0.9, "left": 0.5, "all": 0.8, "both": 0.4, "nothing": 0.1, "gone": 0.6}
    return [MaskAnswer.of_mask(np.array(known[word], bool), present[word], score=0.5) for word in sample.expressions]


def test_figures() -> None:
    report = evaluate_images(answers, SAMPLES)
    # top 2/2; left answered with the top: 1/3; all 4/4; both judged absent: 0/4
    assert report["expressions"] == 6 and report["targets"] == 4
    assert report["mIoU"] == pytest.approx((1 + 1 / 3 + 1 + 0) / 4)
    assert report["oIoU"] == pytest.approx((2 + 1 + 4 + 0) / (2 + 3 + 4 + 4))
    assert report["Pr@0.5"] == pytest.approx(2 / 4)
    assert report["N-acc"] == pytest.approx(1 / 2)  # "gone" was said to be there
    assert report["T-acc"] == pytest.approx(3 / 4)
    assert report["families"]["place"]["mIoU"] == pytest.approx(2 / 3)
    assert report["families"]["none"]["mIoU"] is None


def test_only_the_first_images_are_scored() -> None:
    assert evaluate_images(answers, SAMPLES, 1)["expressions"] == 2
    assert evaluate_images(answers, SAMPLES, 99)["expressions"] == 6
    assert [s.sample_id for s in with_questions(SAMPLES, 2)] == ["picture 0", "picture 1"]


def test_shuffled_expressions_are_those_of_the_next_image() -> None:
    shuffled = list(with_questions(SAMPLES, None, shuffled=True))
    assert [s.expressions for s in shuffled] == [("left", "left"), ("all",), ("top", "nothing", "top")]
    for own, other in zip(SAMPLES, shuffled, strict=True):  # pictures, truth and families stay
        assert other.sample_id == own.sample_id and other.families == own.families
        assert np.array_equal(other.masks, own.masks) and np.array_equal(other.image, own.image)
    assert [s.expressions for s in with_questions(SAMPLES, 2, shuffled=True)] == [("left", "left"), ("top",)]


def test_shuffled_figures_are_against_each_images_own_truth() -> None:
    seen: list[tuple[str, ...]] = []

    def remember(sample: ImageSample) -> Sequence[MaskAnswer]:
        seen.append(sample.expressions)
        return answers(sample)

    report = evaluate_images(remember, SAMPLES, shuffle_expressions=True)
    assert seen == [("left", "left"), ("all",), ("top", "nothing", "top")]
    # top asked as "left": 2/2; left asked as "all": 2/4; all asked as "top": 2/4, as "nothing" (absence): -, both: 2/4
    assert report["mIoU"] == pytest.approx((1 + 0.5 + 0.5 + 0.5) / 4)
    assert report["N-acc"] == pytest.approx(1 / 2)


def test_one_image_cannot_be_shuffled() -> None:
    with pytest.raises(ConfigError, match="expected 2 pictures or more, got 1"):
        list(with_questions(SAMPLES, 1, shuffled=True))


def test_images_without_expressions_are_left_out() -> None:
    assert [s.sample_id for s in with_questions([sample(7, {}), *SAMPLES], 2)] == ["picture 0"]


def test_shuffling_skips_images_without_expressions() -> None:
    silent = sample(7, {})
    came = list(with_questions([SAMPLES[0], silent, SAMPLES[1], silent], None, shuffled=True))
    assert [s.expressions for s in came] == [("left", "left"), ("top",)]
    with pytest.raises(ConfigError, match="expected 2 pictures or more with expressions, got 1 of 2"):
        list(with_questions([SAMPLES[0], silent], None, shuffled=True))


def test_predictions_must_be_as_many_as_expressions() -> None:
    with pytest.raises(ValueError):
        evaluate_images(lambda s: answers(s)[:1], SAMPLES)


@pytest.fixture(scope="module")
def tiny(tiny_spec: Callable[..., ModelConfig], preprocessing: Preprocessing) -> LoadedModel:
    torch.manual_seed(0)
    spec = tiny_spec(presence_head=True)
    return LoadedModel(build_model(spec), spec, preprocessing, Provenance())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_presence_is_collected_before_calibration(tiny: LoadedModel, precision) -> None:
    """Whatever calibration the model has, the logits are its own, sure ones too."""
    samples = SyntheticImages("val", 0, (32, 32), 3)
    segmenter = ImageSegmenter(tiny.model, tiny.preprocessing, precision=precision)
    plain, truth = collect_presence(segmenter, samples, 3)
    assert plain.shape == truth.shape == (sum(len(samples[i].expressions) for i in range(3)),)
    assert truth.tolist() == [bool(mask.any()) for i in range(3) for mask in samples[i].masks]
    model = segmenter.model
    try:
        model.presence_scale.fill_(2.0)
        model.presence_offset.fill_(15.0)
        calibrated, _ = collect_presence(segmenter, samples, 3)
    finally:
        model.presence_scale.fill_(1.0)
        model.presence_offset.fill_(0.0)
    np.testing.assert_allclose(calibrated, plain, atol=1e-6)


def test_predicting_with_a_segmenter_is_asking_it(tiny: LoadedModel) -> None:
    segmenter = ImageSegmenter(tiny.model, tiny.preprocessing)
    picture = SyntheticImages("val", 0, (32, 32), 2)[0]
    own = segmenter.segment(picture.image, picture.expressions)
    for a, b in zip(predict_with(segmenter)(picture), own, strict=True):
        assert np.array_equal(a.log_odds((32, 32)), b.log_odds((32, 32))) and a.presence == b.presence
