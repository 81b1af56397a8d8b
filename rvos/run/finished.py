"""A run that came to its end, read again: what it found, and the frames that it found it on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from image_core.errors import DamagedError, DataError
from image_core.files import read_json
from image_core.folder import stored_settings
from rvos.export import paths
from rvos.export.outputs import Made
from rvos.export.recorded import Recorded
from rvos.export.records import count_frames, to_result
from rvos.run.folder import KIND
from rvos.run.job import state_of
from rvos.types import Frame, FrameResult, Target, VideoError, VideoInfo, expression_targets, object_targets
from rvos.video.config import VideoConfig
from rvos.video.source import camera_number
from rvos.watch.source import open_source

_READ = replace(KIND, anew="run it again with --overwrite", elsewhere="name the folder of a finished rvos segment")


@dataclass(frozen=True)
class FinishedRun:
    """What `rvos segment` left in a folder."""

    folder: Path
    #: The content of `settings.json` that the run depends on.
    settings: dict[str, Any]
    #: The content of `result.json`.
    result: dict[str, Any]
    recorded: Recorded

    @classmethod
    def read(cls, folder: Path | str) -> FinishedRun:
        """Read a folder. Raises `DataError` where there is none or the run in it has not ended, `OutputError` where it
        holds something else, `DamagedError` where a file is not as it was written."""
        folder = Path(folder)
        if not folder.is_dir():
            raise DataError(f"{folder}: expected the folder of a run, got none: {_READ.elsewhere}")
        settings = stored_settings(folder, _READ)
        if settings is None:
            raise DataError(f"{folder}: expected the folder of a run, got one without settings.json: {_READ.elsewhere}")
        if not (folder / paths.RESULT).is_file():
            raise DataError(
                f"{folder}: expected a finished run, got one that has not ended: the same rvos segment continues it"
            )
        result = read_json(folder / paths.RESULT, _READ.anew)
        try:
            video = result["video"]
            info = VideoInfo(**{**video, "size": (video["size"][0], video["size"][1])})
            targets = _targets_of(result)
            frame_count = int(result["summary"]["frames"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DamagedError(
                f"{folder / paths.RESULT}: expected what a run wrote, got {error}: {_READ.anew}"
            ) from error
        log = folder / paths.FRAMES_LOG
        got = count_frames(log, targets)
        if got != frame_count:
            raise DamagedError(f"{log}: expected {frame_count} whole frames, got {got}: {_READ.anew}")
        return cls(folder, settings, result, Recorded.of_log(log, frame_count, info, targets))

    def frames(self, made_of: Made) -> Iterator[tuple[Frame, list[FrameResult]]]:
        """Each frame with its E results; black where the pictures are not asked for.

        Raises `VideoError` where the video is not there, or no longer what it was.
        """
        frames = self._pictures() if made_of is Made.PICTURES else self._blanks()
        seen = 0
        for frame, records in zip(frames, self.recorded.read(), strict=False):
            if frame.index != records[0].frame_index:
                raise VideoError(
                    f"{self._source}: expected frame {records[0].frame_index}, got {frame.index}: it has changed"
                )
            yield frame, [to_result(record) for record in records]
            seen += 1
        if seen < self.recorded.frame_count:
            raise VideoError(f"{self._source}: expected {self.recorded.frame_count} frames, got {seen}: it has changed")

    @property
    def _source(self) -> str:
        return str(self.settings["source"])

    def _pictures(self) -> Iterator[Frame]:
        if camera_number(self._source) is not None:
            raise VideoError(
                f"{self.folder}: expected a run of a file, got one of {self._source}, whose pictures are past: "
                "choose a format that is made of masks alone"
            )
        if state_of(self._source) != self.settings["source_sha256"]:
            raise VideoError(
                f"{self._source}: expected the video of {self.folder}, got one that has changed since: "
                "put it back, with its time of change, or choose a format that is made of masks alone"
            )
        with open_source(self._source, VideoConfig(**self.settings["video"]), self.settings["sampling"]) as (_, frames):
            yield from frames

    def _blanks(self) -> Iterator[Frame]:
        blank = np.broadcast_to(np.zeros(3, np.uint8), (*self.recorded.info.size, 3))
        for records in self.recorded.read():
            yield Frame(records[0].frame_index, records[0].time_s, blank)


def _targets_of(result: dict[str, Any]) -> tuple[Target, ...]:
    if "objects" in result:
        return object_targets([int(object_id) for object_id in result["objects"]])
    return expression_targets([str(text) for text in result["expressions"]])
