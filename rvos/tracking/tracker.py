"""The seam where masks travel through time, and the tracker that does nothing."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar, Generic, TypeVar

from image_core.errors import ConfigError
from image_core.types import ImageFeatures, Prediction
from rvos.postprocess import Postprocessor
from rvos.types import FrameResult
from rvos.view.frame_view import View

State = TypeVar("State")


@dataclass(frozen=True)
class TrackerConfig:
    """The numbers of a tracker; those of a subclass of `Tracker` are a subclass of this, beside it."""


class Tracker(ABC, Generic[State]):
    """Turns what the image model says of single frames into what one expression means on a video.

    A tracker is shared by all sessions and holds nothing that changes; what it remembers of one expression on one video
    is in a frozen state that `step` takes and returns.
    """

    between_decodes: ClassVar[bool]
    """It can serve frames that were not decoded. Where it cannot, every frame has to be."""

    config_type: ClassVar[type[TrackerConfig]] = TrackerConfig
    """The dataclass of its numbers: what `tracker.KEY=VALUE` sets."""

    lookahead: int = 0
    """How many later frames the answer to a frame waits for."""

    both_ways: bool = False
    """The video is watched twice, the second time from `again`, knowing how it goes on."""

    def __init__(self, postprocess: Postprocessor, config: TrackerConfig | None = None) -> None:
        """config: of `config_type`; its defaults where None."""
        self.postprocess = postprocess
        self.config = config or self.config_type()

    @abstractmethod
    def start(self, expression_index: int) -> State:
        """The state of expression number `expression_index` before the first frame."""

    def prepare(self, view: View) -> None:
        """Compute `once` what `step` will ask of the picture alone, whatever is said of it: done beside the network."""

    @abstractmethod
    def step(
        self, view: View, prediction: Prediction | None, features: ImageFeatures | None, state: State
    ) -> tuple[FrameResult | None, State]:
        """What the expression means on the frame that is `lookahead` frames back (None before the first of them), and
        the state after this frame.

        prediction: one row, at the model's input size; features: one row, those that the prediction was made of. Both
        are None on a frame that was not decoded.
        """

    def asks(self, state: State) -> bool:
        """The expression wants the next frame to go through the whole network, key frame or not."""
        return False

    def finish(self, state: State) -> list[FrameResult]:
        """The answers that still wait for later frames, in order: none will come."""
        return []

    def again(self, state: State) -> State:
        """The state to begin the same video with once more, knowing how it went on."""
        raise NotImplementedError(f"{type(self).__name__} gains nothing from a second look")

    @abstractmethod
    def snapshot(self, state: State) -> bytes:
        """`state` as bytes (JSON or safetensors, nothing that runs code when it is read)."""

    @abstractmethod
    def restore(self, data: bytes) -> State:
        """The state that `snapshot` wrote. Raises `ValueError` where `data` is something else."""


@dataclass(frozen=True)
class NoTrackerState:
    """Which expression this is; nothing else is remembered."""

    expression_index: int


@dataclass(frozen=True)
class NoTrackerConfig(TrackerConfig):
    """The one number of the tracker `none`."""

    presence_threshold: float = 0.5
    """Calibrated presence, [0, 1], below which nothing is shown."""

    def __post_init__(self) -> None:
        check_share("presence_threshold", self.presence_threshold)


def check_share(name: str, value: float) -> None:
    """Raise `ConfigError` for a value outside [0, 1]."""
    if not 0 <= value <= 1:
        raise ConfigError(f"tracker.{name}: expected 0 to 1, got {value}")


class NoTracker(Tracker[NoTrackerState]):
    """Every frame stands for itself: the mask is the image model's."""

    between_decodes = False
    config_type = NoTrackerConfig

    def __init__(self, postprocess: Postprocessor, config: NoTrackerConfig | None = None) -> None:
        config = config or NoTrackerConfig()
        threshold = config.presence_threshold
        super().__init__(Postprocessor(postprocess.model, postprocess.preprocessing, threshold), config)

    def start(self, expression_index: int) -> NoTrackerState:
        return NoTrackerState(expression_index)

    def step(
        self, view: View, prediction: Prediction | None, features: ImageFeatures | None, state: NoTrackerState
    ) -> tuple[FrameResult, NoTrackerState]:
        frame = view.frame
        if prediction is None or features is None:
            raise ValueError(
                f"tracker 'none': frame {frame.index} came without a prediction, wanted one for every frame"
            )
        found = self.postprocess(prediction, features.valid_px, frame.size)
        result = FrameResult(
            frame_index=frame.index,
            time_s=frame.time_s,
            expression_index=state.expression_index,
            mask=found.mask,
            score=found.score,
            presence=found.presence,
        )
        return result, state

    def snapshot(self, state: NoTrackerState) -> bytes:
        return json.dumps(asdict(state)).encode()

    def restore(self, data: bytes) -> NoTrackerState:
        return NoTrackerState(**json.loads(data))
