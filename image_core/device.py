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
    """`auto` is bf16 where the device computes in it, else fp32. Raises `ConfigError` for bf16 where it does not."""
    if name == "auto":
        return "bf16" if computes_bf16(device) else "fp32"
    if name == "bf16" and not computes_bf16(device):
        what = "processor" if device.type == "cpu" else "GPU"
        raise ConfigError(
            f"precision: expected fp32 on this {what}, which has no instructions for bf16 and would take 3 to 11 times "
            "as long to imitate it, got bf16: use fp32"
        )
    return name


def computes_bf16(device: torch.device) -> bool:
    """Whether a device computes in bf16 itself. On a processor that emulates it, a training step took eleven times as
    long, and an encoder eight times."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    can = torch.cpu.get_capabilities()  # oneDNN also says yes where it emulates bf16 with plain AVX-512
    return can.get("architecture") != "x86_64" or bool(can.get("amx_bf16") or can.get("avx512_bf16"))


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager:
    """bf16 autocast on `device`, or nothing for fp32. Raises `UnknownNameError` for another name."""
    check_precision(precision)
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
