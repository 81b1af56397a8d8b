"""`rvos evaluate` on a video dataset: figures, killed and continued, shards, what breaks."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rvos.segmenter import VideoSegmenter

EVALUATE = ("evaluate", "ref-youtube-vos", "--quiet", "--device", "cpu", "--workers", "1", "--tracker", "none")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def metrics(out: Path) -> dict[str, Any]:
    return json.loads((out / "metrics.json").read_text())


def test_figures_masks_and_lines_of_every_expression(rvos: Callable, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = rvos(*EVALUATE, "--root", dataset, "--out", out)
    assert said.code == 0 and any(line.startswith("J&F: ") for line in said.out)
    found = metrics(out)
    assert found["J&F"] > 0.7 and found["expressions"] == 6 and found["failures"] == found["missing"] == []
    assert found["verified"] is False and found["settings"]["tracker"]["name"] == "none"
    assert sorted(found["by"]["words"]) == ["1-4"] and found["by"]["words"]["1-4"]["J"] == found["J"]
    mask = pixels(out / "predictions/Annotations/b/1/00005.png")
    assert mask.shape == (48, 80) and mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 255}
    assert not pixels(out / "predictions/Annotations/b/1/00015.png").any()
    rows = [json.loads(line) for line in (out / "expressions.jsonl").read_text().splitlines()]
    assert [(row["video_id"], row["expression_id"]) for row in rows] == [(v, e) for v in "abc" for e in "01"]
    assert rows[1]["visible"] == [True, True, True, False] and rows[1]["J"][3] == 1.0
    assert np.mean([np.mean(row["J"]) for row in rows]) == pytest.approx(found["J"], abs=1e-6)
    assert json.loads((out / "timing.json").read_text())["ours"]["frames_computed"] == 12


def test_scoring_what_evaluate_wrote_gives_its_figures(rvos: Callable, dataset: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "out", tmp_path / "again.json"
    assert rvos(*EVALUATE, "--root", dataset, "--out", out).code == 0
    where = ("--root", dataset, "--predictions", out / "predictions", "--out", again, "--workers", "1", "--quiet")
    assert rvos("score", "ref-youtube-vos", *where).code == 0
    ours, scored = metrics(out), json.loads(again.read_text())
    assert scored == {key: ours[key] for key in scored}


def test_killed_in_the_middle_and_continued_is_one_run(
    rvos: Callable, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert rvos(*EVALUATE, "--root", dataset, "--out", whole).code == 0
    stream = VideoSegmenter.stream
    watched: list[str] = []

    def dying(self: VideoSegmenter, source: Any, expressions: Any) -> Iterator[Any]:
        watched.append(source.paths[0].parent.name)
        for count, each in enumerate(stream(self, source, expressions)):
            if watched == ["a", "b"] and count == 2:
                raise KeyboardInterrupt
            yield each

    monkeypatch.setattr(VideoSegmenter, "stream", dying)
    assert rvos(*EVALUATE, "--root", dataset, "--out", killed).code == 130
    assert not (killed / "metrics.json").exists()
    assert rvos(*EVALUATE, "--root", dataset, "--out", killed).code == 0
    assert watched == ["a", "b", "b", "c"]
    assert metrics(killed) == metrics(whole)
    assert (killed / "expressions.jsonl").read_bytes() == (whole / "expressions.jsonl").read_bytes()
    masks = sorted(path.relative_to(whole) for path in whole.rglob("*.png"))
    assert masks and all((killed / path).read_bytes() == (whole / path).read_bytes() for path in masks)


def test_what_failed_is_tried_again_and_what_is_done_is_not(rvos: Callable, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    picture = dataset / "valid/JPEGImages/a/00005.jpg"
    whole = picture.read_bytes()
    picture.write_bytes(b"no picture")
    assert rvos(*EVALUATE, "--root", dataset, "--out", out).code == 0 and metrics(out)["failures"]
    picture.write_bytes(whole)
    assert rvos(*EVALUATE, "--root", dataset, "--out", out).code == 0 and not metrics(out)["failures"]
    timing = json.loads((out / "timing.json").read_text())["ours"]
    assert timing["frames"] == 12 and timing["frames_computed"] == 4
    assert rvos(*EVALUATE, "--root", dataset, "--out", out, "--baseline").code == 0
    timing = json.loads((out / "timing.json").read_text())
    assert timing["ours"]["frames_computed"] == 0 and timing["frame_by_frame"]["frames_computed"] == 12


def frames_computed(out: Path) -> int:
    return json.loads((out / "timing.json").read_text())["ours"]["frames_computed"]


def test_another_expression_a_damaged_record_and_overwrite_are_predicted_anew(
    rvos: Callable, dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = (*EVALUATE, "--root", dataset, "--out", out)
    assert rvos(*run).code == 0 and frames_computed(out) == 12
    index = dataset / "meta_expressions/valid/meta_expressions.json"
    meta = json.loads(index.read_text())
    meta["videos"]["a"]["expressions"]["0"]["exp"] = "the blue thing"
    index.write_text(json.dumps(meta))
    (out / "records/b/1.json").write_bytes(b"")
    before = metrics(out)["J"]
    assert rvos(*run).code == 0 and frames_computed(out) == 8 and metrics(out)["J"] < before
    assert rvos(*run, "--overwrite").code == 0 and frames_computed(out) == 12


def test_corrected_truth_is_scored_anew(rvos: Callable, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = (*EVALUATE, "--root", dataset, "--out", out)
    assert rvos(*run).code == 0
    before = metrics(out)["J"]
    for path in (dataset / "valid/Annotations/a").iterdir():
        picture = Image.new("P", (80, 48))
        picture.putpalette(bytes(range(256)) * 3)
        picture.save(path)
    assert rvos(*run).code == 0 and frames_computed(out) == 0 and metrics(out)["J"] < before


def test_truth_without_objects_named_is_no_truth(rvos: Callable, dataset: Path, tmp_path: Path) -> None:
    index = dataset / "meta_expressions/valid/meta_expressions.json"
    meta = json.loads(index.read_text())
    for row in meta["videos"].values():
        row["expressions"] = {i: {"exp": said["exp"]} for i, said in row["expressions"].items()}
    index.write_text(json.dumps(meta))
    out = tmp_path / "out"
    assert rvos(*EVALUATE, "--root", dataset, "--out", out).code == 0
    assert "J&F" not in metrics(out) and metrics(out)["failures"] == []


def test_a_run_of_only_a_broken_video_reports_the_error(rvos: Callable, dataset: Path, tmp_path: Path) -> None:
    (dataset / "valid/JPEGImages/a/00005.jpg").write_bytes(b"no picture")
    out = tmp_path / "out"
    assert rvos(*EVALUATE, "--root", dataset, "--out", out, "--limit", "1").code == 0
    assert metrics(out)["J&F"] == 0.0 and all("00005.jpg" in row["error"] for row in metrics(out)["failures"])


def test_shards_into_one_folder_are_one_run(rvos: Callable, dataset: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert rvos(*EVALUATE, "--root", dataset, "--out", whole).code == 0
    for shard in ("2/2", "1/2"):
        assert rvos(*EVALUATE, "--root", dataset, "--out", parts, "--shard", shard).code == 0
        assert not (parts / "metrics.json").exists()
    assert rvos(*EVALUATE, "--root", dataset, "--out", parts).code == 0
    assert json.loads((parts / "timing.json").read_text())["ours"]["frames_computed"] == 0
    assert metrics(parts) == metrics(whole)


def test_the_baseline_is_frame_by_frame_in_a_block_of_its_own(rvos: Callable, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = rvos(*EVALUATE, "--root", dataset, "--out", out, "--baseline")
    found = metrics(out)
    block = found["baseline"]["frame_by_frame"]
    assert block["J&F"] == found["J&F"] and found["baseline"]["gain"] == {
        "of": "J&F",
        "mean": 0.0,
        "low": 0.0,
        "high": 0.0,
    }
    assert any("J&F gain over frame by frame: +0.0000" in line for line in said.out)


def test_a_split_without_truth_is_predicted_and_can_be_submitted(rvos: Callable, dataset: Path, tmp_path: Path) -> None:
    shutil.rmtree(dataset / "valid/Annotations")
    out, packed = tmp_path / "out", tmp_path / "submission.zip"
    assert rvos(*EVALUATE, "--root", dataset, "--out", out).code == 0
    found = metrics(out)
    assert "J&F" not in found and found["notes"] == ["the split has no truth: pack the predictions with rvos submit"]
    said = rvos("submit", "ref-youtube-vos", "--root", dataset, "--predictions", out / "predictions", "--out", packed)
    assert said.code == 0
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
    assert len(names) == 3 * 2 * 4 and "Annotations/c/1/00015.png" in names
    again = rvos("score", "ref-youtube-vos", "--root", dataset, "--predictions", out / "predictions", "--out", "f.json")
    assert again.code == 2 and "split 'valid' has no truth: score another split, or submit it" in again.err[0]


def test_failed_videos_are_reported_and_count_zero_and_the_rest_continues(
    rvos: Callable, dataset: Path, tmp_path: Path
) -> None:
    (dataset / "valid/JPEGImages/a/00005.jpg").write_bytes(b"no picture")
    (dataset / "valid/Annotations/b/00010.png").unlink()
    index = dataset / "meta_expressions/valid/meta_expressions.json"
    meta = json.loads(index.read_text())
    meta["videos"]["c"]["expressions"]["0"]["exp"] = "  "
    index.write_text(json.dumps(meta))
    out = tmp_path / "out"
    said = rvos(*EVALUATE, "--root", dataset, "--out", out)
    found = metrics(out)
    assert said.code == 0 and any(line.startswith("failures: 5") for line in said.out)
    told = {(row["video"], row["expression"]): row["error"] for row in found["failures"]}
    assert sorted(told) == [("a", "0"), ("a", "1"), ("b", "0"), ("b", "1"), ("c", "0")]
    assert "00005.jpg" in told["a", "0"] and "00010.png" in told["b", "1"] and "\n" not in "".join(told.values())
    assert sorted(found["missing"]) == ["a/0", "a/1", "c/0"] and found["expressions"] == 6
    assert found["J"] == pytest.approx(np.mean([json.loads(line)["J"] for line in lines(out)[-1:]]) / 6)


def lines(out: Path) -> list[str]:
    return (out / "expressions.jsonl").read_text().splitlines()


def test_a_folder_of_other_settings_is_refused_without_overwrite(rvos: Callable, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert rvos(*EVALUATE, "--root", dataset, "--out", out, "--limit", "1").code == 0
    other = (*EVALUATE, "--root", dataset, "--out", out, "--tracker", "tracks")
    said = rvos(*other)
    assert said.code == 2 and said.err == [
        f"rvos: {out} holds another run (different: tracker.name): pass --overwrite, or choose another --out"
    ]
    assert rvos(*other, "--overwrite", "--limit", "1").code == 0
    assert metrics(out)["settings"]["tracker"]["name"] == "tracks" and metrics(out)["videos"] == 1
    assert json.loads((out / "timing.json").read_text())["ours"]["frames_computed"] == 4


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ("--root", "nowhere"),
            "--root: expected the folder of ref-youtube-vos, got nowhere, which is not a folder",
        ),
        ((), "ref-youtube-vos: expected --root, the folder of the dataset, got none"),
        (("--root", "data", "--split", "val"), "unknown split of ref_youtube_vos 'val': did you mean 'valid'?"),
        (("--root", "data", "--shard", "3/2"), "--shard: expected i/n with 1 <= i <= n, for example 1/4, got 3/2"),
        (("--root", "data", "--shard", "half"), "--shard: expected I/N, for example 1/4, got 'half'"),
        (("--root", "data", "--set", "sampling=stride:2"), "sampling: expected all, because a dataset scores"),
        (("--root", "data", "--limit", "0"), "--limit: expected 1 or more, got 0"),
    ],
)
def test_bad_input_is_one_line(
    rvos: Callable, dataset: Path, tmp_path: Path, more: tuple[str, ...], message: str
) -> None:
    said = rvos(*EVALUATE, "--out", tmp_path / "out", *more)
    assert said.code == 2 and len(said.err) == 1 and message in said.err[0]
