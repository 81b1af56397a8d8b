"""Runs whose tracks are decided about by networks of the hub: random weights in the published format, no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rvos.run.recording
from image_core.errors import CheckpointError, ConfigError, UnknownNameError
from image_core.hub.image_text import ImageTextModel
from image_core.hub.sources import find_source
from image_core.segmenter import ImageSegmenter
from image_core.weak.scorers.clip import ClipScorer
from rvos import VideoSegmenter
from rvos.configuration import system_config
from rvos.image_model import ImageModelHandle
from rvos.parts import tracker_config
from rvos.run.job import Job, Report, run
from rvos.system import SystemConfig, VideoSystem
from rvos.tracking.tracks import TracksConfig, TracksTracker
from rvos.types import OutputError
from tests.tiny_chat_networks import CHAT_WRITERS
from tests.tiny_networks import WRITERS
from tests.tiny_video_networks import VIDEO_WRITERS

EXPRESSIONS = ("the red thing", "the green thing")
ASKED = {"mllm": (ImageTextModel, "answer"), "similarity": (ClipScorer, "scores")}
KINDS = [("mllm", kind) for kind in CHAT_WRITERS] + [("similarity", kind) for kind in ("clip", "siglip", "siglip2")]


def written(kind: str, folder: Path) -> Path:
    return {**CHAT_WRITERS, **WRITERS}[kind](folder)


def segmenter(model: ImageSegmenter, decider: str, folder: str | Path, **numbers: Any) -> VideoSegmenter:
    few = {"tokens": 8} if decider == "mllm" else {}  # random weights say nothing: soon said
    own = {"model": str(folder), **few, **numbers}
    return VideoSegmenter(model, tracker=tracker_config("tracks", both_ways=True, decider=decider, **{decider: own}))


@pytest.fixture(scope="module", params=KINDS, ids=[kind for _, kind in KINDS])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    decider, kind = request.param
    return decider, written(kind, tmp_path_factory.mktemp(kind))


def test_every_decider_decides_and_a_run_records_it(
    network: tuple[str, Path], colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    decider, folder = network
    job = Job(str(make_clip(8)), EXPRESSIONS, tmp_path / "run", ("masks",))
    report = run(job, segmenter(colour_segmenter, decider, folder))
    source = find_source(str(folder))
    tracker = report.result["settings"]["tracker"]
    assert tracker["decider"] == decider and tracker["decided_by"]["revision"] == source.revision
    assert tracker["decided_by"]["name"] == str(folder)
    first, second = report.result["decided"]
    assert first["tracks"] and second["tracks"]
    if decider == "similarity":
        assert sum(first["scores"].values()) == pytest.approx(1, abs=1e-3)
    else:
        assert first["left_to"] == "rules", "random weights say nothing that can be read"
        assert all(asked["answer"] is not None and asked["verdicts"] is None for asked in first["questions"])
        assert EXPRESSIONS[0] in first["questions"][0]["question"] and len(first["questions"]) <= 8
    other = Job(job.source, EXPRESSIONS, tmp_path / "again", ("masks",))
    again = run(other, segmenter(colour_segmenter, decider, folder))
    assert again.result["decided"] == report.result["decided"]


@pytest.fixture
def in_one_go(
    request: pytest.FixtureRequest, colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path
) -> tuple[Path, Report]:
    """The folder of a decider's network, and a run of eleven frames with it: made once for all tests."""
    decider, kind = (request.node.callspec.params[name] for name in ("decider", "kind"))
    if decider not in _IN_ONE_GO:
        folder = written(kind, tmp_path / "network")
        job = Job(str(make_clip(11)), EXPRESSIONS, tmp_path / "whole", ("masks",))
        _IN_ONE_GO[decider] = folder, run(job, segmenter(colour_segmenter, decider, folder))
    return _IN_ONE_GO[decider]


_IN_ONE_GO: dict[str, tuple[Path, Report]] = {}


@pytest.mark.parametrize("where", ["first pass", "first question", "later question", "second pass", "at the end"])
@pytest.mark.parametrize(("decider", "kind"), [("mllm", "llava"), ("similarity", "clip")])
def test_interrupted_and_continued_is_in_one_go(
    decider: str,
    kind: str,
    where: str,
    in_one_go: tuple[Path, Report],
    colour_segmenter: ImageSegmenter,
    make_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Frames 1 to 11 are the first pass, 12 to 22 the second; what was not decided whole is decided anew."""
    monkeypatch.setattr(rvos.run.recording, "SNAPSHOT_EVERY", 4)
    clip = str(make_clip(11))
    folder, whole = in_one_go
    parts = Job(clip, EXPRESSIONS, tmp_path / "parts", ("masks",))
    broken = {"first pass": 5, "second pass": 17, "at the end": 21}

    def failing(calls: int, original: Callable[..., Any]) -> Callable[..., Any]:
        count = 0

        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count > calls:
                raise KeyboardInterrupt
            return original(*arguments, **named)

        return call

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if where in broken:
            stem = colour_segmenter.model.encode_stem
            patch.setattr(colour_segmenter.model, "encode_stem", failing(broken[where], stem))
        else:
            owner, method = ASKED[decider]
            patch.setattr(owner, method, failing(0 if where == "first question" else 1, getattr(owner, method)))
        run(parts, segmenter(colour_segmenter, decider, folder))
    if where == "second pass":  # what was decided is remembered: nobody is asked again
        owner, method = ASKED[decider]
        monkeypatch.setattr(owner, method, failing(0, getattr(owner, method)))
    report = run(parts, segmenter(colour_segmenter, decider, folder))
    assert report.result["decided"] == whole.result["decided"]
    logs = [(out / "frames.jsonl").read_bytes() for out in (parts.out, whole.out)]
    assert logs[0] == logs[1]


def test_a_changed_network_is_another_run(
    colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip, folder = str(make_clip(4)), written("llava", tmp_path / "network")
    job = Job(clip, EXPRESSIONS, tmp_path / "run", ("masks",))
    run(job, segmenter(colour_segmenter, "mllm", folder))
    with pytest.raises(OutputError, match="tracker"):
        run(job, segmenter(colour_segmenter, "mllm", folder, questions=2))
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'][-1]['text'] }}")
    with pytest.raises(OutputError, match="tracker"):
        run(job, segmenter(colour_segmenter, "mllm", folder))


def test_a_run_without_a_decider_records_none(
    colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    tracker = tracker_config("tracks", both_ways=True)
    report = run(Job(str(make_clip(4)), EXPRESSIONS, tmp_path / "run", ("masks",)),
                 VideoSegmenter(colour_segmenter, tracker=tracker))  # fmt: skip
    assert "decided" not in report.result and "decided_by" not in report.result["settings"]["tracker"]


def test_a_network_is_loaded_once_for_all_sessions_and_before_the_first_frame(
    colour_segmenter: ImageSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, read = written("clip", tmp_path / "network"), 0
    made = segmenter(colour_segmenter, "similarity", folder)
    original = ClipScorer.__init__

    def counting(self: ClipScorer, *names: Any, **more: Any) -> None:
        nonlocal read
        read += 1
        original(self, *names, **more)

    monkeypatch.setattr(ClipScorer, "__init__", counting)
    for _ in range(3):
        made.session(EXPRESSIONS)
    assert read == 1
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="complete the folder"):
        segmenter(colour_segmenter, "similarity", folder).session(EXPRESSIONS)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (
            ["tracker.decider=mllm"],
            r"tracker.both_ways: expected true with tracker.decider=mllm.*set tracker.both_ways",
        ),
        (["tracker.decider=similarity"], r"tracker.both_ways: expected true with tracker.decider=similarity"),
        (["tracker.decider=3"], r"tracker.decider: expected a text, got 3"),
        (["tracker.mllm.questions=0"], r"tracker.mllm.questions: expected 1 or more, got 0"),
        (["tracker.album.picture_px=4000"], r"tracker.album.picture_px: expected 64 to 480, got 4000"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_loaded(pairs: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        system_config(pairs)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_no_decider_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"decider 'mlm'.*'mllm'"):
        system_config(["tracker.decider=mlm", "tracker.both_ways=true"])


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"decider": "mllm"}, r"tracker.mllm.model: expected OWNER/NAME of the hub or a folder, got none"),
        ({"decider": "similarity"}, r"tracker.similarity.model: expected OWNER/NAME of the hub or a folder, got none"),
        (
            {"mllm": {"questions": 3}, "album": {"views": 2}},
            r"tracker.album.views: got 2 with tracker.decider=rules.*tracker.mllm.questions: got 3",
        ),
        (
            {"decider": "mllm", "mllm": {"model": "a/b"}, "similarity": {"frames": 2}, "album": {"views": 2}},
            r"^tracker.similarity.frames: got 2 with tracker.decider=mllm, which does not read it: leave it out$",
        ),
    ],
)
def test_a_decider_has_its_model_and_the_others_no_numbers(
    numbers: dict[str, Any], message: str, colour_segmenter: ImageSegmenter
) -> None:
    with pytest.raises(ConfigError, match=message):
        VideoSystem(colour_segmenter, tracker=tracker_config("tracks", both_ways=True, **numbers))


def test_device_and_precision_are_those_of_the_system(tmp_path: Path, colour_segmenter: ImageSegmenter) -> None:
    folder = written("llava", tmp_path / "network")
    tracker = tracker_config("tracks", both_ways=True, decider="mllm", mllm={"model": str(folder)})
    system = VideoSystem(ImageModelHandle("s2rm_tiny", "cpu", "bf16"), tracker=tracker)
    with pytest.raises(ConfigError, match="expected fp32 on the CPU with a model of the hub, got bf16"):
        system.tracker.load()
    assert SystemConfig().tracker.numbers.decider == "rules"
    with pytest.raises(ValueError, match="expected a decider 'mllm', got none"):
        TracksTracker(TracksConfig(both_ways=True, decider="mllm"))


def test_a_tracker_of_the_hub_takes_a_decider_too(
    colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    scorer, carrier = written("clip", tmp_path / "clip"), VIDEO_WRITERS["sam2_video"](tmp_path / "sam2")
    numbers = {"both_ways": True, "decider": "similarity", "similarity": {"model": str(scorer)}}
    made = VideoSegmenter(colour_segmenter, tracker=tracker_config(f"hub:{carrier}", **numbers))
    report = run(Job(str(make_clip(5)), EXPRESSIONS, tmp_path / "run", ("masks",)), made)
    assert report.result["decided"][0]["tracks"]
    assert report.result["settings"]["tracker"]["decided_by"]["revision"] == find_source(str(scorer)).revision


def test_a_hub_out_of_reach_is_one_line_with_the_fix(
    colour_segmenter: ImageSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for decider in ASKED:
        with pytest.raises(CheckpointError, match=r"is not downloaded.*give a local folder instead") as caught:
            segmenter(colour_segmenter, decider, "someone/no-such-model").document()
        assert "\n" not in str(caught.value)


def test_the_command_line_takes_a_decider(
    rvos: Callable[..., Any], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    folder = written("clip", tmp_path / "network")
    clip, out = make_clip(4), tmp_path / "out"
    settings = ["tracker.both_ways=true", "tracker.decider=similarity", f"tracker.similarity.model={folder}"]
    told = [part for setting in settings for part in ("--set", setting)]
    done = rvos("segment", clip, "the red thing", "--out", out, "--save", "masks", "--json", *told)
    assert done.code == 0, done.err
    assert json.loads(done.out[0])["decided"][0]["tracks"]
    refused = rvos("segment", clip, "the red thing", "--out", tmp_path / "other", *told[2:])
    assert refused.code == 2 and "tracker.both_ways: expected true" in refused.err[-1] and len(refused.err) == 1
