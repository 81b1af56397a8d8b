"""The device that a model runs on, and its precision there."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from image_core.device_names import Precision, PrecisionOrAuto, check_device, check_precision
from image_core.errors import ConfigError


def resolve_device(name: str = "auto") -> torch.device:
    """`auto` (the first CUDA device, else the CPU), `cpu`, `cuda` or `cuda:i`. Raises `ConfigError` if not there."""
    check_device(name)
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ConfigError(
            f"device: expected one of this machine's {count} CUDA devices, got '{name}': use --device auto or cpu"
        )
    return device


def resolve_precision(name: PrecisionOrAuto, device: torch.device) -> Precision:
    """`auto` is bf16 where the device computes in it, else fp32; the others are what they are.

    A processor without AMX or AVX512-BF16 emulates bf16, and a training step then takes eleven times as long.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    can = torch.cpu.get_capabilities()
    return "bf16" if can.get("amx_bf16") or can.get("avx512_bf16") else "fp32"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager:
    """bf16 autocast on `device`, or nothing for fp32. Raises `UnknownNameError` for another name."""
    check_precision(precision)
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
