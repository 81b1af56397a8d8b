"""Which model, propagator and tracker a command was asked for: light to describe, loaded when first needed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from image_core.errors import CheckpointError
from image_core.weights import DEFAULT
from rvos.defaults import PROPAGATION, TRACKER
from rvos.settings import StreamSettings

if TYPE_CHECKING:
    from rvos.segmenter import VideoSegmenter


@dataclass(frozen=True)
class System:
    """The arguments of a `VideoSegmenter`, by name. Names take hyphens for underscores."""

    model: str = DEFAULT
    propagation: str = PROPAGATION
    tracker: str = TRACKER
    device: str = "auto"
    precision: str = "fp32"
    settings: StreamSettings = field(default_factory=StreamSettings)

    @cached_property
    def segmenter(self) -> VideoSegmenter:
        """The loaded system, one for all videos. Raises what `VideoSegmenter` raises."""
        from image_core.device import Precision
        from rvos.segmenter import VideoSegmenter

        _leave_a_core_free()
        precision = cast(Precision, self.precision)  # checked where it is used
        return VideoSegmenter(self.model, self.propagation, self.tracker, self.device, precision, self.settings)

    def check(self) -> None:
        """Raise, in one, all that the names and the settings contradict each other in; loads no weights."""
        from rvos.agreement import agreed_parts

        agreed_parts(self.propagation, self.tracker, self.settings)

    @cached_property
    def model_sha256(self) -> str:
        """The digest of the model file. Raises `UnknownNameError` or `CheckpointError` when there is no such file."""
        from image_core.segmenter import find_model

        path = find_model(self.model)
        if not path.is_file():
            raise CheckpointError(f"model file {path}: not there; give a model file, or a name from `rvos models`")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def document(self) -> dict[str, Any]:
        """What results depend on, as JSON values; where they are computed and how far ahead is read is not among it."""
        return {
            "model": self.model,
            "model_sha256": self.model_sha256,
            "propagation": self.propagation.replace("-", "_"),
            "tracker": self.tracker.replace("-", "_"),
            "precision": self.precision,
            **self.reading_document(),
            "key_frames": self.settings.key_frames,
            "decode": self.settings.decode,
            "tracker_settings": {
                "lookahead": self.settings.tracker_lookahead,
                "both_ways": self.settings.both_ways,
            },
        }

    def reading_document(self) -> dict[str, Any]:
        """The part of `document` that says how a video is read: all that counts where no words are asked."""
        return {
            "video": {"stream": self.settings.video_stream, "backend": self.settings.video_backend},
            "sampling": self.settings.sampling,
        }


def core_count() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _leave_a_core_free() -> None:
    """Decoding and writing run beside the network: where it takes every core, each waits for the other, and on two
    cores a frame takes three times as long (measured). Who sets OMP_NUM_THREADS has decided otherwise. The products of
    the tracker are too small to be shared out: threads that wait for the next one only burn a core."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(max(1, core_count() - 1))
