"""Selects what a propagator remembers of one expression out of what it remembers of several."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch

from image_core.types import ImageFeatures


def state_of_row(row: int, state: Any) -> Any:
    """A propagator's state with only one row of its features, wherever in its dataclasses and tuples they are. Features
    of a single row belong to every expression, and are kept."""
    if isinstance(state, ImageFeatures):
        return state if len(state) == 1 else state.select(torch.tensor([row], device=state.valid_px.device))
    if isinstance(state, tuple):
        return tuple(state_of_row(row, each) for each in state)
    if is_dataclass(state) and not isinstance(state, type):
        kept = {f.name: getattr(state, f.name) for f in fields(state) if f.init}
        return replace(state, **{name: state_of_row(row, value) for name, value in kept.items()})
    return state
