"""The parts of training by hand: settings, batches, the log, presence calibration."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from image_core.errors import ConfigError, DamagedError, DataError
from image_core.sample import ImageSample
from image_core.synthetic.dataset import SyntheticImages
from image_core.training.batches import StepBatches, TrainingBatches, loader, pick_expressions, shuffled_index
from image_core.training.calibration import fit_presence
from image_core.training.config import TRAINING, DataConfig, OptimiserConfig, TrainConfig
from image_core.training.log import TrainingLog, read_log

MakeSettings = Callable[..., TrainConfig]

# ---------------------------------------------------------------------------------------------- settings


def test_sizes_over_a_run(tiny_settings: MakeSettings) -> None:
    settings = tiny_settings(steps=10, sizes=((0.0, 32), (0.25, 64), (0.6, 96)))
    assert [settings.size_px(step) for step in range(10)] == [32] * 3 + [64] * 3 + [96] * 4
    assert {tiny_settings(steps=10).size_px(step) for step in range(10)} == {32}


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"steps": 0}, ["steps, batch_images, log_every", "warmup_steps: expected 0 to less than steps (0), got 3"]),
        (
            {"eval_images": 0, "ema": 1.0, "workers": -1},
            ["eval_images: expected at least 1", "ema: expected 0 (off) to below 1, got 1.0", "got -1 and 0"],
        ),
        ({"seed": -1}, ["workers and seed: expected 0 or more, got 0 and -1"]),
        ({"precision": "fp16"}, ["precision: expected one of auto, fp32, bf16, got fp16"]),
        ({"sizes": ((0.1, 32),)}, ["sizes: expected shares that rise from 0 to below 1, got [0.1]"]),
        (
            {"sizes": ((0.0, 32), (0.5, 64), (0.4, 32))},
            ["sizes: expected shares that rise from 0 to below 1, got [0.0, 0.5, 0.4]"],
        ),
        ({"sizes": ((0.0, 32), (1.0, 64))}, ["shares that rise from 0 to below 1"]),
        ({"sizes": ((0.0, 40), (0.5, 0))}, ["sizes: expected pixels in multiples of 32, got [40, 0]"]),
        ({"sizes": (96,)}, ["sizes: expected pairs [share of the run, pixels], got (96,)"]),
        ({"sizes": ((0.0,),)}, ["expected pairs"]),
        (
            {"optimiser": OptimiserConfig(decay="cosin")},  # type: ignore[arg-type]
            ["optimiser.decay: expected one of cosine, poly, steps, constant, got cosin"],
        ),
        ({"optimiser": OptimiserConfig(lr=0.0)}, ["expected lr and eps above 0"]),
        (
            {"optimiser": OptimiserConfig(decay="steps")},
            ["optimiser.drops: expected shares with decay=steps, and none without, got () with steps"],
        ),
        ({"optimiser": OptimiserConfig(decay="steps", drops=(0.9, 0.5))}, ["rise between 0 and 1, got (0.9, 0.5)"]),
        ({"data": DataConfig(expressions_per_image=0)}, ["expressions_per_image: expected 1 or more, got 0"]),
        ({"data": DataConfig(images=0)}, ["data.images: expected 1 or more, got 0"]),
        (
            {"data": DataConfig("refcoco", "x", images=5)},
            ["data.images: expected data.name=synthetic with it, got refcoco"],
        ),
        ({"data": DataConfig(labels=0.0, images=5)}, ["data.labels: expected a share above 0 and up to 1, got 0.0"]),
        ({"data": DataConfig(labels=1.5, images=5)}, ["data.labels: expected a share above 0 and up to 1, got 1.5"]),
        ({"data": DataConfig(labels=0.1)}, ["data.labels: expected 1 for endless synthetic pictures, got 0.1"]),
        ({"data": DataConfig("refcoco")}, ["data.root: expected a folder for data.name=refcoco, got null"]),
    ],
)
def test_contradictions_are_reported_together(
    tiny_settings: MakeSettings, changes: dict[str, Any], messages: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        tiny_settings(**changes)
    assert all(message in str(error.value) for message in messages), str(error.value)
    assert "\n" not in str(error.value)


def test_settings_that_may_change_during_a_run(tiny_settings: MakeSettings, tmp_path: Path) -> None:
    def plain(settings: TrainConfig) -> dict[str, Any]:
        return json.loads(json.dumps(settings.to_dict()))

    settings = tiny_settings()
    free = tiny_settings(
        out=tmp_path / "moved", device="auto", workers=3, log_every=2, save_every=2, eval_every=3, eval_images=9
    )
    assert TRAINING.differing(plain(settings), plain(free)) == []
    other = tiny_settings(
        seed=1, optimiser=replace(settings.optimiser, lr=1.0, clip=0.0), model=replace(settings.model, config={})
    )
    differing = TRAINING.differing(plain(settings), plain(other))
    assert [key for key in differing if not key.startswith("model.config.")] == [
        "optimiser.clip",
        "optimiser.lr",
        "seed",
    ]
    assert "model.config.heads" in differing


# ---------------------------------------------------------------------------------------------- batches


def test_a_batch_is_a_function_of_seed_and_step(tiny_settings: MakeSettings) -> None:
    settings = tiny_settings(batch_images=4, data=DataConfig(expressions_per_image=2, augment=True))
    samples = SyntheticImages("train", 0, (32, 32), 4)
    one, again = (TrainingBatches(samples, settings)[5] for _ in range(2))
    assert one.expressions == again.expressions and torch.equal(one.images, again.images)
    assert torch.equal(one.masks, again.masks) and len(one) == 8
    other_step = TrainingBatches(samples, settings)[6]
    other_seed = TrainingBatches(samples, replace(settings, seed=1))[5]
    assert other_step.expressions != one.expressions != other_seed.expressions


@pytest.mark.parametrize("world", [2, 4])
def test_several_processes_see_the_batch_of_one(tiny_settings: MakeSettings, world: int) -> None:
    settings = tiny_settings(batch_images=4)
    samples = SyntheticImages("train", 0, (32, 32), 3)
    alone = TrainingBatches(samples, settings)[3]
    shares = [TrainingBatches(samples, settings, rank, world)[3] for rank in range(world)]
    assert torch.equal(torch.cat([share.images for share in shares]), alone.images)
    assert torch.equal(torch.cat([share.masks for share in shares]), alone.masks)
    assert sum((share.expressions for share in shares), ()) == alone.expressions


def test_a_batch_that_cannot_be_shared(tiny_settings: MakeSettings) -> None:
    with pytest.raises(ConfigError, match="batch_images: expected a multiple of the 3 processes, got 2"):
        TrainingBatches(SyntheticImages(), tiny_settings(), rank=0, world=3)


def test_batches_have_the_size_of_their_step(tiny_settings: MakeSettings) -> None:
    settings = tiny_settings(steps=4, sizes=((0.0, 32), (0.5, 64)), optimiser=OptimiserConfig())
    batches = TrainingBatches(SyntheticImages("train", 0, (64, 64)), settings)
    assert [tuple(batches[step].images.shape[2:]) for step in range(4)] == [(32, 32)] * 2 + [(64, 64)] * 2


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_gives_the_steps_that_are_left_in_order(tiny_settings: MakeSettings, workers: int) -> None:
    settings = tiny_settings(steps=9, workers=workers)
    batches = TrainingBatches(SyntheticImages("train", 0, (32, 32)), settings)
    parts = StepBatches({"": batches})
    assert [b[""].expressions for b in loader(parts, 6)] == [batches[step].expressions for step in (6, 7, 8)]
    assert list(loader(parts, 9)) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_data_keeps_its_message(tiny_settings: MakeSettings, workers: int) -> None:
    class Broken(SyntheticImages):
        def __getitem__(self, index: int) -> ImageSample:
            raise DataError("picture 7: cannot be read; fetch it again")

    parts = StepBatches({"": TrainingBatches(Broken("train", 0, (32, 32)), tiny_settings(workers=workers))})
    with pytest.raises(DataError, match=r"^picture 7: cannot be read; fetch it again$"):
        next(iter(loader(parts, 0)))


def test_finite_data_is_shuffled_anew_every_pass() -> None:
    passes = [[shuffled_index(position, 7, seed=3) for position in range(7 * k, 7 * k + 7)] for k in range(3)]
    assert all(sorted(indices) == list(range(7)) for indices in passes)
    assert passes[0] != passes[1] != passes[2]
    assert [shuffled_index(p, 10**9, 0) for p in (0, 5, 123_456)] == [0, 5, 123_456]  # endless data is random already


def test_expressions_are_drawn_with_what_belongs_to_them() -> None:
    masks = np.arange(5)[:, None, None] == np.arange(5)[None, None, :]
    names = tuple("abcde")
    sample = ImageSample(np.zeros((1, 5, 3), np.uint8), names, masks, "s", tuple("ABCDE"))
    rng = np.random.default_rng(0)
    drawn = set()
    for _ in range(60):
        picked = pick_expressions(sample, 2, rng)
        assert len(set(picked.expressions)) == 2
        for i, name in enumerate(picked.expressions):
            assert picked.families[i] == name.upper() and picked.masks[i, 0].tolist().index(True) == names.index(name)
            assert picked.expression_ids[i] == f"s_{names.index(name)}"
        drawn.add(picked.expressions)
    assert len(drawn) == 10  # every pair turns up
    assert pick_expressions(sample, 5, rng) is sample


# ---------------------------------------------------------------------------------------------- log


def test_the_log_forgets_what_is_repeated(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, 0)
    for step in (1, 2, 3):
        log.training(step, 9, {"loss": torch.tensor(1 / step)}, 0.1, 2.0)
    log.validation(2, {"mIoU": 0.25})
    log.validation(3, {"mIoU": 0.5})
    with log.path.open("a") as file:
        file.write('{"step": 4, "kind": "tra')  # a kill in the middle of a line
    assert [line["step"] for line in read_log(log.path)] == [1, 2, 3, 2, 3]
    resumed = TrainingLog(tmp_path, 2)
    lines = read_log(log.path)
    assert [(line["step"], line["kind"]) for line in lines] == [(1, "train"), (2, "train"), (2, "validation")]
    assert lines[1] == {"step": 2, "kind": "train", "loss": 0.5, "lr": 0.1, "images_per_s": 2.0}
    assert resumed.validated == {2} and TrainingLog(tmp_path, 1).validated == set()
    assert read_log(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("line", [b"{", b"\xff", b"5", b'{"step": 1}'])
def test_a_damaged_line_of_the_log_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "log.jsonl").write_bytes(b'{"step": 1, "kind": "train"}\n' + line + b"\n")
    with pytest.raises(DamagedError, match=r"log.jsonl, line 2: .*remove the line, or the run's folder"):
        TrainingLog(tmp_path, 1)


def test_the_curves_are_drawn(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, 0)
    for step in range(1, 30):
        log.training(step, 30, {"dice": torch.tensor(1 / step), "loss": torch.tensor(2 / step)}, 0.1, 2.0)
    log.validation(29, {"mIoU": 0.5, "N-acc": 0.75})
    picture = cv2.imread(str(log.curves))
    assert picture is not None and picture.shape[0] > 300 and picture.shape[1] > 800
    coloured = np.ptp(picture.astype(int), axis=2) > 60
    left, right = np.array_split(coloured, 2, axis=1)
    assert left.sum() > 300 and right.sum() > 30  # two lines of losses; two points of validation


# ---------------------------------------------------------------------------------------------- calibration


def kept_and_refused(logits: np.ndarray, has_target: np.ndarray, scale: float, offset: float) -> tuple[float, float]:
    """Share of targets found and of absences found at probability 0.5, as a model computes them: in float32 buffers."""
    found = torch.tensor(logits) * torch.tensor(scale) + torch.tensor(offset) >= 0
    truth = torch.tensor(has_target)
    return found[truth].double().mean().item(), (~found)[~truth].double().mean().item()


@pytest.mark.parametrize("keep", [0.5, 0.96])
def test_calibration_records_the_odds_of_its_probability(keep: float) -> None:
    """Draw absences anew until there are the odds that it tells: in every tenth of presence that share has a target."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 40_000)
    has_target = rng.random(40_000) < 1 / (1 + np.exp(-(1.5 * logits - 0.7)))
    scale, offset, odds = fit_presence(logits, has_target, keep)
    assert scale == pytest.approx(1.5, rel=0.05) and odds is not None
    assert kept_and_refused(logits, has_target, scale, offset)[0] == pytest.approx(keep, abs=0.002)
    presence = 1 / (1 + np.exp(-(scale * logits + offset)))
    weight = np.where(has_target, odds * (~has_target).sum() / has_target.sum(), 1.0)
    for low in np.arange(10) / 10:
        inside = (presence >= low) & (presence < low + 0.1)
        share = weight[inside & has_target].sum() / weight[inside].sum()
        assert share == pytest.approx(presence[inside].mean(), abs=0.06), low


def test_calibration_of_classes_that_are_apart() -> None:
    logits = np.array([-7.0, -6.5, -6.0, -5.5, 1.0, 1.5, 2.0, 2.5])  # the raw threshold of 0 is right by luck
    for moved in (-20.0, 0.0, 30.0):
        scale, offset, _ = fit_presence(logits + moved, logits > 0)
        assert kept_and_refused(logits + moved, logits > 0, scale, offset) == (1.0, 1.0)
        assert abs(-offset / scale - (-2.25 + moved)) < 1.5  # the threshold lies between them


@pytest.mark.parametrize("count", [3, 10, 25, 26, 100, 333])
@pytest.mark.parametrize("seed", range(4))
def test_calibration_keeps_the_share_it_promises(count: int, seed: int) -> None:
    rng = np.random.default_rng((seed, count))
    has_target = np.arange(2 * count) < count
    logits = rng.normal(0, 1, 2 * count) * rng.choice([0.01, 1, 50]) + 2 * has_target + rng.choice([-30, 0, 5])
    with np.errstate(all="raise", under="ignore"):
        scale, offset, _ = fit_presence(logits, has_target)
    assert math.isfinite(scale) and math.isfinite(offset) and scale > 0
    if (scale, offset) != (1.0, 0.0):
        assert kept_and_refused(logits, has_target, scale, offset)[0] >= 0.96


def test_calibration_does_not_give_away_what_it_need_not() -> None:
    """One target in fifty far below the rest is lost, and the absences between are refused."""
    logits = np.concatenate([np.full(49, 4.0), [-9.0], np.full(50, -3.0)])
    has_target = np.arange(100) < 50
    scale, offset, _ = fit_presence(logits, has_target)
    assert kept_and_refused(logits, has_target, scale, offset) == (0.98, 1.0)


def test_calibration_of_few_and_very_sure_targets_does_not_run_away() -> None:
    """Undamped Newton steps end at a scale of 10^6 here, and every probability at 0 or 1."""
    has_target = np.arange(200) < 20
    logits = np.where(has_target, 20.0, 0.0) + np.linspace(-2, 2, 200)[np.argsort(np.sin(np.arange(200)))]
    logits[0] *= 50
    with np.errstate(all="raise", under="ignore"):
        scale, offset, _ = fit_presence(logits, has_target)
    assert 0 < scale < 10 and kept_and_refused(logits, has_target, scale, offset) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("logits", "has_target"),
    [
        ([1.0, 2.0], [True, True]),
        ([1.0, 2.0], [False, False]),
        ([], []),
        ([0.0, 0.0, 0.0], [True, False, True]),  # a head that says one thing
        ([-1.0, -2.0, 1.0, 2.0], [True, True, False, False]),  # a head that has it backwards
    ],
)
def test_calibration_with_nothing_to_fit(logits: list[float], has_target: list[bool]) -> None:
    assert fit_presence(np.array(logits), np.array(has_target, bool)) == (1.0, 0.0, None)
