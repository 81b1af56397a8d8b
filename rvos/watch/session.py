"""The one code path of video: a session takes a frame and gives what every expression means on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError
from torch import Tensor

from image_core.device import autocast
from image_core.models.base import join_features
from image_core.segmenter import ImageSegmenter, check_expressions
from image_core.types import ImageFeatures, Prediction, TextFeatures
from rvos.reading.key_frames import KeyFrames, KeyFrameState
from rvos.reading.propagation import Propagator
from rvos.tracking.tracker import Tracker
from rvos.types import Frame, FrameResult, OutputError, expression_targets
from rvos.view.frame_view import View, view_of

SNAPSHOT_VERSION = 4
EVERY_FRAME = KeyFrames(1)


@dataclass(frozen=True)
class Input:
    """A frame as the network takes it in: images (1, 3, H, W) padded to the model's input size, valid_px (1, 2) of it
    that show the frame, and the stem (1, C0, H/4, W/4)."""

    images: Tensor
    valid_px: Tensor
    stem: Tensor


@dataclass(frozen=True)
class Decoded:
    """What the network said of one frame for one expression: one row each."""

    prediction: Prediction
    features: ImageFeatures


class StreamSession:
    """One video being watched for E expressions.

    The network, the propagator and the tracker are shared and hold nothing that changes; all that this video has left
    behind is here: text features (encoded once), the last picture, the key-frame counter, the propagator's state, a
    tracker state an expression, and how many frames have passed. Frames are given in order, by one thread.

    key_frames: which frames go through the whole encoder. It knows nothing of the expressions, so that E expressions
    together are E apart. decode_every: frames between key frames are decoded from propagated features; otherwise the
    tracker carries their masks alone.

    Whether the parts can serve a video together is asked before (`rvos.agreement`). Raises `RvosError` for no
    expression or a blank one.
    """

    def __init__(
        self,
        segmenter: ImageSegmenter,
        expressions: Sequence[str],
        propagator: Propagator[Any],
        tracker: Tracker[Any],
        key_frames: KeyFrames = EVERY_FRAME,
        decode_every: bool = True,
    ) -> None:
        check_expressions(expressions)
        self.expressions = tuple(expressions)
        self.targets = expression_targets(self.expressions)
        self.frame_count = 0
        self._segmenter = segmenter
        self._propagator = propagator
        self._tracker = tracker
        self._key_frames = key_frames
        self._decode_every = decode_every
        self._text = self._encode_text()
        self._picture: np.ndarray | None = None
        self._pace = key_frames.start()
        self._propagation = propagator.start()
        self._tracks = tuple(tracker.start(index) for index in range(len(self.expressions)))

    @property
    def latency(self) -> int:
        """How many frames pass before the results of a frame are there."""
        return self._tracker.lookahead

    @torch.inference_mode()
    def _encode_text(self) -> TextFeatures:
        with self._autocast():
            return self._segmenter.model.encode_text(self.expressions)

    def _autocast(self) -> AbstractContextManager[None]:
        """The precision of the network, for the network alone: what a propagator compares keeps all its digits."""
        return autocast(self._segmenter.device, self._segmenter.precision)

    @torch.inference_mode()
    def step(self, frame: Frame) -> tuple[FrameResult, ...]:
        """What each of the E expressions means, in their order, on the frame that is `latency` frames back: () before
        the first of them."""
        view = view_of(frame, self._picture)
        is_key, pace = self._key_frames.step(view, self._pace)
        with ThreadPoolExecutor(1) as beside:  # for one frame: no thread outlives a session that is left
            prepared = beside.submit(self._tracker.prepare, view)
            decoded, propagation = self._look(view, is_key)
            prepared.result()
        results: list[FrameResult] = []
        tracks = []
        for state, found in zip(self._tracks, decoded, strict=True):
            prediction, features = (None, None) if found is None else (found.prediction, found.features)
            result, after = self._tracker.step(view, prediction, features, state)
            if result is not None:
                results.append(result)
            tracks.append(after)
        # Only a frame that went all the way through is remembered.
        self._picture, self._pace = view.picture, pace
        self._propagation, self._tracks = propagation, tuple(tracks)
        self.frame_count += 1
        return tuple(results)

    def _look(self, view: View, is_key: bool) -> tuple[list[Decoded | None], Any]:
        """What the network says for each expression, and the propagator's state after this frame."""
        count = len(self.expressions)
        decode_all = is_key or self._decode_every
        asking = [] if is_key else [i for i, state in enumerate(self._tracks) if self._tracker.asks(state)]
        decoded: list[Decoded | None] = [None] * count
        propagation = self._propagation
        if not decode_all and not asking:
            return decoded, propagation
        taken = self._take_in(view) if is_key or asking or self._propagator.reads_stem else None
        if decode_all:
            fresh = self._encode(taken, range(count)) if is_key and taken is not None else None
            stem = None if taken is None else taken.stem
            features, propagation = self._propagator.step(view, stem, fresh, propagation)
            rest = [i for i in range(count) if i not in asking]
            self._decode(features if len(features) == 1 else self._rows(features, rest), rest, decoded)
        # What one expression asked for is not shown to the others: together they would differ from apart.
        if asking and taken is not None:
            self._decode(self._encode(taken, asking), asking, decoded)
        return decoded, propagation

    def _take_in(self, view: View) -> Input:
        pixels, valid = self._segmenter.preprocessing.prepare(view.frame.image)
        device = self._segmenter.device
        images = pixels[None].to(device)
        with self._autocast():
            stem = self._segmenter.model.encode_stem(images)
        return Input(images, torch.tensor([valid], device=device), stem)

    def _encode(self, taken: Input, of: Sequence[int]) -> ImageFeatures:
        """One row where the model fuses language late, a row an expression of `of` where it fuses early."""
        model = self._segmenter.model
        encode = partial(model.encode_image, taken.images, stem=taken.stem, valid_px=taken.valid_px)
        with self._autocast():
            if not model.fuses_language_in_encoder:
                return encode()
            rows = torch.tensor(list(of), device=self._segmenter.device)
            return join_features([encode(self._text.select(chunk)) for chunk in rows.split(model.max_pairs)])

    def _rows(self, features: ImageFeatures, of: Sequence[int]) -> ImageFeatures:
        return features.select(torch.tensor(list(of), dtype=torch.long, device=self._segmenter.device))

    def _decode(self, features: ImageFeatures, of: Sequence[int], decoded: list[Decoded | None]) -> None:
        """Fill in what the network says for the expressions `of`, whose features these are."""
        if not of:
            return
        device = self._segmenter.device
        rows = torch.tensor(list(of), device=device)
        own = features if len(features) == len(of) else features.select(torch.zeros_like(rows))
        # What a processor works on should stay in its cache; on a GPU rows go side by side.
        for chunk in torch.arange(len(of), device=device).split(1 if device.type == "cpu" else len(of)):
            paired = own.select(chunk)
            with self._autocast():
                prediction = self._segmenter.model.decode(paired, self._text.select(rows[chunk]))
            for row, position in enumerate(chunk.tolist()):
                decoded[of[position]] = Decoded(_row(prediction, row), self._rows(paired, [row]))

    def finish(self) -> list[tuple[FrameResult, ...]]:
        """The results of the frames that still wait for later ones: none will come."""
        return list(zip(*(self._tracker.finish(state) for state in self._tracks), strict=True))

    def rewind(self) -> None:
        """Begin the video once more, with all that its trackers have learned of it."""
        self.frame_count = 0
        self._picture = None
        self._pace = self._key_frames.start()
        self._propagation = self._propagator.start()
        self._tracks = tuple(self._tracker.again(state) for state in self._tracks)

    def snapshot(self) -> bytes:
        """The states and the frame counter, for `restore` in a session that was made alike."""
        parts = {"propagation": _bytes(self._propagator.snapshot(self._propagation))}
        parts |= {f"track.{index}": _bytes(self._tracker.snapshot(state)) for index, state in enumerate(self._tracks)}
        if self._picture is not None:
            parts["picture"] = np.ascontiguousarray(self._picture)
        header = {**self._identity(), "frame_count": self.frame_count, "pace": asdict(self._pace)}
        parts["header"] = _bytes(json.dumps(header).encode())
        return safetensors.numpy.save(parts)

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot. Raises `OutputError` when it is damaged, or of another session's making."""
        try:
            parts = safetensors.numpy.load(data)
            header = json.loads(parts["header"].tobytes())
            frame_count, pace = header.pop("frame_count"), KeyFrameState(**header.pop("pace"))
            if header != self._identity():
                raise OutputError(
                    f"snapshot: came one of {header}, wanted {self._identity()}; start over with --overwrite"
                )
            propagation = self._propagator.restore(parts["propagation"].tobytes(), self._segmenter.device)
            tracks = tuple(
                self._tracker.restore(parts[f"track.{index}"].tobytes()) for index in range(len(self.expressions))
            )
        except (SafetensorError, KeyError, ValueError, TypeError) as error:
            raise OutputError(f"snapshot: damaged ({error!r}); start over with --overwrite") from error
        self.frame_count, self._picture, self._pace = frame_count, parts.get("picture"), pace
        self._propagation, self._tracks = propagation, tracks

    def _identity(self) -> dict[str, Any]:
        return {
            "version": SNAPSHOT_VERSION,
            "propagation": type(self._propagator).__name__,
            "tracker": type(self._tracker).__name__,
            "lookahead": self._tracker.lookahead,
            "key_frames": asdict(self._key_frames),
            "expressions": list(self.expressions),
        }


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


def _row(prediction: Prediction, index: int) -> Prediction:
    """One row of a prediction. What a model adds of its own (`extras`) serves training and is left out."""
    rows = slice(index, index + 1)
    cut = {
        f.name: value[rows]
        for f in fields(prediction)
        if isinstance(value := getattr(prediction, f.name), torch.Tensor)
    }
    return replace(prediction, **cut, extras=None)
