"""Where a model runs, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from image_core.errors import ConfigError

Precision = Literal["fp32", "bf16"]


def resolve_device(name: str = "auto") -> torch.device:
    """`auto` (the first CUDA device, else the CPU), `cpu`, `cuda` or `cuda:i`. Raises `ConfigError` if not there."""
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device: expected auto, cpu, cuda or cuda:0, got '{name}'") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ConfigError(
            f"device: expected one of this machine's {count} CUDA devices, got '{name}': use --device auto or cpu"
        )
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device: expected auto, cpu, cuda or cuda:0, got '{name}'")
    return device


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager:
    """bf16 autocast on `device`, or nothing for fp32. Raises `ConfigError` for another name."""
    if precision not in ("fp32", "bf16"):
        raise ConfigError(f"precision: expected fp32 or bf16, got '{precision}'")
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
