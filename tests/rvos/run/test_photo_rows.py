"""Rows of one source with the model `photo`: watched together they leave what each leaves by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from rvos import VideoSegmenter
from rvos.run.job import run
from rvos.run.joblist import Row, jobs_of
from rvos.run.rows import run_units, split_into_units

pytestmark = [pytest.mark.weights, pytest.mark.shared]
EXPRESSIONS = ("the dog", "the person on the left")


def test_photo_rows_together_are_rows_apart(shared_dir: Path, tmp_path: Path) -> None:
    source = tmp_path / "dog"
    source.mkdir()
    for picture in sorted((shared_dir / "clips/masked/dog/frames").iterdir())[:6]:
        (source / picture.name).symlink_to(picture)
    rows, segmenter = [Row(str(source), expression) for expression in EXPRESSIONS], VideoSegmenter("photo")

    def left(out: Path) -> list[bytes]:
        kept = (out / name for name in ("frames.jsonl", "result.json", "settings.json"))
        return [path.read_bytes() for path in (*kept, *sorted(out.glob("masks/0/*.png")))]

    apart = jobs_of(rows, tmp_path / "apart", ("masks",), None, False)
    for job in apart:
        run(job, segmenter)
    _, units = split_into_units(rows, together := jobs_of(rows, tmp_path / "together", ("masks",), None, False))
    assert len(units) == 1 and not [o for o in run_units(units, segmenter, lambda *_: None) if o.error]
    assert [left(job.out) for job in together] == [left(job.out) for job in apart]
    assert len(left(together[0].out)) == 3 + 6 and left(together[0].out) != left(together[1].out)
    assert b'"present":true' in left(together[0].out)[0]
