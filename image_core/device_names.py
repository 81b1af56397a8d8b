"""The names of devices and precisions. Light to import: a name is checked without torch."""

from __future__ import annotations

import re
from typing import Literal, get_args

from image_core.errors import ConfigError, UnknownNameError

Precision = Literal["fp32", "bf16"]
PrecisionOrAuto = Literal["auto", "fp32", "bf16"]

_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,4})?")


def check_device(name: str) -> None:
    """Raise `ConfigError` for anything but auto, cpu, cuda or cuda:i, whatever this machine has."""
    if not isinstance(name, str) or not _DEVICE.fullmatch(name):
        raise ConfigError(f"device: expected auto, cpu, cuda or cuda:0, got {name!r}")


def check_precision(name: str) -> None:
    """Raise `UnknownNameError` for anything but fp32 or bf16."""
    if name not in get_args(Precision):
        raise UnknownNameError("precision", str(name), list(get_args(Precision)))
