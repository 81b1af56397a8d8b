"""`frames.jsonl`: what goes in comes out, equal runs write equal bytes, a cut end is found and removed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from image_core.answer import Candidate
from image_core.geometry.rle import decode_rle, encode_rle, rle_area
from rvos.export.records import (
    FrameLog,
    count_frames,
    read_frames,
    to_line,
    to_record,
    to_result,
    truncate_frames,
)
from rvos.types import FrameResult, OutputError, expression_targets, object_targets

TARGETS = expression_targets(["the dog", "the cat"])


def some_result(frame_index: int, expression_index: int = 0, seed: int = 0) -> FrameResult:
    rng = np.random.default_rng([seed, frame_index, expression_index])
    mask = np.zeros((24, 31), bool)
    if (frame_index + expression_index) % 3:
        mask[4:15, 7:20] = rng.random((11, 13)) > 0.4
    return FrameResult(frame_index, frame_index / 30, expression_index, mask, rng.random(), rng.random())


def write_log(path: Path, frames: int, expressions: int = 2) -> None:
    log = FrameLog(path)
    for t in range(frames):
        log.append([to_record(some_result(t, e)) for e in range(expressions)])
    log.close()


def test_candidates_are_recorded_on_frames_on_which_the_model_ran(tmp_path: Path) -> None:
    """The first expression was asked and had two, the second was asked and had none; nobody was asked on frame 1."""
    found = tuple(Candidate(some_result(t).mask, 0.123456789 / t, 0.5) for t in (1, 2))
    log = FrameLog(tmp_path / "frames.jsonl")
    log.append([to_record(replace(some_result(0, e), candidates=found if e == 0 else ())) for e in (0, 1)])
    log.append([to_record(some_result(1, e)) for e in (0, 1)])
    log.close()
    lines = (tmp_path / "frames.jsonl").read_text().splitlines()
    assert [list(json.loads(line).get("candidates", "-")) for line in lines[1:]] == [[], ["-"], ["-"]]
    logged = read_frames(tmp_path / "frames.jsonl", TARGETS)
    (asked, nothing), not_asked = ([to_result(record).candidates for record in records] for records, _ in logged)
    assert nothing == () and not_asked == [None, None] and asked is not None
    assert [(one.likelihood, one.quality) for one in asked] == [(0.123457, 0.5), (0.061728, 0.5)]
    assert all(np.array_equal(one.mask, other.mask) for one, other in zip(asked, found, strict=True))


@pytest.mark.parametrize("fill", ["empty", "full", "random", "one pixel", "a view"])
def test_a_mask_survives_its_run_lengths(fill: str) -> None:
    mask = np.zeros((17, 23), bool)
    if fill == "full":
        mask[:] = True
    elif fill == "random":
        mask = np.random.default_rng(1).random((17, 23)) > 0.5
    elif fill == "one pixel":
        mask[16, 22] = True
    elif fill == "a view":
        mask = (np.random.default_rng(2).random((34, 46)) > 0.5)[::2, ::-2]
    rle = encode_rle(mask)
    assert rle["size"] == [17, 23]
    assert isinstance(rle["counts"], str)
    assert np.array_equal(decode_rle(rle), mask)
    assert decode_rle(rle).dtype == np.bool_
    assert rle_area(rle) == mask.sum()


def test_the_box_is_half_open_and_absent_without_a_mask() -> None:
    mask = np.zeros((10, 20), bool)
    assert to_record(FrameResult(0, 0.0, 0, mask, 0.5, 0.1)).box_xyxy is None
    mask[2:5, 3:9] = True
    record = to_record(FrameResult(0, 0.0, 0, mask, 0.5, 0.1))
    assert record.box_xyxy == (3, 2, 9, 5)
    assert record.present


def test_result_and_record_are_inverse_up_to_rounding() -> None:
    result = some_result(4, 1)
    back = to_result(to_record(result))
    assert np.array_equal(back.mask, result.mask)
    assert back.score == pytest.approx(result.score, abs=1e-6)
    assert to_line(to_record(back)) == to_line(to_record(result))


def test_a_line_has_the_fields_of_a_record_in_order() -> None:
    document = json.loads(to_line(to_record(some_result(1))))
    wanted = ["frame_index", "time_s", "expression_index", "present", "score", "presence", "box_xyxy", "rle"]
    assert list(document) == wanted
    assert document["time_s"] == 0.033333


def tracked(frame_index: int, *track_ids: int) -> FrameResult:
    """Expression 0 with a square a track, the track 9 without one."""
    masks = {i: np.zeros((24, 31), bool) for i in track_ids}
    for i in masks.keys() - {9}:
        masks[i][i : i + 4, 2 * i : 2 * i + 4] = True
    union = np.any([np.zeros((24, 31), bool), *masks.values()], axis=0)
    return FrameResult(frame_index, 0.0, 0, union, 0.5, 0.5, masks)


def test_tracks_are_kept_by_rising_id_and_read_back(tmp_path: Path) -> None:
    results = [tracked(0, 5, 2, 9), tracked(1), tracked(2, 3)]
    log = FrameLog(tmp_path / "frames.jsonl")
    for result in results:
        log.append([to_record(result)])
    log.close()
    lines = (tmp_path / "frames.jsonl").read_bytes().splitlines(keepends=True)
    found = json.loads(lines[0])["tracks"]
    assert [(t["track_id"], t["box_xyxy"]) for t in found] == [(2, [4, 2, 8, 6]), (5, [10, 5, 14, 9]), (9, None)]
    assert list(found[0]) == ["track_id", "box_xyxy", "rle"] and "tracks" not in json.loads(lines[1])
    for (records, _), result, line in zip(
        read_frames(tmp_path / "frames.jsonl", TARGETS[:1]), results, lines, strict=True
    ):
        back = to_result(records[0])
        assert records == [to_record(result)] and to_line(to_record(back)) == line
        assert back.track_masks.keys() == result.track_masks.keys()
        assert all(np.array_equal(back.track_masks[i], mask) for i, mask in result.track_masks.items())


def test_the_rows_of_objects_carry_their_ids(tmp_path: Path) -> None:
    targets, path = object_targets([3, 12]), tmp_path / "frames.jsonl"
    log, frames = FrameLog(path), []
    for t in range(3):
        results = [some_result(t, target.index) for target in targets]
        frames.append([replace(to_record(r), object_id=t.object_id) for r, t in zip(results, targets, strict=True)])
        log.append(frames[-1])
    log.close()
    row = json.loads(path.read_bytes().splitlines()[1])
    assert row["object_id"] == 12 and "expression_index" not in row and list(row)[2] == "object_id"
    assert [records for records, _ in read_frames(path, targets)] == frames
    assert to_result(frames[0][1]).object_id == 12
    assert count_frames(path, object_targets([3, 7])) == count_frames(path, TARGETS) == 0


@pytest.mark.parametrize("tracks", [[{}], [1], [{"track_id": 1, "box_xyxy": [1, 2], "rle": {}}]])
def test_reading_stops_before_a_damaged_track(tracks: list[object], tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    write_log(path, 2, expressions=1)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + json.dumps({**json.loads(second), "tracks": tracks}).encode() + b"\n")
    assert count_frames(path, TARGETS[:1]) == 1


def test_figures_below_the_sixth_digit_do_not_reach_the_bytes() -> None:
    mask = np.ones((2, 2), bool)
    lines = {to_line(to_record(FrameResult(0, 0.1 + d, 0, mask, 0.7 + d, 0.2 - d))) for d in (0.0, 1e-9, -1e-9)}
    assert len(lines) == 1


def test_a_figure_that_is_not_a_number_is_refused() -> None:
    record = to_record(FrameResult(0, 0.0, 0, np.ones((2, 2), bool), float("nan"), 0.5))
    with pytest.raises(ValueError, match=r"[Nn]a[Nn]|not JSON"):
        to_line(record)


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    write_log(path, 5)
    frames = [records for records, _ in read_frames(path, TARGETS)]
    assert frames == [[to_record(some_result(t, e)) for e in range(2)] for t in range(5)]
    assert count_frames(path, TARGETS) == 5


def test_a_log_truncated_anywhere_keeps_its_complete_frames(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    write_log(path, 3)
    data = path.read_bytes()
    ends = [end for _, end in read_frames(path, TARGETS)]
    for cut in sorted({*range(0, len(data), 11), *ends, *(end - 1 for end in ends), *(end + 1 for end in ends[:-1])}):
        path.write_bytes(data[:cut])
        assert count_frames(path, TARGETS) == sum(end <= cut for end in ends), cut


@pytest.mark.parametrize("damage", [b"\0\0\0\n", b"[1]\n", b'{"frame_index":2}\n', b"\xff\n"])
def test_reading_stops_before_a_damaged_line(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "frames.jsonl"
    write_log(path, 2)
    path.write_bytes(path.read_bytes() + damage)
    assert count_frames(path, TARGETS) == 2


def test_reading_stops_before_a_frame_out_of_order(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    write_log(path, 4, expressions=1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[2], lines[1], lines[3]]))
    assert count_frames(path, TARGETS[:1]) == 2


def test_a_truncated_log_continues_to_the_same_bytes(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    write_log(whole, 6)
    write_log(broken, 5)
    broken.write_bytes(broken.read_bytes()[:-7])
    truncate_frames(broken, TARGETS, 3)
    log = FrameLog(broken)
    for t in range(3, 6):
        log.append([to_record(some_result(t, e)) for e in range(2)])
    log.close()
    assert broken.read_bytes() == whole.read_bytes()


def test_truncation_to_more_frames_than_there_are_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    write_log(path, 2)
    with pytest.raises(ValueError, match="expected at least 3 complete frames, got 2"):
        truncate_frames(path, TARGETS, 3)
    truncate_frames(tmp_path / "nothing.jsonl", TARGETS, 0)


def test_every_frame_can_be_read_while_the_log_is_open(tmp_path: Path) -> None:
    log = FrameLog(tmp_path / "frames.jsonl")
    for t in range(3):
        log.append([to_record(some_result(t))])
        assert count_frames(tmp_path / "frames.jsonl", TARGETS[:1]) == t + 1
    log.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_reported_in_one_line() -> None:
    log = FrameLog(Path("/dev/full"))
    with pytest.raises(OutputError, match="No space left") as caught:
        log.append([to_record(some_result(0))])
    assert "\n" not in str(caught.value)


def test_the_keys_are_those_that_the_documentation_lists() -> None:
    result = replace(tracked(0, 1), candidates=(Candidate(np.ones((24, 31), bool), 0.5, 0.5),))
    lines = [json.loads(to_line(to_record(r))) for r in (result, replace(result, object_id=7))]
    page = (Path(__file__).parents[3] / "docs/cli.md").read_text()
    section = page.partition("### Keys of frames.jsonl\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE))
    assert set(rows) == {key for line in lines for key in line}
    for key in ("tracks", "candidates"):
        assert all(f"`{name}`" in rows[key] for name in lines[0][key][0]), key
