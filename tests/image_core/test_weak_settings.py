"""Settings of bootstrapping: what a round is made of, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from image_core.errors import ConfigError
from image_core.training.config import DataConfig, OptimiserConfig, TrainConfig
from image_core.weak.config import BootstrapConfig, FilterConfig

MakeBootstrap = Callable[..., BootstrapConfig]
COUNT = 10


@pytest.fixture
def make(tiny_settings: Callable[..., TrainConfig]) -> MakeBootstrap:
    """`make(**changes)`: two rounds of three steps on ten pictures, three of them labelled."""

    def settings(**changes: Any) -> BootstrapConfig:
        data = DataConfig(images=COUNT, labels=0.3)
        train = tiny_settings(steps=3, data=data, optimiser=OptimiserConfig(warmup_steps=1))
        return BootstrapConfig(**({"train": train, "first_steps": 3, "round_steps": 3} | changes))

    return settings


def test_a_round_begins_with_the_weights_it_should(make: MakeBootstrap) -> None:
    settings = make()
    assert settings.round(0).init is None and settings.round(0).out.name == "round_0"
    assert settings.round(2).init == str(settings.train.out / "round_1" / "model.safetensors")
    anew = make(train=replace(settings.train, init="s2rm_tiny"), start="first")
    assert [anew.round(round).init for round in range(3)] == ["s2rm_tiny"] * 3


@pytest.mark.parametrize(
    ("schedule", "weights"),
    [("linear", [0.5, 1.0, 1.5, 2.0]), ("fixed", [2.0] * 4), ("cosine", [0.2929, 1.0, 1.7071, 2.0])],
)
def test_the_weight_of_pseudo_labels(make: MakeBootstrap, schedule: Any, weights: list[float]) -> None:
    settings = make(rounds=4, gamma_max=2.0, gamma_schedule=schedule)
    assert [settings.gamma(round) for round in range(1, 5)] == pytest.approx(weights, abs=1e-4)


def test_contradictions_are_reported_together(make: MakeBootstrap) -> None:
    with pytest.raises(ConfigError) as error:
        make(
            rounds=0,
            gamma_max=-1.0,
            gamma_schedule="quadratic",
            start="last",
            boxes="none",
            pseudo_images=0,
            filter=FilterConfig(strict=True, threshold=0.5),
            train=replace(make().train, data=DataConfig(images=COUNT)),
        )
    for part in (
        "rounds, first_steps and round_steps: expected 1 round or more",
        "labels: expected a share below 1, got 1.0",
        "gamma_max: expected a number of 0 or more, got -1.0",
        "gamma_schedule: expected one of linear, fixed, cosine, got quadratic",
        "got last",
        "filter.name: expected everything with boxes=none, got mask_in_box",
        "pseudo_images: expected 1 or more, got 0",
        "filter.threshold: expected null with filter.strict, got 0.5",
    ):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("gamma", [float("nan"), float("inf"), -1.0])
def test_the_weight_is_a_number(make: MakeBootstrap, gamma: float) -> None:
    with pytest.raises(ConfigError, match=f"gamma_max: expected a number of 0 or more, got {gamma}"):
        make(gamma_max=gamma)


def test_proposals_of_images_have_to_be_configured(make: MakeBootstrap) -> None:
    real = replace(make().train, data=DataConfig("refcoco", "x", labels=0.3))
    with pytest.raises(ConfigError, match=r"proposals: expected a name for data\.name=refcoco, got null"):
        make(train=real)
    for changes in ({"boxes": "truth"}, {"gamma_max": 0.0}, {"proposals": "boxes:FILE"}):
        assert make(train=real, **changes).train.data.name == "refcoco"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (FilterConfig("nothing"), "filter.name: expected one of"),  # type: ignore[arg-type]
        (FilterConfig("projection", strict=True), "expected filter.name=mask_in_box with them, got projection"),
        (
            FilterConfig("everything", threshold=0.5),
            "filter.threshold: expected null with filter.name=everything, got 0.5",
        ),
        (FilterConfig(threshold=-0.5), "filter.threshold: expected 0 to 1, or null for the filter's own, got -0.5"),
        (FilterConfig(threshold=1.5), "filter.threshold: expected 0 to 1, or null for the filter's own, got 1.5"),
        (
            FilterConfig("projection", threshold=2.5),
            "filter.threshold: expected 0 to 2, or null for the filter's own, got 2.5",
        ),
        (FilterConfig(threshold="abc"), "filter.threshold: expected 0 to 1, or null for the filter's own, got 'abc'"),  # type: ignore[arg-type]
        (FilterConfig(box_iou=1.5), "filter.box_iou: expected 0 to 1, got 1.5"),
    ],
)
def test_filters_that_contradict_themselves(spec: FilterConfig, message: str) -> None:
    assert any(message in fault for fault in spec.faults())


def test_filters_by_their_settings() -> None:
    assert repr(FilterConfig().build()) == "MaskInBox(threshold=0.9, box_iou=0.5)"
    assert repr(FilterConfig(strict=True, box_iou=0.0).build()) == "MaskInBox(threshold=1.0, box_iou=0.0)"
    assert repr(FilterConfig("projection").build()) == "ProjectionLoss(threshold=0.1)"
    assert repr(FilterConfig("everything").build()) == "AcceptAll()"
