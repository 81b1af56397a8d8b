"""What a propagator remembers of several expressions, and what of it is one expression's alone."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch

from image_core.types import ImageFeatures


def state_of_row(row: int, state: Any) -> Any:
    """A propagator's state with the features of one row alone, wherever in its dataclasses and tuples they lie.
    Features of a single row are those of every expression, and stay."""
    if isinstance(state, ImageFeatures):
        return state if len(state) == 1 else state.select(torch.tensor([row], device=state.valid_px.device))
    if isinstance(state, tuple):
        return tuple(state_of_row(row, each) for each in state)
    if is_dataclass(state) and not isinstance(state, type):
        kept = {f.name: getattr(state, f.name) for f in fields(state) if f.init}
        return replace(state, **{name: state_of_row(row, value) for name, value in kept.items()})
    return state
