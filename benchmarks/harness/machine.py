"""The machine on which figures were measured, as recorded in every result."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("RVOS_SHARED", REPOSITORY.parent / "shared"))
"""Real clips and annotations that are not in the repository."""


def describe_machine() -> dict[str, Any]:
    """Processor, cores, load, versions of the libraries that matter for speed, and the date."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count() or 0,
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "torch": version("torch"),
        "timm": version("timm"),
        "numpy": version("numpy"),
        "opencv": version("opencv-python-headless"),
        "av": version("av"),
        "date": datetime.now(UTC).date().isoformat(),
    }
