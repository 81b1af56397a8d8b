"""The one code path of video: a session takes a frame and gives what every expression means on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError

from image_core.device import autocast
from image_core.errors import ConfigError
from image_core.segmenter import ImageSegmenter, check_expressions
from image_core.types import ImageFeatures, Prediction, TextFeatures
from rvos.sampling import KeyFrames
from rvos.temporal import Propagator
from rvos.tracking import Tracker
from rvos.types import Frame, FrameResult, OutputError

SNAPSHOT_VERSION = 1
EVERY_FRAME = KeyFrames(1)


class StreamSession:
    """One video being watched for E expressions.

    The network, the propagator and the tracker are shared and hold nothing that changes; all that this video has left
    behind is here: text features (encoded once), the propagator's state, a tracker state an expression, and how many
    frames have passed. Frames are given in order, by one thread.

    key_frames: which frames go through the whole encoder. It knows nothing of the expressions, so that E expressions
    together are E apart.

    Raises `ConfigError` for a propagator that cannot serve the frames in between, `RvosError` for no expression or a
    blank one.
    """

    def __init__(
        self,
        segmenter: ImageSegmenter,
        expressions: Sequence[str],
        propagator: Propagator[Any],
        tracker: Tracker[Any],
        key_frames: KeyFrames = EVERY_FRAME,
    ) -> None:
        check_expressions(expressions)
        if key_frames.every > 1 and not propagator.between_key_frames:
            raise ConfigError(
                f"key_frames: came every:{key_frames.every}, but this propagation has nothing to show between key "
                "frames; wanted all, or another --propagation"
            )
        self.expressions = tuple(expressions)
        self.frame_count = 0
        self._segmenter = segmenter
        self._propagator = propagator
        self._tracker = tracker
        self._key_frames = key_frames
        self._text = self._encode_text()
        self._propagation = propagator.start()
        self._tracks = tuple(tracker.start(index) for index in range(len(self.expressions)))

    @torch.inference_mode()
    def _encode_text(self) -> TextFeatures:
        with autocast(self._segmenter.device, self._segmenter.precision):
            return self._segmenter.model.encode_text(self.expressions)

    @torch.inference_mode()
    def step(self, frame: Frame) -> tuple[FrameResult, ...]:
        """What each of the E expressions means on this frame, in their order."""
        with autocast(self._segmenter.device, self._segmenter.precision):
            features, propagation = self._features(frame)
            prediction = self._segmenter.model.decode(self._row_an_expression(features), self._text)
        results, tracks = [], []
        for index, state in enumerate(self._tracks):
            row = torch.tensor([index], device=self._segmenter.device)
            result, after = self._tracker.step(frame, _row(prediction, index), features.select(row), state)
            results.append(result)
            tracks.append(after)
        # Only a frame that went all the way through is remembered.
        self._propagation, self._tracks = propagation, tuple(tracks)
        self.frame_count += 1
        return tuple(results)

    def _features(self, frame: Frame) -> tuple[ImageFeatures, Any]:
        model, device = self._segmenter.model, self._segmenter.device
        pixels, valid = self._segmenter.preprocessing.prepare(frame.image)
        images, valid_px = pixels[None].to(device), torch.tensor([valid], device=device)
        stem = model.encode_stem(images)
        fresh = None
        if self._key_frames(self.frame_count):
            text = self._text if model.fuses_language_in_encoder else None
            fresh = model.encode_image(images, text, stem=stem, valid_px=valid_px)
        return self._propagator.step(frame, stem, fresh, self._propagation)

    def _row_an_expression(self, features: ImageFeatures) -> ImageFeatures:
        count = len(self.expressions)
        if len(features) == count:
            return features
        return features.select(torch.zeros(count, dtype=torch.long, device=self._segmenter.device))

    def snapshot(self) -> bytes:
        """The states and the frame counter, for `restore` in a session that was made alike."""
        parts = {"propagation": self._propagator.snapshot(self._propagation)}
        parts |= {f"track.{index}": self._tracker.snapshot(state) for index, state in enumerate(self._tracks)}
        parts["header"] = json.dumps({**self._identity(), "frame_count": self.frame_count}).encode()
        return safetensors.numpy.save({name: np.frombuffer(data, np.uint8) for name, data in parts.items()})

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot. Raises `OutputError` when it is damaged, or of another session's making."""
        try:
            parts = {name: array.tobytes() for name, array in safetensors.numpy.load(data).items()}
            header = json.loads(parts["header"])
            frame_count = header.pop("frame_count")
            if header != self._identity():
                raise OutputError(
                    f"snapshot: came one of {header}, wanted {self._identity()}; start over with --overwrite"
                )
            propagation = self._propagator.restore(parts["propagation"])
            tracks = tuple(self._tracker.restore(parts[f"track.{index}"]) for index in range(len(self.expressions)))
        except (SafetensorError, KeyError, ValueError, TypeError) as error:
            raise OutputError(f"snapshot: damaged ({error!r}); start over with --overwrite") from error
        self.frame_count, self._propagation, self._tracks = frame_count, propagation, tracks

    def _identity(self) -> dict[str, Any]:
        return {
            "version": SNAPSHOT_VERSION,
            "propagation": type(self._propagator).__name__,
            "tracker": type(self._tracker).__name__,
            "expressions": list(self.expressions),
        }


def _row(prediction: Prediction, index: int) -> Prediction:
    """One row of a prediction. What a model adds of its own (`extras`) serves training and is left out."""
    rows = slice(index, index + 1)
    cut = {
        f.name: value[rows]
        for f in fields(prediction)
        if isinstance(value := getattr(prediction, f.name), torch.Tensor)
    }
    return replace(prediction, **cut, extras=None)
