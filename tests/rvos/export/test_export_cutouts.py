"""What was meant without the rest: alpha comes out of every file as it went in, whatever the size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from rvos.export.base import OverlayPainter
from rvos.export.cutouts import on_blur, on_green
from rvos.export.outputs import OUTPUTS
from rvos.export.style import OVERLAY_STYLE
from rvos.export.table import build_exporter
from rvos.run.export import export_run
from rvos.run.finished import FinishedRun
from rvos.types import Frame, FrameResult, VideoInfo, expression_targets
from tests.rvos.export.small_run import NAMES, true_masks

TIMES_S = (0.0, 0.04, 0.3)


def noise(size: tuple[int, int], index: int) -> tuple[Frame, list[FrameResult]]:
    """A picture and two overlapping masks without any order: what a codec likes least."""
    rng = np.random.default_rng([*size, index])
    frame = Frame(index, TIMES_S[index], rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    return frame, [FrameResult(index, frame.time_s, e, rng.random(size) < 0.4, 1.0, 1.0) for e in range(2)]


def alphas_of(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """The plane of alpha of every frame, 0 to 1, and their times. VP9's is there for libvpx alone: FFmpeg's own decoder
    drops it and says nothing."""
    planes, times = [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder: Any = av.CodecContext.create("libvpx-vp9", "r") if path.suffix == ".webm" else stream.codec_context
        for packet in container.demux(stream):
            for frame in decoder.decode(packet if packet.size else None):
                plane, most = (
                    frame.planes[3],
                    255 if path.suffix == ".webm" else 2 ** frame.format.components[3].bits - 1,
                )
                values = np.frombuffer(plane, np.uint8 if most == 255 else "<u2").reshape(plane.height, -1)
                planes.append(values[:, : plane.width] / most)
                times.append(float(frame.pts * stream.time_base))
    return planes, times


@pytest.mark.parametrize("size", [(48, 64), (45, 63), (18, 17), (17, 16), (1, 1), (1, 300)])
@pytest.mark.parametrize("name", ["alpha_mov", "alpha_webm"])
def test_alpha_is_equal_when_it_is_decoded_again(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / OUTPUTS[name].path
    exporter = build_exporter(name, path, OverlayPainter(OVERLAY_STYLE))
    exporter.open(VideoInfo("clip.mp4", size, 25.0), expression_targets(["one", "two"]))
    films = [noise(size, index) for index in range(3)]
    for frame, results in films:
        exporter.write(frame, results)
    assert exporter.close() == [path] and [p.name for p in tmp_path.iterdir()] == [path.name]
    planes, times = alphas_of(path)
    np.testing.assert_allclose(times, TIMES_S, atol=1e-3)
    for plane, (_, results) in zip(planes, films, strict=True):
        np.testing.assert_array_equal(plane, (results[0].mask | results[1].mask).astype(float))


def test_cutouts_have_the_colours_of_the_video_inside_the_targets(
    finished: Callable[..., FinishedRun], tmp_path: Path
) -> None:
    run = finished()
    folder = export_run(run.only([0]), "cutouts", tmp_path / "cutouts")
    for index in range(6):
        cut = np.asarray(cv2.imread(str(folder / f"{index:05d}.png"), cv2.IMREAD_UNCHANGED))
        picture = np.asarray(cv2.imread(str(tmp_path / f"frames/{index}.png")))
        inside = true_masks(index)[0]
        np.testing.assert_array_equal(cut[..., 3] == 255, inside)
        np.testing.assert_array_equal(cut[..., 3] == 0, ~inside)
        np.testing.assert_array_equal(cut[inside][:, :3], picture[inside])


def test_other_backgrounds_do_not_change_the_targets_or_take_their_colours() -> None:
    image = np.full((90, 120, 3), (10, 200, 60), np.uint8)
    mask = np.zeros((90, 120), bool)
    mask[30:60, 40:80] = True
    image[mask] = (255, 0, 0)
    image[:, ::2][~mask[:, ::2]] = (10, 100, 60)
    frame, results = Frame(0, 0.0, image), [FrameResult(0, 0.0, 0, mask, 1.0, 1.0)]
    green, blurred = on_green(frame, results), on_blur(frame, results)
    assert (green[mask] == (255, 0, 0)).all() and (green[~mask] == green[0, 0]).all()
    assert (blurred[mask] == (255, 0, 0)).all()
    assert blurred[~mask][:, 0].max() <= 11 and np.ptp(blurred[~mask][:, 1].astype(int)) < 30


def test_a_part_of_the_targets_is_a_run_of_its_own(finished: Callable[..., FinishedRun]) -> None:
    part = finished().only([2, 0]).recorded
    assert [(t.index, t.name, t.label) for t in part.targets] == [(0, NAMES[2], 1), (1, NAMES[0], 2)]
    assert [[r.expression_index for r in records] for records in part.read()] == [[0, 1]] * 6
