"""Parameter groups, the learning-rate schedule, and averaged weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from image_core.errors import ConfigError
from image_core.training.config import OptimiserConfig

ENCODERS = ("vision.", "text.")
GATES = ".gate."
"""Part of the parameter names of scalar gates between modalities."""


def optimiser_of(model: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """The optimiser of a model, whose parts `config.frozen` it freezes. Raises `ConfigError` for a part that the model
    does not have."""
    freeze(model, config.frozen)
    return torch.optim.AdamW(
        parameter_groups(model, config), betas=config.betas, eps=config.eps, amsgrad=config.amsgrad
    )


def freeze(model: nn.Module, parts: Sequence[str]) -> None:
    """Freeze the parameters whose names start with one of `parts`. Raises `ConfigError` for a part without any."""
    for part in parts:
        named = [value for name, value in model.named_parameters() if name == part or name.startswith(f"{part}.")]
        if not named:
            prefixes = ", ".join(sorted({name.split(".")[0] for name, _ in model.named_parameters()}))
            raise ConfigError(f"optimiser.frozen: expected the start of a tensor's name ({prefixes} ...), got {part}")
        for value in named:
            value.requires_grad_(False)


def parameter_groups(model: nn.Module, config: OptimiserConfig) -> list[dict]:
    """Groups of equal rate and decay: encoders, gates, the rest; vectors and scalars separately. Frozen parameters are
    left out."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            factor = config.encoder_factor if name.startswith(ENCODERS) else 1.0
            if GATES in name and parameter.ndim == 0:
                factor = config.gate_factor
            groups.setdefault((factor, parameter.ndim > 1 or config.decay_vectors), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": config.lr * factor,
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        for (factor, decayed), parameters in groups.items()
    ]


def lr_factor(step: int, steps: int, config: OptimiserConfig) -> float:
    """The learning rate of `step` (0-based) as a share of its peak: linear warm-up, then `config.decay`."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.decay == "constant":
        return 1.0
    if config.decay == "steps":
        return 0.1 ** sum(step >= share * steps for share in config.drops)
    done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    left = (1 + math.cos(math.pi * done)) / 2 if config.decay == "cosine" else (1 - done) ** config.power
    return config.final_factor + (1 - config.final_factor) * left


class AveragedWeights:
    """Exponential moving average of weights; buffers are copied. The decay warms up: min(decay, (t+1)/(t+10))."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self._averaged = {name for name, _ in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after `step` (0-based)."""
        decay = min(self.decay, (step + 1) / (step + 10))
        own, theirs = [], []
        for name, value in model.state_dict().items():
            if name in self._averaged:
                own.append(self.state[name])
                theirs.append(value)
            else:
                self.state[name].copy_(value)
        torch._foreach_lerp_(own, theirs, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved average."""
        for name, value in state.items():
            self.state[name].copy_(value)
