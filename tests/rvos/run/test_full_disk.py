"""A disk that is full at any moment: one line, exit code 2, and the same command goes on when there is room."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from image_core.errors import OutputError
from image_core.segmenter import ImageSegmenter
from rvos.run.job import Job, run
from rvos.segmenter import VideoSegmenter

Make = Callable[..., VideoSegmenter]
SAVE = ("overlay", "contact_sheet", "masks", "palette")


@pytest.fixture
def make_segmenter(colour_segmenter: ImageSegmenter) -> Make:
    return lambda: VideoSegmenter(colour_segmenter)


@pytest.fixture
def room() -> Callable[[int], None]:
    """Limits how large a file may grow, in bytes: writing beyond that fails, as on a full disk."""

    def limit(size: int) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return limit


def in_child(work: Callable[[], None]) -> int:
    """The exit code of a forked process: 0 where `work` ended, 2 for an `OutputError` of one line, 1 for the rest."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except OutputError as error:
            code = 2 if "\n" not in str(error) else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_run_continues_after_a_full_disk(
    make_segmenter: Make, make_clip: Callable[..., Path], tmp_path: Path, room: Callable[[int], None]
) -> None:
    clip = str(make_clip(12))
    run(Job(clip, ("the red thing",), tmp_path / "whole", SAVE), make_segmenter())
    wanted = {p.relative_to(tmp_path / "whole"): p.read_bytes() for p in (tmp_path / "whole").rglob("*") if p.is_file()}
    sizes = sorted({len(data) for data in wanted.values()})
    codes = []
    for number, size in enumerate([0, 300, sizes[len(sizes) // 2] - 1, sizes[-1] // 2, sizes[-1] - 1]):
        out = tmp_path / f"out{number}"
        job = Job(clip, ("the red thing",), out, SAVE)

        def tight(size: int = size, job: Job = job) -> None:
            room(size)
            run(job, make_segmenter())

        codes.append(in_child(tight))
        run(job, make_segmenter())
        found = {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}
        same = {name: data for name, data in wanted.items() if name.name != "timing.json"}
        assert {name: found.get(name) for name in same} == same
    assert set(codes) == {2} or set(codes) == {0, 2}, codes
    assert codes[0] == 2


def test_a_device_is_never_replaced(tmp_path: Path) -> None:
    from image_core.files import write_json

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="got a folder or a device"):
        write_json(tmp_path / "pipe", {})
    with pytest.raises(OutputError, match="got a folder or a device"):
        write_json(tmp_path, {})
