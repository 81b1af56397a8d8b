"""A run whose outputs stand frame by frame goes on where it was, and does not decode what came before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rvos.run.recording
from image_core.segmenter import ImageSegmenter
from rvos import VideoSegmenter
from rvos.parts import tracker_config
from rvos.run.job import Job, run
from rvos.types import Frame
from rvos.video.av_source import AvSource
from rvos.video.reader import open_video
from rvos.watch.session import StreamSession

EXPRESSIONS = ("the red thing", "the green thing")
STOPPED_AT = 8


def left_by(out: Path) -> dict[str, bytes]:
    names = ("frames.jsonl", "result.json", "masks/*/*.png", "palette/*.png", "frames/*.png", "contact_sheet.png")
    return {str(path.relative_to(out)): path.read_bytes() for name in names for path in sorted(out.glob(name))}


@pytest.mark.parametrize(("sampling", "lookahead"), [("all", 3), ("stride:2", 0), ("uniform:11", 3)])
def test_killed_and_continued_is_in_one_go_and_what_came_before_is_not_decoded(
    sampling: str,
    lookahead: int,
    colour_segmenter: ImageSegmenter,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 3)
    segmenter = VideoSegmenter(
        colour_segmenter, tracker=tracker_config("tracks", lookahead=lookahead), sampling=sampling, key_frames="every:4"
    )
    clip, steps, shown = make_clip(23, keyint=4), StreamSession.steps, []
    whole, parts = (Job(str(clip), EXPRESSIONS, tmp_path / n, ("masks", "palette", "frames")) for n in ("one", "two"))
    run(whole, segmenter)

    def stopping(self: StreamSession, frames: Sequence[Frame], *given: Any) -> Any:
        if self.frame_count == STOPPED_AT and not shown:
            shown.append(frames[0].index)
            raise KeyboardInterrupt
        return steps(self, frames, *given)

    monkeypatch.setattr(StreamSession, "steps", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(parts, segmenter)
    assert shown
    monkeypatch.setattr(AvSource, "frames", lambda self: pytest.fail("the video was decoded from its start"))
    said: list[int] = []
    run(parts, segmenter, lambda done, total: said.append(done))
    assert left_by(parts.out) == left_by(whole.out) and len(left_by(whole.out)) > 20
    assert said[0] == 1 + 6 - lookahead and said == list(range(said[0], said[-1] + 1))


def test_a_contact_sheet_after_an_interruption_is_of_the_whole_video(
    colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 3)
    segmenter, clip, steps = VideoSegmenter(colour_segmenter, tracker="none"), make_clip(9), StreamSession.steps
    run(Job(str(clip), EXPRESSIONS, tmp_path / "one", ("masks", "contact_sheet")), segmenter)
    job = Job(str(clip), EXPRESSIONS, tmp_path / "two", ("masks", "contact_sheet"))

    def stopping(self: StreamSession, frames: Sequence[Frame], *given: Any) -> Any:
        if frames[0].index == 7:
            raise KeyboardInterrupt
        return steps(self, frames, *given)

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(StreamSession, "steps", stopping)
        run(job, segmenter)
    run(job, segmenter)
    assert left_by(job.out) == left_by(tmp_path / "one")


@pytest.mark.parametrize("prefetch", [0, 4])
@pytest.mark.parametrize("start", [0, 1, 4, 11, 12])
def test_frames_from_a_place_on_are_those_of_the_whole(
    start: int, prefetch: int, make_clip: Callable[..., Path]
) -> None:
    clip = make_clip(12, keyint=4)
    with open_video(clip, prefetch=prefetch) as video:
        whole, rest = list(video), list(video.frames_from(start))
        assert [(f.index, f.time_s) for f in rest] == [(f.index, f.time_s) for f in whole[start:]]
        for one, other in zip(rest, whole[start:], strict=True):
            np.testing.assert_array_equal(one.image, other.image)


def test_a_file_that_can_only_be_read_in_order_is_read_in_order(
    make_clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AvSource, "index", None)
    monkeypatch.setattr(AvSource, "read", lambda self, indices: pytest.fail("it was sought in"))
    with open_video(make_clip(7)) as video:
        assert [frame.index for frame in video.frames_from(5)] == [5, 6]
