"""The interface of trackers, and the tracker `none`, which takes the answer of each frame as it is."""

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
    """The numbers of a tracker. A subclass of `Tracker` names a subclass of this as its `config_type`.

    Every field that is a number declares its range (`image_core.ranges`). Raises `ConfigError` for values out of range,
    with all faults in one message.
    """

    def __post_init__(self) -> None:
        check_ranges(self)

    def for_model(self, model: ModelIdentity | None) -> Self:
        """These numbers, with those that were left open set to what was measured for an image model of this project.
        model: None for any other model."""
        return self


class Tracker(ABC, Generic[State]):
    """Turns the answers of an image model on single frames into the masks of one expression in a video.

    A tracker is shared by all sessions and holds nothing that changes. What it remembers of one expression on one video
    is in a frozen dataclass that `step` takes and returns, and that `image_core.state` turns into bytes.
    """

    between_decodes: ClassVar[bool]
    """Whether it can process frames without an answer. If not, the image model has to answer every frame."""

    config_type: ClassVar[type[TrackerConfig]] = TrackerConfig
    """The dataclass of its numbers, which `tracker.KEY=VALUE` sets."""

    of_masks: ClassVar[str] = ""
    """The group of its numbers that applies when objects are followed from masks; "" if it does not follow them."""

    lookahead: int = 0
    """How many later frames the result of a frame waits for."""

    both_ways: bool = False
    """Whether the video is processed twice; the second pass starts with the state that `second_pass_state` returns."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        """config: of `config_type`; its defaults where None."""
        self.config = config or self.config_type()

    @classmethod
    def from_config(cls, config: Any, device: str, precision: Precision) -> Self:
        """A tracker with these numbers (`config_type`). Its models, if it has any, compute on `device` in `precision`.
        Nothing is loaded yet. Raises `ConfigError`."""
        return cls(config)

    def question(self, expression: TimedExpression, draws_candidates: bool) -> str:
        """The text that the image model is asked for an expression: by default all of it. A tracker that interprets
        words of motion itself asks for the still part.

        draws_candidates: the model returns a mask of each object that may be meant; others return one map for all.
        """
        return expression.text

    @abstractmethod
    def start(self, expression_index: int, expression: TimedExpression) -> State:
        """The state of expression number `expression_index` before the first frame."""

    def load(self) -> None:
        """Load what it needs beside its numbers, such as the weights of a network, before the first frame. Raises
        `RvosError` with a message of one line if that is not available."""

    def document(self) -> dict[str, Any]:
        """What results depend on beside its name, as JSON values: its numbers, and its models with their revisions.
        Raises as `load` does, as far as that is known without loading."""
        return asdict(self.config)

    def mask_carrier(self) -> MaskCarrier | None:
        """What follows objects from masks when this tracker is chosen; None if masks are followed without it."""
        return None

    def prepare(self, view: View) -> None:
        """Compute by `view.once` what `step` needs of the image, whatever the answers. Runs in parallel with the
        network."""

    @abstractmethod
    def step(self, view: View, answer: MaskAnswer | None, state: State) -> tuple[FrameResult | None, State]:
        """The result of the frame that is `lookahead` frames back (None before the first of them), and the state after
        this frame. answer: None if the image model gave none on this frame."""

    def steps(
        self, view: View, answers: Sequence[MaskAnswer | None], states: Sequence[State]
    ) -> list[tuple[FrameResult | None, State]]:
        """`step` for all expressions of a frame, in their order. A tracker may share computations between them, as long
        as each result is what it would be alone."""
        return [self.step(view, answer, state) for answer, state in zip(answers, states, strict=True)]

    def corrected(
        self, view: View, mask: np.ndarray | None, answer: MaskAnswer | None, state: State
    ) -> tuple[FrameResult | None, State]:
        """`step` on a frame on which the user corrects what the expression means. mask: (H, W) bool of the frame, not
        empty; None if the target is absent.

        A mask is the result of this frame as it is. From here on the expression means the object that it covers,
        whatever the answers. Without a mask nothing is shown on this frame, and the objects visible on it are not the
        target as long as they are followed; what comes into view later may be. Raises `TypeError` if this tracker takes
        no corrections.
        """
        raise TypeError(f"{type(self).__name__} takes no corrections")

    def check_correctable(self) -> None:
        """Raise `ConfigError` if this tracker takes no corrections, because it carries no masks."""
        if type(self).corrected is Tracker.corrected:
            raise ConfigError(
                f"correction: expected a tracker that carries masks, such as tracks, got {type(self).__name__}: choose "
                "another tracker"
            )

    def needs_answer(self, state: State) -> bool:
        """Whether the expression needs an answer of the whole network on the next frame even if that is no
        key frame."""
        return False

    def finish(self, state: State) -> list[FrameResult]:
        """The results of the frames that still wait for later ones, in order, at the end of the video."""
        return []

    def decision_document(self, state: State) -> dict[str, Any] | None:
        """How it was decided which tracks the expression means, as JSON values; None if there is nothing to report."""
        return None

    def second_pass_state(self, state: State) -> State:
        """The state with which the second pass over the same video starts, given the state after the first."""
        raise TypeError(f"{type(self).__name__} makes no second pass")


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
    """Takes the answer of each frame as it is."""

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
