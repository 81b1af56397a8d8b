"""The seam where masks travel through time, and the tracker that does nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from image_core.answer import MaskAnswer
from image_core.errors import ConfigError
from image_core.identity import ModelIdentity
from image_core.language.motion import TimedExpression
from image_core.ranges import Share, check_ranges
from rvos.tracking.carrying.mask_carrier import MaskCarrier
from rvos.types import FrameResult
from rvos.view.frame_view import View

if TYPE_CHECKING:
    from image_core.device_names import Precision

State = TypeVar("State")


@dataclass(frozen=True)
class TrackerConfig:
    """The numbers of a tracker; those of a subclass of `Tracker` are a subclass of this, beside it.

    Every field that is a number declares its range (`image_core.ranges`).
    Raises `ConfigError` for values out of them, all in one.
    """

    def __post_init__(self) -> None:
        check_ranges(self)

    def for_model(self, model: ModelIdentity | None) -> Self:
        """These numbers, with those that were left open as they were found for an image model of this project; None of
        any other."""
        return self


class Tracker(ABC, Generic[State]):
    """Turns what an image model answers on single frames into what one expression means on a video.

    A tracker is shared by all sessions and holds nothing that changes; what it remembers of one expression on one video
    is in a frozen dataclass that `step` takes and returns, and that `image_core.state` turns into bytes.
    """

    between_decodes: ClassVar[bool]
    """It can serve frames that were not decoded. Where it cannot, every frame has to be."""

    config_type: ClassVar[type[TrackerConfig]] = TrackerConfig
    """The dataclass of its numbers: what `tracker.KEY=VALUE` sets."""

    of_masks: ClassVar[str] = ""
    """Which of its numbers count, by their group, where objects are followed from masks; "" where masks are followed
    without it."""

    lookahead: int = 0
    """How many later frames the answer to a frame waits for."""

    both_ways: bool = False
    """The video is watched twice, the second time from `again`, knowing how it goes on."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        """config: of `config_type`; its defaults where None."""
        self.config = config or self.config_type()

    @classmethod
    def built(cls, config: Any, device: str, precision: Precision) -> Self:
        """One of these numbers (`config_type`), whose models, if it has any, compute on a device in a precision.
        Nothing is loaded yet. Raises `ConfigError`."""
        return cls(config)

    def question(self, expression: TimedExpression, draws_candidates: bool) -> str:
        """What the image model is asked for an expression. A tracker that judges by motion itself asks for the still
        part; any other leaves all of the text to the model, which may know what to do with it.

        draws_candidates: the model draws a mask of everything that may be meant; any other has one map for all.
        """
        return expression.text

    @abstractmethod
    def start(self, expression_index: int, expression: TimedExpression) -> State:
        """The state of expression number `expression_index` before the first frame."""

    def load(self) -> None:
        """Bring what it needs beside its numbers, such as the weights of a network, before the first frame. Raises
        `RvosError`, in one line, where that cannot be had."""

    def document(self) -> dict[str, Any]:
        """What results depend on, as JSON values, beside its name: its numbers, and its models with their revisions.
        Raises as `load` does, of what it can know without loading."""
        return asdict(self.config)

    def mask_carrier(self) -> MaskCarrier | None:
        """What follows the objects of masks where this tracker is chosen; None where masks are followed without it."""
        return None

    def prepare(self, view: View) -> None:
        """Compute `once` what `step` will ask of the picture alone, whatever is answered: done beside the network."""

    @abstractmethod
    def step(self, view: View, answer: MaskAnswer | None, state: State) -> tuple[FrameResult | None, State]:
        """What the expression means on the frame that is `lookahead` frames back (None before the first of them), and
        the state after this frame. answer: None on a frame that was not decoded."""

    def steps(
        self, view: View, answers: Sequence[MaskAnswer | None], states: Sequence[State]
    ) -> list[tuple[FrameResult | None, State]]:
        """`step` of all expressions of a frame, in their order. A tracker may compute together what they have in
        common, as long as each comes out as it would alone."""
        return [self.step(view, answer, state) for answer, state in zip(answers, states, strict=True)]

    def corrected(
        self, view: View, mask: np.ndarray | None, answer: MaskAnswer | None, state: State
    ) -> tuple[FrameResult | None, State]:
        """`step` on a frame on which the user says what the expression means: mask (H, W) bool of the frame, not empty;
        None where it is not there.

        The mask is shown on this frame as it is. From here on the expression means what it covers, whatever is
        answered. Without one nothing is shown on this frame, and what is to be seen on it is not what is meant, as long
        as it is followed; what comes into view later may be.
        """
        raise TypeError(f"{type(self).__name__} carries nothing")

    def check_correctable(self) -> None:
        """Raise `ConfigError` where nobody can say what an expression means: nothing is carried."""
        if type(self).corrected is Tracker.corrected:
            raise ConfigError(
                f"correction: expected a tracker that carries masks, such as tracks, got {type(self).__name__}: choose "
                "another tracker"
            )

    def asks(self, state: State) -> bool:
        """The expression wants the next frame to go through the whole network, key frame or not."""
        return False

    def finish(self, state: State) -> list[FrameResult]:
        """The answers that still wait for later frames, in order: none will come."""
        return []

    def decided(self, state: State) -> dict[str, Any] | None:
        """How it was decided what the expression means, as JSON values; None where there is nothing to tell."""
        return None

    def again(self, state: State) -> State:
        """The state to begin the same video with once more, knowing how it went on."""
        raise TypeError(f"{type(self).__name__} gains nothing from a second pass")


@dataclass(frozen=True)
class NoTrackerConfig(TrackerConfig):
    """The one number of the tracker `none`."""

    #: A mask is shown if the calibrated presence is at least this.
    presence_threshold: Share = 0.5


@dataclass(frozen=True)
class NoTrackerState:
    """Which expression this is; nothing else is remembered."""

    expression_index: int


class NoTracker(Tracker[NoTrackerState]):
    """Every frame stands for itself: the mask is the image model's."""

    between_decodes = False
    config_type = NoTrackerConfig
    config: NoTrackerConfig

    def start(self, expression_index: int, expression: TimedExpression) -> NoTrackerState:
        return NoTrackerState(expression_index)

    def step(self, view: View, answer: MaskAnswer | None, state: NoTrackerState) -> tuple[FrameResult, NoTrackerState]:
        frame = view.frame
        if answer is None:
            raise ValueError(f"tracker 'none': expected an answer on every frame, got none on {frame.index}")
        result = FrameResult(
            frame_index=frame.index,
            time_s=frame.time_s,
            expression_index=state.expression_index,
            mask=answer.mask(frame.size, self.config.presence_threshold),
            score=answer.score,
            presence=answer.presence,
        )
        return result, state
