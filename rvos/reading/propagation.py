"""The seam where features travel through time, and the propagator that does nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from image_core.types import ImageFeatures
from rvos.view.frame_view import View

State = TypeVar("State")


@dataclass(frozen=True)
class PropagatorConfig:
    """The numbers of a propagator; those of a subclass of `Propagator` are a subclass of this, beside it."""


class Propagator(ABC, Generic[State]):
    """Gives every frame its features, though only key frames went through the whole encoder.

    A propagator is shared by all sessions and holds nothing that changes; what it remembers of one video is in a frozen
    state that `step` takes and returns.
    """

    between_key_frames: ClassVar[bool]
    """It can serve frames without fresh features. Where it cannot, every frame has to be a key frame."""

    reads_stem: ClassVar[bool]
    """It needs the stem of frames between key frames. Where it does not, the network may rest there altogether."""

    config_type: ClassVar[type[PropagatorConfig]] = PropagatorConfig
    """The dataclass of its numbers: what `propagation.KEY=VALUE` sets."""

    def __init__(self, config: PropagatorConfig | None = None) -> None:
        """config: of `config_type`; its defaults where None."""
        self.config = config or self.config_type()

    @abstractmethod
    def start(self) -> State:
        """The state before the first frame of a video."""

    @abstractmethod
    def step(
        self, view: View, stem: Tensor | None, features: ImageFeatures | None, state: State
    ) -> tuple[ImageFeatures, State]:
        """Features of this frame, and the state after it.

        stem: (1, C0, H/4, W/4), language-free features of this frame at the model's input size; None only on a frame
        without `features`, and only where `reads_stem` is False. features: the encoder's, on key frames alone: one row
        where the model fuses language late, a row an expression where it fuses early; a key frame's are given back as
        they are. What was fused with words is copied from the last key frame, never moved. From the first key frame
        after a cut on, nothing of the scene before bears on what is given; until then there is nothing better.
        """

    @abstractmethod
    def snapshot(self, state: State) -> bytes:
        """`state` as bytes (JSON or safetensors, nothing that runs code when it is read)."""

    @abstractmethod
    def restore(self, data: bytes, device: torch.device | str = "cpu") -> State:
        """The state that `snapshot` wrote, its tensors on `device`. Raises `ValueError` for other bytes."""


@dataclass(frozen=True)
class NoPropagationState:
    """Nothing is remembered."""


class NoPropagation(Propagator[NoPropagationState]):
    """Every frame goes through the encoder; the image model never learns that there was another."""

    between_key_frames = False
    reads_stem = False

    def start(self) -> NoPropagationState:
        return NoPropagationState()

    def step(
        self, view: View, stem: Tensor | None, features: ImageFeatures | None, state: NoPropagationState
    ) -> tuple[ImageFeatures, NoPropagationState]:
        if features is None:
            raise ValueError(f"propagation 'none': frame {view.frame.index} came without features, wanted a key frame")
        return features, state

    def snapshot(self, state: NoPropagationState) -> bytes:
        return b""

    def restore(self, data: bytes, device: torch.device | str = "cpu") -> NoPropagationState:
        if data:
            raise ValueError(f"propagation 'none': came a state of {len(data)} bytes, wanted an empty one")
        return NoPropagationState()
