"""`rvos doctor`: report packages, cores, codecs and memory of this machine, and whether the default model loads."""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from image_core.errors import RvosError
from rvos.commands import options
from rvos.commands.machine import core_count

_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "onnx",
    "av",
    "decord",
    "opencv-python-headless",
    "numpy",
    "hydra-core",
)
_DECODERS = ("h264", "hevc", "vp9", "av1", "mpeg4", "gif")
_ENCODER = "libx264"


def doctor(as_json: options.Json = False) -> None:
    """Report what this machine has: packages, devices, codecs. Also reports whether the default model loads."""
    sections = examine()
    if as_json:
        print(json.dumps(sections, ensure_ascii=False))
        return
    for section, rows in sections.items():
        print(section)
        for name, value in rows.items():
            print(f"  {name.replace('_', ' ')}: {_format(value)}")


def _format(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(name if there else f"{name} (missing)" for name, there in value.items())
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not installed" if value is None else str(value)


def examine() -> dict[str, dict[str, Any]]:
    """Section -> name -> JSON value. What is missing is reported and does not raise."""
    return {
        "packages": {
            "rvos": _version("rvos"),
            "python": platform.python_version(),
            **{p: _version(p) for p in _PACKAGES},
        },
        "machine": _machine(),
        "video": _video(),
        "model": _model(),
        "weights": _packaged_weights(),
        "hub": _hub(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _machine() -> dict[str, Any]:
    import torch

    page_bytes = os.sysconf("SC_PAGE_SIZE")
    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": core_count(),
        "threads_of_torch": torch.get_num_threads(),
        "cuda_devices": cuda,
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * page_bytes / 1e9, 1),
        "memory_free_gb": round(os.sysconf("SC_AVPHYS_PAGES") * page_bytes / 1e9, 1),
    }


def _video() -> dict[str, Any]:
    return {
        "decoders": {name: _codec(name, "r") for name in _DECODERS},
        f"encoder {_ENCODER}": _codec(_ENCODER, "w"),
        "decord": _version("decord") is not None,
    }


def _codec(name: str, mode: Literal["r", "w"]) -> bool:
    from av.codec.codec import Codec, UnknownCodecError

    try:
        Codec(name, mode)
    except UnknownCodecError:
        return False
    return True


def _model() -> dict[str, Any]:
    from image_core.mask_model import resolve_model
    from image_core.weights import DEFAULT

    started = time.perf_counter()
    try:
        resolve_model(DEFAULT)
    except RvosError as error:  # also if it is not downloaded yet: the message says how
        return {"name": DEFAULT, "loads": False, "problem": str(error)}
    return {"name": DEFAULT, "loads": True, "load_s": round(time.perf_counter() - started, 2)}


def _hub() -> dict[str, Any]:
    """Repository of a hub model -> whether it is in the local cache. The hub is not contacted."""
    from image_core.hub.catalogue import HUB_MODELS
    from image_core.hub.sources import cache_folder, is_downloaded
    from rvos.tracking.hub.kinds import HUB_TRACKERS

    models = [*HUB_MODELS.values(), *HUB_TRACKERS.values()]
    repositories = dict.fromkeys(repository for model in models for repository in model.repositories)
    states = {
        repository.name: "whole" if is_downloaded(repository) else f"not here ({repository.size} at first use)"
        for repository in repositories
    }
    return {"folder": cache_folder(), **states}


def _packaged_weights() -> dict[str, str]:
    """Bundle -> its state. The hash of each file is computed again."""
    from image_core.weights.cache import WHOLE, cache_folder, state_of
    from image_core.weights.manifest import BUNDLES

    try:
        states = {name: state_of(bundle, thorough=True) for name, bundle in BUNDLES.items()}
        folder = str(cache_folder())
    except RvosError as error:
        return {"problem": str(error)}
    fixes = {name: "" if state == WHOLE else f" (rvos models fetch {name})" for name, state in states.items()}
    return {"folder": folder, **{name: state + fixes[name] for name, state in states.items()}}
