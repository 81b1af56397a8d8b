"""The seam where features travel through time, and the propagator that does nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from image_core.ranges import check_ranges
from rvos.view.frame_view import View

if TYPE_CHECKING:  # they bring torch, which the table of propagators is read without
    from image_core.types import ImageFeatures
    from rvos.reading.stem import Stem

State = TypeVar("State")


@dataclass(frozen=True)
class PropagatorConfig:
    """The numbers of a propagator; those of a subclass of `Propagator` are a subclass of this, beside it.

    Every field that is a number declares its range (`image_core.ranges`). Raises `ConfigError` for values out of them,
    all in one.
    """

    def __post_init__(self) -> None:
        check_ranges(self)


class Propagator(ABC, Generic[State]):
    """Gives every frame its features, though only key frames went through the whole encoder.

    A propagator is shared by all sessions and holds nothing that changes; what it remembers of one video is in a frozen
    dataclass that `step` takes and returns, and that `image_core.state` turns into bytes.
    """

    between_key_frames: ClassVar[bool]
    """It can serve frames without fresh features. Where it cannot, every frame has to be a key frame."""

    reads_stem: ClassVar[bool]
    """It needs the stem of every frame. Where it does not, the network may rest between key frames altogether."""

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
        self, view: View, stem: Stem | None, features: ImageFeatures | None, state: State
    ) -> tuple[ImageFeatures, State]:
        """Features of this frame, and the state after it.

        stem: None only where `reads_stem` is False. features: the encoder's, on key frames alone: one row where the
        model fuses language late, a row an expression where it fuses early; a key frame's are given back as they are.
        Maps move; tokens, and what was fused with words, are copied from the last key frame. From the first key frame
        after a cut on, nothing of the scene before bears on what is given; until then there is nothing better.
        """

    def steps(
        self,
        views: Sequence[View],
        stems: Sequence[Stem | None],
        features: Sequence[ImageFeatures | None],
        state: State,
    ) -> tuple[ImageFeatures, State]:
        """`step` of F frames that follow each other: their features, frame by frame, and the state after them. A
        propagator may compute together what they have in common."""
        from image_core.models.base import join_features  # here: it brings torch

        given = []
        for view, stem, own in zip(views, stems, features, strict=True):
            of_frame, state = self.step(view, stem, own, state)
            given.append(of_frame)
        return join_features(given), state


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
        self, view: View, stem: Stem | None, features: ImageFeatures | None, state: NoPropagationState
    ) -> tuple[ImageFeatures, NoPropagationState]:
        if features is None:
            raise ValueError(f"propagation 'none': expected features of every frame, got none of {view.frame.index}")
        return features, state


def in_plain_order(features: ImageFeatures) -> ImageFeatures:
    """The same features, laid out in memory as they are read back from a snapshot.

    What goes on from one has to add up the same numbers in the same order as what was never stopped, and channels-last
    encoders lay theirs out otherwise.
    """
    return replace(features, levels=tuple(level.contiguous() for level in features.levels))
