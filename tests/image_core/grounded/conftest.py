"""The fetched weights of the model `photo`, and the pictures that reference figures are of."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

FILES = (
    "ssdlite/model.json",
    "mobile_sam/encoder.onnx",
    "mobile_sam/decoder.onnx",
    "efficientnet_lite2/weights.pth",
)


@dataclass(frozen=True)
class Reference:
    """The first frame of a clip, and what the packaged networks said of it when they were chosen."""

    name: str
    image: np.ndarray
    mask: np.ndarray
    values: dict[str, Any]

    @property
    def box_xyxy(self) -> tuple[float, float, float, float]:
        x0, y0, x1, y1 = self.values["true_box_xyxy"]
        return x0, y0, x1, y1


@pytest.fixture(scope="session")
def photo() -> Path:
    """The folder that the fetched weights of the model `photo` lie in."""
    folder = Path(os.environ.get("RVOS_HOME", Path.home() / ".cache" / "rvos")) / "weights" / "photo"
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        pytest.skip(f"no {', '.join(missing)} in {folder}: `rvos models fetch photo`, or set RVOS_HOME")
    return folder


@pytest.fixture(params=["dog", "car-shadow", "dance-twirl"])
def reference(request: pytest.FixtureRequest, shared_dir: Path) -> Reference:
    values = json.loads((shared_dir / "parity/real_weights/values.json").read_text())[request.param]
    clip = shared_dir / "clips/masked" / request.param
    first, mask = (min((clip / kind).iterdir()) for kind in ("frames", "masks"))
    drawn = np.asarray(Image.open(mask).convert("L"), np.uint8).astype(bool)
    return Reference(request.param, np.asarray(Image.open(first).convert("RGB")), drawn, values)
