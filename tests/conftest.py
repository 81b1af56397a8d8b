"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parents[1]
LONGEST = (
    "test_docs.py",
    "test_system_laws.py",
    "test_model_laws.py",
    "test_training_processes.py",
    "test_start_up.py",
)
"""Files of half a minute or more, which would keep one worker busy alone if they began last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; `--no-loadscope-reorder` keeps this order with several workers."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real clips, annotations and reference figures; tests that want it are skipped without it."""
    folder = Path(os.environ.get("RVOS_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared folder at {folder}: set RVOS_SHARED to run this test")
    return folder
