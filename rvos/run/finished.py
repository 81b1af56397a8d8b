"""Reads a finished run: its results, and the frames of its video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from image_core.errors import ConfigError, DamagedError, DataError
from image_core.files import read_json
from image_core.folder import stored_settings
from rvos.export import paths
from rvos.export.outputs import ExportInput
from rvos.export.recorded import Recorded
from rvos.export.records import count_frames, to_result
from rvos.run.folder import KIND
from rvos.run.job import source_fingerprint
from rvos.run.remote import is_url
from rvos.types import Frame, FrameResult, Target, VideoError, VideoInfo, expression_targets, object_targets
from rvos.video.config import VideoConfig
from rvos.video.source import camera_number
from rvos.watch.source import open_source

_SAME_TIME_S = 0.001
"""Largest difference between times of the log, which are rounded, and of the video."""
_CHANGED_VIDEO = "it has changed, or is another video"
_KIND = replace(
    KIND,
    overwrite_advice="run it again with --overwrite",
    other_folder_advice="name the folder of a finished rvos segment",
)


@dataclass(frozen=True)
class FinishedRun:
    """The folder of a finished `rvos segment`."""

    folder: Path
    #: The content of `settings.json` that the run depends on.
    settings: dict[str, Any]
    #: The content of `result.json`.
    result: dict[str, Any]
    recorded: Recorded
    #: Where its video is now; None if it has not moved.
    relocated_source: str | None = None

    @classmethod
    def read(cls, folder: Path | str) -> FinishedRun:
        """Read a folder. Raises `DataError` if it does not exist or the run has not finished, `OutputError` if it
        contains something else, `DamagedError` for a damaged file."""
        folder = Path(folder)
        if not folder.is_dir():
            raise DataError(f"{folder}: expected the folder of a run, got none: {_KIND.other_folder_advice}")
        settings = stored_settings(folder, _KIND)
        if settings is None:
            raise DataError(
                f"{folder}: expected the folder of a run, got one without settings.json: {_KIND.other_folder_advice}"
            )
        if not (folder / paths.RESULT).is_file():
            raise DataError(
                f"{folder}: expected a finished run, got an unfinished one: the same rvos segment continues it"
            )
        result = read_json(folder / paths.RESULT, _KIND.overwrite_advice)
        try:
            video = result["video"]
            info = VideoInfo(**{**video, "size": (video["size"][0], video["size"][1])})
            targets = _targets_of(result)
            frame_count = int(result["summary"]["frames"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DamagedError(
                f"{folder / paths.RESULT}: expected the result of a run, got {error}: {_KIND.overwrite_advice}"
            ) from error
        log = folder / paths.FRAMES_LOG
        got = count_frames(log, targets)
        if got != frame_count:
            raise DamagedError(f"{log}: expected {frame_count} complete frames, got {got}: {_KIND.overwrite_advice}")
        return cls(folder, settings, result, Recorded.of_log(log, frame_count, info, targets))

    def only(self, indices: Sequence[int]) -> FinishedRun:
        """The run with only the targets at these positions, in this order. Raises `ConfigError` for a position that
        does not exist."""
        many = len(self.recorded.targets)
        if not indices or not set(indices) <= set(range(many)) or len(set(indices)) < len(indices):
            raise ConfigError(f"--only: expected different numbers from 0 to {many - 1}, got {list(indices)}")
        return replace(self, recorded=self.recorded.only(indices))

    def at(self, source: str) -> FinishedRun:
        """The same run, with its video read from another place, without comparing its time of change."""
        return replace(self, relocated_source=source)

    def frames(self, kind: ExportInput) -> Iterator[tuple[Frame, list[FrameResult]]]:
        """Each frame with its E results; black frames if the images are not needed.

        Raises `VideoError` if the video is missing or has changed.
        """
        frames = self._video_frames() if kind is ExportInput.FRAMES else self._blank_frames()
        recorded, seen = iter(self.recorded.read()), 0
        for frame in frames:
            records = next(recorded, None)
            if records is None:
                raise VideoError(
                    f"{self._source}: expected {seen} frames, as in {self.folder}, got more: {_CHANGED_VIDEO}"
                )
            index, time_s = records[0].frame_index, records[0].time_s
            if frame.index != index or abs(frame.time_s - time_s) > _SAME_TIME_S:
                raise VideoError(
                    f"{self._source}: expected frame {index} at {time_s:.3f} s, as in {self.folder}, got frame "
                    f"{frame.index} at {frame.time_s:.3f} s: {_CHANGED_VIDEO}"
                )
            yield frame, [to_result(record) for record in records]
            seen += 1
        if seen < self.recorded.frame_count:
            expected = f"expected {self.recorded.frame_count} frames, as in {self.folder}"
            raise VideoError(f"{self._source}: {expected}, got {seen}: {_CHANGED_VIDEO}")

    @property
    def _source(self) -> str:
        return str(self.settings["source"]) if self.relocated_source is None else self.relocated_source

    def _video_frames(self) -> Iterator[Frame]:
        if self.relocated_source is None:
            self._check_unchanged()
        video, size = VideoConfig(**self.settings["video"]), self.recorded.info.size
        with open_source(self._source, video, self.settings["sampling"]) as (info, frames):
            if info.size != size:
                raise VideoError(
                    f"{self._source}: expected the video of {self.folder}, {size[0]} x {size[1]} px (height x width), "
                    f"got one of {info.size[0]} x {info.size[1]} px"
                )
            yield from frames

    def _check_unchanged(self) -> None:
        """Raise `VideoError` if the video is missing or has changed."""
        if camera_number(self._source) is not None:
            raise VideoError(
                f"{self.folder}: expected a run of a file, got one of {self._source}, whose frames were not kept: "
                "choose a format that needs only the masks"
            )
        way_out = "pass its path with --source, or choose a format that needs only the masks"
        if not is_url(self._source) and not Path(self._source).exists():
            raise VideoError(
                f"{self._source}: expected the video of {self.folder}, got nothing there: if it was moved, {way_out}"
            )
        if source_fingerprint(self._source) != self.settings["source_sha256"]:
            raise VideoError(
                f"{self._source}: expected the video of {self.folder}, got one that has changed since: if only its "
                f"time of change has, {way_out}"
            )

    def _blank_frames(self) -> Iterator[Frame]:
        blank = np.broadcast_to(np.zeros(3, np.uint8), (*self.recorded.info.size, 3))
        for records in self.recorded.read():
            yield Frame(records[0].frame_index, records[0].time_s, blank)


def _targets_of(result: dict[str, Any]) -> tuple[Target, ...]:
    if "objects" in result:
        return object_targets([int(object_id) for object_id in result["objects"]])
    return expression_targets([str(text) for text in result["expressions"]])
