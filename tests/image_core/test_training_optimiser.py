"""The optimiser of a training by hand: groups, frozen parts, schedules, averages."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from image_core.errors import ConfigError
from image_core.models.description import ModelConfig
from image_core.models.table import build_model
from image_core.training.config import OptimiserConfig
from image_core.training.optimiser import AveragedWeights, lr_factor, optimiser_of, parameter_groups

# ---------------------------------------------------------------------------------------------- groups


def test_gates_learn_at_their_own_rate(tiny_spec: Callable[..., ModelConfig]) -> None:
    """Those of SafaRi are scalars; the gate of S2RM's shifts is a row of them, and no gate between modalities."""
    model = build_model(tiny_spec("safari"))
    groups = parameter_groups(model, OptimiserConfig(lr=1.0, gate_factor=50.0))
    fast = {id(p) for group in groups if group["lr"] == 50.0 for p in group["params"]}
    assert fast == {id(p) for name, p in model.named_parameters() if name.endswith(".gate.b")} and len(fast) == 4
    assert {group["lr"] for group in parameter_groups(build_model(tiny_spec()), OptimiserConfig(lr=1.0))} == {1.0}


def test_every_parameter_is_in_one_group(tiny_spec: Callable[..., ModelConfig]) -> None:
    model = build_model(tiny_spec(update="side_by_side", presence_head=True))
    model.get_submodule("text").get_submodule("embeddings").requires_grad_(False)
    groups = parameter_groups(model, OptimiserConfig(lr=1.0, encoder_factor=0.1, weight_decay=0.5))
    grouped = [id(p) for group in groups for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in model.parameters() if p.requires_grad}
    settings = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            lr = 0.1 if name.startswith(("vision.", "text.")) else 1.0
            decay = 0.0 if parameter.ndim < 2 else 0.5
            assert settings[id(parameter)] == (lr, decay), name
    assert set(settings.values()) == {(0.1, 0.5), (0.1, 0.0), (1.0, 0.5), (1.0, 0.0)}


def test_vectors_have_weight_decay_if_configured(tiny_spec: Callable[..., ModelConfig]) -> None:
    groups = parameter_groups(build_model(tiny_spec()), OptimiserConfig(weight_decay=0.5, decay_vectors=True))
    assert [group["weight_decay"] for group in groups] == [0.5]
    assert any(parameter.ndim < 2 for parameter in groups[0]["params"])


def test_frozen_parts_do_not_learn(tiny_spec: Callable[..., ModelConfig]) -> None:
    """`vision.stages.1` is no start of `vision.stages.10`: names are taken part by part."""
    model = build_model(tiny_spec())
    optimiser = optimiser_of(model, OptimiserConfig(frozen=("text.embeddings", "vision.stages.0")))
    learning = {id(p) for group in optimiser.param_groups for p in group["params"]}
    frozen = {name for name, p in model.named_parameters() if id(p) not in learning}
    assert frozen == {n for n, _ in model.named_parameters() if n.startswith(("text.embeddings.", "vision.stages.0."))}
    assert frozen and not any(p.requires_grad for name, p in model.named_parameters() if name in frozen)


def test_a_frozen_part_that_is_not_there_is_refused(tiny_spec: Callable[..., ModelConfig]) -> None:
    with pytest.raises(ConfigError, match=r"optimiser.frozen: expected the start of a tensor's name .*, got text.emb$"):
        optimiser_of(build_model(tiny_spec()), OptimiserConfig(frozen=("text.emb",)))


def test_the_optimiser_has_the_configured_numbers(tiny_spec: Callable[..., ModelConfig]) -> None:
    optimiser = optimiser_of(build_model(tiny_spec()), OptimiserConfig(betas=(0.9, 0.98), eps=1e-9, amsgrad=True))
    assert optimiser.defaults["betas"] == (0.9, 0.98)
    assert optimiser.defaults["eps"] == 1e-9 and optimiser.defaults["amsgrad"] is True


# ---------------------------------------------------------------------------------------------- schedules


@pytest.mark.parametrize(
    ("spec", "factors"),
    [
        (OptimiserConfig(decay="constant"), {0: 1, 9: 1}),
        (OptimiserConfig(decay="constant", warmup_steps=4), {0: 0.25, 1: 0.5, 3: 1, 4: 1, 9: 1}),
        (OptimiserConfig(decay="poly", power=1.0), {0: 1, 1: 0.9, 5: 0.5, 9: 0.1}),
        (OptimiserConfig(decay="poly", power=0.9), {0: 1, 5: 0.5**0.9, 9: 0.1**0.9}),
        (OptimiserConfig(decay="poly", power=1.0, warmup_steps=2, final_factor=0.2), {1: 1, 2: 1, 6: 0.6, 9: 0.3}),
        (OptimiserConfig(decay="steps", drops=(0.5, 0.9)), {0: 1, 4: 1, 5: 0.1, 8: 0.1, 9: 0.01}),
        (OptimiserConfig(decay="cosine"), {0: 1, 5: 0.5, 9: (1 + math.cos(0.9 * math.pi)) / 2}),
        (OptimiserConfig(decay="cosine", warmup_steps=2, final_factor=0.1), {0: 0.5, 2: 1, 6: 0.55}),
    ],
)
def test_learning_rates_of_a_run_of_ten_steps(spec: OptimiserConfig, factors: dict[int, float]) -> None:
    assert {step: lr_factor(step, 10, spec) for step in factors} == pytest.approx(factors)


# ---------------------------------------------------------------------------------------------- averages


def test_the_average_by_hand() -> None:
    """Decay min(0.5, (t + 1) / (t + 10)): 1/10, 2/11, 3/12, ... 0.5 from t = 8 on; buffers are the latest."""
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1, affine=False))
    weight = model.get_parameter("0.weight")
    nn.init.constant_(weight, 1.0)
    average = AveragedWeights(model, decay=0.5)
    expected = 1.0
    for step in range(12):
        nn.init.constant_(weight, float(step))
        model.get_buffer("1.running_mean").fill_(step)
        model.get_buffer("1.num_batches_tracked").fill_(step)
        decay = min(0.5, (step + 1) / (step + 10))
        expected = decay * expected + (1 - decay) * step
        average.update(model, step)
        assert average.state["0.weight"].item() == pytest.approx(expected, rel=1e-6)
        assert average.state["1.running_mean"].item() == average.state["1.num_batches_tracked"].item() == step
    assert weight.item() == 11  # the model in training is left alone

    again = AveragedWeights(model, decay=0.5)
    again.load(average.state)
    for a in (again, average):
        a.update(model, 12)
    assert torch.equal(again.state["0.weight"], average.state["0.weight"])


def test_no_average() -> None:
    model = nn.Linear(1, 1)
    average = AveragedWeights(model, decay=0.0)
    nn.init.constant_(model.weight, 0.123)
    average.update(model, 500)
    assert torch.equal(average.state["weight"], model.weight)
