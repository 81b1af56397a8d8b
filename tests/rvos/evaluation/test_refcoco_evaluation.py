"""`rvos evaluate refcoco` and its family on small synthetic trees, with a model that sees colours."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from image_core.data.table import open_dataset
from image_core.evaluation.prediction_log import PredictionLog
from image_core.evaluation.protocols import PROTOCOLS
from image_core.evaluation.run import OUTPUTS
from image_core.sample import ImageSample
from image_core.segmenter import ImageSegmenter
from image_core.synthetic.layouts import write_grefcoco, write_refcoco

Rvos = Callable[..., Any]
RUN = ("--quiet", "--device", "cpu")
PUBLISHED = ["lavt", "rela", "cgformer", "seqtr"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    write_refcoco(root, {"val": 3}, 0, (64, 96))
    write_grefcoco(root, {"val": 2}, 0, (64, 64))
    return root


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "tree"))


def samples(tree: Path, name: str = "refcoco") -> list[ImageSample]:
    dataset = open_dataset(name, tree, "val")
    return [dataset[i] for i in range(len(dataset))]


def document(out: Path) -> dict[str, Any]:
    return json.loads((out / "metrics.json").read_text())


def test_every_expression_under_every_protocol(rvos: Rvos, tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = rvos("evaluate", "refcoco", "--root", tree, "--out", out, *RUN)
    assert said.code == 0
    found = document(out)
    expressions = sum(len(sample.expressions) for sample in samples(tree))
    assert found["dataset"] == "refcoco" and found["images"] == 3 and found["failures"] == []
    assert found["expressions"] == found["targets"] == expressions and found["verified"] is True
    assert list(found["protocols"]) == PUBLISHED
    for name, figures in found["protocols"].items():
        assert figures["protocol"] == PROTOCOLS[name].text and figures["verified"] is False
        assert 0 <= figures["gIoU" if name == "rela" else "mIoU"] <= 1
        assert any(line.startswith(f"{name} (not verified): ") for line in said.out)
    assert found["settings"] | {"split": "val", "split_by": "unc", "dataset": "refcoco"} == found["settings"]
    assert (out / "predictions.png").is_file()


@pytest.mark.parametrize("keep", [0.0, 0.4, 0.9])
def test_a_killed_run_gives_the_same_bytes(rvos: Rvos, tree: Path, tmp_path: Path, keep: float) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = ("evaluate", "refcoco", "--root", tree, *RUN)
    assert rvos(*command, "--out", whole).code == 0
    shutil.copytree(whole, killed)
    log = (killed / "predictions.jsonl").read_bytes()
    (killed / "predictions.jsonl").write_bytes(log[: int(len(log) * keep)])
    (killed / "metrics.json").unlink()
    assert rvos(*command, "--out", killed).code == 0
    for name in ("predictions.jsonl", "metrics.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert json.loads((killed / "timing.json").read_text())["images_computed"] == {0.0: 3, 0.4: 2, 0.9: 1}[keep]


def test_the_crowd_rule_scores_what_was_predicted(rvos: Rvos, tree: Path, tmp_path: Path) -> None:
    command = ("evaluate", "refcoco", "--root", tree, "--out", tmp_path / "out", *RUN)
    assert rvos(*command).code == 0 and rvos(*command, "--seqtr-crowd-iou").code == 0
    found = document(tmp_path / "out")["protocols"]
    assert list(found) == [*PUBLISHED, "seqtr_crowd_iou"] and "oIoU" not in found["seqtr_crowd_iou"]
    assert found["seqtr_crowd_iou"]["mIoU"] >= found["seqtr"]["mIoU"]
    assert json.loads((tmp_path / "out/timing.json").read_text())["images_computed"] == 0


def test_a_finished_run_is_returned_unchanged(rvos: Rvos, tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("evaluate", "refcoco", "--root", tree, "--out", out, *RUN)
    first = rvos(*command, "--seqtr-crowd-iou")
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.glob("*.*")}
    shutil.rmtree(tree / "images/train2014")
    (tree / "images/train2014").mkdir()
    for more in ((), ("--seqtr-crowd-iou",)):
        assert rvos(*command, *more).out == first.out
    after = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.glob("*.*")}
    assert {name: after[name] for name in OUTPUTS} == {name: before[name] for name in OUTPUTS}
    assert rvos(*command, "--overwrite").code == 0 and len(document(out)["failures"]) == 3


def test_the_figures_of_other_settings_are_not_given(rvos: Rvos, tree: Path, tmp_path: Path) -> None:
    """As a kill may leave them, between the new settings and the end of the old figures."""
    out = tmp_path / "out"
    command = ("evaluate", "refcoco", "--root", tree, "--out", out, *RUN)
    assert rvos(*command).code == 0
    sound = document(out)
    for stale in (json.dumps(sound | {"settings": {}, "mIoU": 0.5}), "{"):
        (out / "metrics.json").write_text(stale)
        assert rvos(*command).code == 0 and document(out) == sound


def test_a_log_is_cut_in_place(rvos: Rvos, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torn last line goes; what is whole is never out of the file, not even for a moment."""
    path = tmp_path / "out/predictions.jsonl"
    assert rvos("evaluate", "refcoco", "--root", tree, "--out", path.parent, *RUN).code == 0
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    for name in ("write_text", "write_bytes"):
        monkeypatch.setattr(Path, name, lambda *_: pytest.fail("came the whole file written anew"))
    log = PredictionLog(path)
    assert path.read_bytes() == whole
    assert all(log.find(sample) is not None for sample in samples(tree))


@pytest.mark.parametrize("line", [b"{", b"\xff", b"5", b"{}"])
def test_a_damaged_line_of_a_log_is_named(rvos: Rvos, tree: Path, tmp_path: Path, line: bytes) -> None:
    """And once it is taken out the run is as it was."""
    command = ("evaluate", "refcoco", "--root", tree, "--out", tmp_path / "out", *RUN)
    assert rvos(*command).code == 0
    path = tmp_path / "out/predictions.jsonl"
    whole = path.read_bytes()
    path.write_bytes(line + b"\n" + whole)
    (tmp_path / "out/metrics.json").unlink()
    said = rvos(*command)
    assert said.code == 2 and "predictions.jsonl, line 1: cannot be read" in said.err[0]
    path.write_bytes(whole)
    assert rvos(*command).code == 0 and path.read_bytes() == whole


def test_an_image_that_fails_is_named_and_counts_0(rvos: Rvos, tree: Path, tmp_path: Path) -> None:
    command = ("evaluate", "refcoco", "--root", tree, *RUN)
    assert rvos(*command, "--out", tmp_path / "sound").code == 0
    broken = tree / "images/train2014/COCO_train2014_000000000002.jpg"
    lost = len(samples(tree)[1].expressions)
    picture = broken.read_bytes()
    broken.write_bytes(b"no picture")
    out = tmp_path / "out"
    said = rvos(*command, "--out", out)
    assert said.code == 0 and "failures: 1, listed in metrics.json" in said.out
    sound, found = document(tmp_path / "sound"), document(out)
    assert [failure["picture"] for failure in found["failures"]] == ["2"]
    assert str(broken) in found["failures"][0]["error"]
    assert found["expressions"] == sound["expressions"] and lost > 0
    rows = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [row["sample_id"] for row in rows] == ["1", "3"]
    broken.write_bytes(picture)  # mended: the same command predicts it, and it alone
    assert rvos(*command, "--out", out).code == 0
    assert document(out) == document(tmp_path / "sound")
    assert json.loads((out / "timing.json").read_text())["images_computed"] == 1


def test_figures_are_0_if_all_images_are_missing(rvos: Rvos, tree: Path, tmp_path: Path) -> None:
    for path in (tree / "images/train2014").glob("COCO_train2014_00000000000*.jpg"):
        path.unlink()
    out = tmp_path / "out"
    assert rvos("evaluate", "refcoco", "--root", tree, "--out", out, *RUN).code == 0
    found = document(out)
    assert found["mIoU"] == found["oIoU"] == 0 and len(found["failures"]) == 3
    assert all(figures.get("mIoU", 0) == 0 for figures in found["protocols"].values())


def test_a_blank_expression_costs_itself_alone(rvos: Rvos, tree: Path, tmp_path: Path) -> None:
    path = tree / "refcoco/refs(unc).p"
    rows = pickle.loads(path.read_bytes())
    rows[0]["sentences"][0]["raw"] = " ?"
    path.write_bytes(pickle.dumps(rows))
    out = tmp_path / "out"
    assert rvos("evaluate", "refcoco", "--root", tree, "--out", out, *RUN).code == 0
    (failure,) = document(out)["failures"]
    assert failure["picture"] == "1" and "' ?'" in failure["error"]
    assert document(out)["expressions"] == sum(len(sample.expressions) for sample in samples(tree))


def test_grefcoco_has_relas_figures(rvos: Rvos, tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = rvos("evaluate", "grefcoco", "--root", tree, "--out", out, *RUN)
    assert said.code == 0
    found = document(out)
    assert list(found["protocols"]) == ["rela", "rela_50px"]
    assert found["targets"] < found["expressions"] and found["N-acc"] is not None
    assert set(found["protocols"]["rela"]) >= {"gIoU", "cIoU", "N-acc", "T-acc", "Pr@0.7"}


def test_the_text_blind_control_and_a_limit(rvos: Rvos, tree: Path, tmp_path: Path) -> None:
    command = ("evaluate", "refcoco", "--root", tree, "--limit", "2", "--shuffle-expressions", *RUN)
    assert rvos(*command, "--out", tmp_path / "out").code == 0
    rows = [json.loads(line) for line in (tmp_path / "out/predictions.jsonl").read_text().splitlines()]
    asked = {row["sample_id"]: [p["expression"] for p in row["predictions"]] for row in rows}
    first, second = samples(tree)[:2]
    assert set(asked["1"]) <= set(second.expressions) and set(asked["2"]) <= set(first.expressions)


def test_the_text_blind_control_passes_over_an_image_without_expressions(
    rvos: Rvos, tree: Path, tmp_path: Path
) -> None:
    path = tree / "refcoco/refs(unc).p"
    rows = pickle.loads(path.read_bytes())
    for row in rows:
        if row["image_id"] == 2:
            row["sentences"] = []
    path.write_bytes(pickle.dumps(rows))
    command = ("evaluate", "refcoco", "--root", tree, "--shuffle-expressions", *RUN)
    assert rvos(*command, "--out", tmp_path / "out").code == 0
    lines = [json.loads(line) for line in (tmp_path / "out/predictions.jsonl").read_text().splitlines()]
    asked = {line["sample_id"]: {p["expression"] for p in line["predictions"]} for line in lines}
    first, _, third = samples(tree)
    assert asked["1"] <= set(third.expressions) and asked["3"] <= set(first.expressions)
    said = rvos(*command, "--limit", "2", "--out", tmp_path / "alone")
    assert said.code == 2 and "expected 2 pictures or more with expressions, got 1 of 2" in said.err[0]


@pytest.mark.parametrize("segmentation", [None, 5])
def test_a_broken_annotation_is_named_and_counts_0(
    rvos: Rvos, tree: Path, tmp_path: Path, segmentation: object
) -> None:
    path = tree / "refcoco/instances.json"
    content = json.loads(path.read_text())
    first = content["annotations"][0]
    first["segmentation"] = segmentation
    path.write_text(json.dumps(content))
    assert rvos("evaluate", "refcoco", "--root", tree, "--out", tmp_path / "out", *RUN).code == 0
    (failure,) = document(tmp_path / "out")["failures"]
    assert f"annotation {first['id']} of image {first['image_id']}" in failure["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["refcoc", "--root", "."], "did you mean 'refcoco'?"),
        (["refcoco"], "expected --root"),
        (["refcoco", "--root", "nowhere"], "--root: expected the folder of refcoco, got nowhere"),
        (["refcoco", "--root", "."], "no such folder"),
        (["refcoco", "--root", "tree", "--split", "tset"], "no split 'tset'; it holds val"),
        (["refcoco", "--root", "tree", "--split-by", "umd"], "known are google, unc"),
        (["refcoco", "--root", "tree", "--baseline"], "--baseline: only for datasets of videos"),
        (["mevis", "--root", ".", "--seqtr-crowd-iou"], "--seqtr-crowd-iou: only for datasets of images"),
        (["synthetic-images", "--seqtr-crowd-iou"], "got synthetic-images"),
        (["grefcoco", "--root", "tree", "--seqtr-crowd-iou"], "got grefcoco"),
    ],
)
def test_what_cannot_be_evaluated(rvos: Rvos, tree: Path, arguments: list[str], words: str) -> None:
    said = rvos("evaluate", *arguments, "--out", "out", *RUN)
    assert said.code == 2 and len(said.err) == 1 and words in said.err[0]


def test_the_embedded_model_reads_the_synthetic_tree(tree: Path, tmp_path: Path) -> None:
    """Without a stand-in: the masks are better than chance at native resolution and on every plane."""
    from image_core.evaluation.images import ReferringImageSet
    from image_core.evaluation.run import ImageEvaluation, run_image_evaluation
    from rvos.export.prediction_sheet import PredictionSheet

    evaluation = ImageEvaluation(ReferringImageSet("refcoco", tree))
    found = run_image_evaluation(
        evaluation, ImageSegmenter.load("s2rm_tiny", "cpu"), {"model": "digest"}, tmp_path / "out", PredictionSheet()
    )
    assert found["mIoU"] > 0.3 and all(found["protocols"][name]["mIoU"] > 0.3 for name in ("lavt", "cgformer", "seqtr"))
