"""`rvos segment`, `demo`, `models`, `doctor`: what they leave and what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from image_core.segmenter import ImageSegmenter
from rvos.commands import fetching
from rvos.commands.demo import EXPRESSIONS

Rvos = Callable[..., Any]


def test_segment_prints_the_paths_of_its_outputs(rvos: Rvos, make_clip: Callable[..., Path], tmp_path: Path) -> None:
    outcome = rvos(
        "segment", make_clip(8), "the red thing", "the green thing", "--out", "out", "--save", "overlay,contact-sheet"
    )
    assert (outcome.code, outcome.err) == (0, [])
    assert outcome.out == ["overlay: out/overlay.mp4", "contact sheet: out/contact_sheet.png"]
    assert all((tmp_path / line.split(": ")[1]).is_file() for line in outcome.out)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1), (11, 11), (16, 90)])
def test_images_of_any_size_can_be_processed(size: tuple[int, int], rvos: Rvos, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    for index in range(3):
        cv2.imwrite(str(tmp_path / "small" / f"{index}.png"), np.full((*size, 3), (20, 20, 230), np.uint8))
    outcome = rvos(
        "segment", "small", "the red thing", "--out", "out", "--save", "masks,overlay,contact-sheet", "--json"
    )
    document = json.loads("\n".join(outcome.out))
    assert document["summary"]["frames"] == 3 and document["video"]["size"] == list(size)


def test_json_is_one_document_on_stdout(rvos: Rvos, make_clip: Callable[..., Path]) -> None:
    outcome = rvos("segment", make_clip(8), "the red thing", "--out", "out", "--save", "masks", "--json")
    document = json.loads("\n".join(outcome.out))
    assert document["outputs"] == {"masks": "out/masks"} and document["summary"]["frames"] == 8
    assert document["settings"]["tracker"]["name"] == "tracks" and document["format_version"] == 1


def test_unknown_words_are_logged_once_unless_quiet(rvos: Rvos, make_clip: Callable[..., Path]) -> None:
    clip = make_clip(3)
    outcome = rvos("segment", clip, "the red dog", "the dog", "--out", "out")
    assert outcome.code == 0 and outcome.err == ["dog: unknown to this model; another may know it: see --model"]
    assert rvos("segment", clip, "the dog", "--out", "quiet", "--quiet").err == []


def test_a_finished_run_ends_at_once(
    rvos: Rvos, make_clip: Callable[..., Path], colour_segmenter: ImageSegmenter
) -> None:
    command = ("segment", make_clip(5), "the red thing", "--out", "out")
    first = rvos(*command)
    colour_segmenter.model.calls.clear()  # type: ignore[operator, union-attr]
    assert rvos(*command) == first and not colour_segmenter.model.calls


def test_only_some_frames_and_the_other_settings(rvos: Rvos, make_clip: Callable[..., Path], tmp_path: Path) -> None:
    outcome = rvos(
        *("segment", make_clip(8), "the red thing", "--out", "out", "--save", "frames,masks", "--only-frames", "2:5"),
        *("--set", "video.prefetch=1", "--propagation", "none", "--precision", "bf16", "--device", "cpu"),
    )
    assert outcome.code == 0
    assert sorted(p.name for p in (tmp_path / "out/frames").iterdir()) == ["00002.png", "00003.png", "00004.png"]
    assert len(list((tmp_path / "out/masks/0").iterdir())) == 8


def test_a_keyboard_interrupt_is_reported_and_the_run_continues_later(
    rvos: Rvos,
    make_clip: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    colour_segmenter: ImageSegmenter,
    tmp_path: Path,
) -> None:
    import rvos.run.recording as recording

    monkeypatch.setattr(recording, "SNAPSHOT_EVERY", 4)
    command = ("segment", make_clip(12), "the red thing", "--out", "out")
    model = colour_segmenter.model

    def interrupt(*_: Any) -> Any:
        if model.calls["image"] == 6:  # type: ignore[index]
            raise KeyboardInterrupt
        return original(*_)

    original = model.decode
    with monkeypatch.context() as patch:
        patch.setattr(model, "decode", interrupt)
        outcome = rvos(*command)
    assert outcome.code == 130 and outcome.err == ["rvos: interrupted; the same command continues"]
    outcome = rvos(*command)
    assert outcome.code == 0 and outcome.err == ["out: continuing from frame 4"]
    with av.open(str(tmp_path / "out/overlay.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12


def test_a_list_runs_every_row_and_reports_the_broken_ones(
    rvos: Rvos, make_clip: Callable[..., Path], tmp_path: Path, colour_segmenter: ImageSegmenter
) -> None:
    make_clip(5)
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(
        "source, expression\nclip.mp4,the red thing\ngone.mp4,the red thing\n"
        'clip.mp4,"the greenish, thing"\nclip.mp4,\n'
    )
    outcome = rvos("segment", "--list", jobs, "--jobs", "1", "--out", "out", "--save", "masks")
    assert outcome.code == 2 and outcome.out == ["row 0: out/00000", "row 2: out/00002"]
    # What the list itself gets wrong is told before a model is loaded.
    assert (
        len(outcome.err) == 3 and outcome.err[0].startswith("row 3 (clip.mp4): ") and "an empty cell" in outcome.err[0]
    )
    assert outcome.err[1] == "greenish: unknown to this model; another may know it: see --model"
    assert outcome.err[2].startswith("row 1 (gone.mp4): ")
    assert (tmp_path / "out/00002/masks/0/00004.png").is_file() and not (tmp_path / "out/00001").exists()
    make_clip(5, "gone.mp4")
    colour_segmenter.model.calls.clear()  # type: ignore[operator, union-attr]
    outcome = rvos("segment", "--list", jobs, "--jobs", "1", "--out", "out", "--save", "masks", "--json")
    document = json.loads("\n".join(outcome.out))
    assert outcome.code == 2 and document["broken"] == 1
    assert ["error" in job for job in document["jobs"]] == [False, False, False, True]
    assert colour_segmenter.model.calls["image"] == 5  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected source,expression"),
        ("clip.mp4,the dog\n", "got columns"),
        ("source,expression\n", "no rows"),
        ("source,expression\n\xff\xfe".encode("latin-1"), "UTF-8"),
    ],
)
def test_an_invalid_list_is_refused(rvos: Rvos, tmp_path: Path, text: str | bytes, words: str) -> None:
    (tmp_path / "jobs.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    outcome = rvos("segment", "--list", "jobs.csv", "--out", "out")
    assert outcome.code == 2 and len(outcome.err) == 1 and words in outcome.err[0] and not (tmp_path / "out").exists()


def test_demo_ends_with_the_two_paths_each_alone_on_a_line(rvos: Rvos, tmp_path: Path) -> None:
    outcome = rvos("demo", "--synthetic", "--out", "shown")
    assert outcome.code == 0 and [line.split(": ")[0] for line in outcome.out[-2:]] == ["overlay", "contact sheet"]
    for line in outcome.out[-2:]:
        assert (tmp_path / line.split(": ", 1)[1]).is_file()
    assert rvos("demo", "--synthetic", "--out", "shown").out == outcome.out


def test_demo_takes_a_video_and_its_expressions(rvos: Rvos, make_clip: Callable[..., Path], tmp_path: Path) -> None:
    outcome = rvos("demo", "--video", make_clip(5), "--text", "the red thing", "--text", "the green thing", "--json")
    document = json.loads("\n".join(outcome.out))
    assert document["expressions"] == ["the red thing", "the green thing"] and document["summary"]["frames"] == 5
    other = json.loads("\n".join(rvos("demo", "--video", tmp_path / "clip.mp4", "--text", "the dog", "--json").out))
    assert other["out"] != document["out"]


def test_demo_segments_a_part_of_the_street_clip_which_is_downloaded_once(
    rvos: Rvos, make_clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, brought = make_clip(140, "bikes.mp4"), []
    monkeypatch.setattr(fetching, "fetch_weights", lambda name, quiet: brought.append(name) or {"bikes.mp4": whole})
    for _ in range(2):
        document = json.loads("\n".join(rvos("demo", "--json").out))
        assert document["expressions"] == list(EXPRESSIONS) and document["summary"]["frames"] == 137 - 30
    assert brought == ["demo"] and document["video"]["source"] == "rvos-demo/street.mp4"


def test_demo_shows_one_clip(rvos: Rvos) -> None:
    outcome = rvos("demo", "--synthetic", "--video", "clip.mp4", "--text", "the dog")
    assert outcome.code == 2 and "expected --video or --synthetic, got both" in outcome.err[0]


def test_models_and_doctor_print_text_and_json(rvos: Rvos) -> None:
    document = json.loads("\n".join(rvos("models", "--json").out))
    assert "s2rm" in {kind["name"] for kind in document["kinds"]}
    assert any("s2rm" in line for line in rvos("models").out)
    found = json.loads("\n".join(rvos("doctor", "--json").out))
    assert found["packages"]["torch"] and found["video"]["decoders"]["h264"] and found["machine"]["memory_gb"] > 0
    assert found["model"]["name"] == "photo" and found["model"]["loads"]
    outcome = rvos("doctor")
    assert outcome.code == 0 and outcome.out[0] == "packages"


def test_synth_writes_a_layout_and_replaces_one_only_with_overwrite(rvos: Rvos, tmp_path: Path) -> None:
    command = ("synth", "data", "--layout", "grefcoco", "--count", "2", "--size", "64", "--split", "test-compositional")
    outcome = rvos(*command)
    assert (outcome.code, outcome.out, outcome.err) == (0, ["grefcoco dataset: data"], [])
    instances = json.loads((tmp_path / "data/grefcoco/instances.json").read_text())
    assert len(instances["images"]) == len(list((tmp_path / "data").rglob("*.jpg"))) == 2
    assert "--overwrite" in rvos(*command).err[0] and rvos(*command, "--overwrite").code == 0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--kind", "sounds", "unknown kind 'sounds'"),
        ("--layout", "refcocco", "did you mean 'refcoco'"),
        ("--split", "tset", "did you mean 'test'"),
        ("--count", "0", "expected 1 picture or more, got 0"),
        ("--size", "8", "got 8"),
        ("--count", "many", "--count"),
    ],
)
def test_synth_refuses_invalid_options(rvos: Rvos, option: str, value: str, words: str) -> None:
    outcome = rvos("synth", "data", option, value)
    assert outcome.code == 2 and len(outcome.err) == 1 and words in outcome.err[0]
