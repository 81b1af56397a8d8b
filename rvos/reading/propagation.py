"""The interface of propagators, and the propagator `none`, with which every frame is a key frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from image_core.ranges import check_ranges
from rvos.view.frame_view import View

if TYPE_CHECKING:  # they import torch, which the table of propagators does without
    from image_core.types import ImageFeatures
    from rvos.reading.stem import Stem

State = TypeVar("State")


@dataclass(frozen=True)
class PropagatorConfig:
    """The numbers of a propagator. A subclass of `Propagator` names a subclass of this as its `config_type`.

    Every field that is a number declares its range (`image_core.ranges`). Raises `ConfigError` for values out of range,
    with all faults in one message.
    """

    def __post_init__(self) -> None:
        check_ranges(self)


class Propagator(ABC, Generic[State]):
    """Gives every frame features, although only key frames go through the whole encoder.

    A propagator is shared by all sessions and holds nothing that changes. What it remembers of one video is in a frozen
    dataclass that `step` takes and returns, and that `image_core.state` turns into bytes.
    """

    between_key_frames: ClassVar[bool]
    """Whether it can process frames without the encoder's features. If not, every frame has to be a key frame."""

    reads_stem: ClassVar[bool]
    """Whether it needs the stem of every frame. If not, the network does not run between key frames."""

    config_type: ClassVar[type[PropagatorConfig]] = PropagatorConfig
    """The dataclass of its numbers, which `propagation.KEY=VALUE` sets."""

    def __init__(self, config: PropagatorConfig | None = None) -> None:
        """config: of `config_type`; its defaults where None."""
        self.config = config or self.config_type()

    @abstractmethod
    def start(self) -> State:
        """The state before the first frame of a video."""

    @abstractmethod
    def step(
        self, view: View, stem: Stem | None, features: ImageFeatures | None, state: State
    ) -> tuple[ImageFeatures, State]:
        """Features of this frame, and the state after it.

        stem: None only if `reads_stem` is False. features: the encoder's, on key frames only, which are returned as
        they are; one row if the model fuses language late, one row per expression if it fuses early. Maps are moved;
        tokens, and what was fused with words, are copied from the last key frame. From the first key frame after a cut
        on, nothing of the earlier scene is used; until then its features are the best there are.
        """

    def steps(
        self,
        views: Sequence[View],
        stems: Sequence[Stem | None],
        features: Sequence[ImageFeatures | None],
        state: State,
    ) -> tuple[ImageFeatures, State]:
        """`step` for F consecutive frames: their features, frame by frame, and the state after them. A propagator may
        share computations between them."""
        from image_core.models.base import join_features  # here: it imports torch

        given = []
        for view, stem, own in zip(views, stems, features, strict=True):
            of_frame, state = self.step(view, stem, own, state)
            given.append(of_frame)
        return join_features(given), state


@dataclass(frozen=True)
class NoPropagationState:
    """Nothing is remembered."""


class NoPropagation(Propagator[NoPropagationState]):
    """Every frame goes through the encoder, independent of the others."""

    between_key_frames = False
    reads_stem = False

    def start(self) -> NoPropagationState:
        return NoPropagationState()

    def step(
        self, view: View, stem: Stem | None, features: ImageFeatures | None, state: NoPropagationState
    ) -> tuple[ImageFeatures, NoPropagationState]:
        if features is None:
            raise ValueError(f"propagation 'none': expected features of every frame, got none of {view.frame.index}")
        return features, state


def contiguous_features(features: ImageFeatures) -> ImageFeatures:
    """The same features, contiguous in memory, as they are after reading them from a snapshot.

    A run that continues from a snapshot has to add the same numbers in the same order as one that was never stopped;
    channels-last encoders use another memory layout.
    """
    return replace(features, levels=tuple(level.contiguous() for level in features.levels))
