"""Descriptions of video systems: every number can be said, and what is wrong is said all at once, before anything
is touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from image_core.errors import ConfigError, RvosError, UnknownNameError
from image_core.faults import Faults
from image_core.ranges import Range, range_of
from image_core.segmenter import ImageSegmenter
from image_core.weights import embedded_models
from rvos import VideoSegmenter
from rvos.configuration import system_config
from rvos.export.outputs import OUTPUTS, ExportInput
from rvos.export.table import build_exporters
from rvos.parts import Reading, check_compatible, propagation_config, resolve_reading, tracker_config
from rvos.reading import PROPAGATORS
from rvos.reading.key_frames import parse_key_frames
from rvos.reading.propagation import NoPropagation
from rvos.run.job import Job, run
from rvos.system import MASK_FIELDS, SETTINGS, SystemConfig, VideoSystem
from rvos.tracking import TRACKERS
from rvos.tracking.belief.presence_levels import DEFAULT_THRESHOLD
from rvos.tracking.carrying.object_tracker import ObjectTrackerConfig
from rvos.tracking.carrying.refining import RefiningConfig
from rvos.tracking.hub.kinds import HUB_TRACKERS
from rvos.tracking.maps.steadying import SteadyingConfig
from rvos.tracking.tracker import NoTracker
from rvos.video.config import VideoConfig

TABLES = {"propagation": PROPAGATORS, "tracker": TRACKERS}


class Between(NoPropagation):
    """Says that it serves frames between key frames."""

    between_key_frames = True


class Alone(NoTracker):
    """Says that it serves frames that were not decoded."""

    between_decodes = True


def numbers_of(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every number of a config and of those inside it: dotted name and default, None where it is left open."""
    for each in fields(config):
        value = getattr(config, each.name)
        if is_dataclass(value):
            yield from numbers_of(value, f"{prefix}{each.name}.")
        elif not isinstance(value, str):
            yield f"{prefix}{each.name}", value


CONFIGS: list[tuple[str, str, type]] = [
    *((group, name, table[name].config_type) for group, table in TABLES.items() for name in table),
    ("object_tracker", "", ObjectTrackerConfig),
    ("refining", "", RefiningConfig),
]
NUMBERS = [(group, name, number, value) for group, name, kind in CONFIGS for number, value in numbers_of(kind())]
KINDS = {(group, name): kind for group, name, kind in CONFIGS}


def another(value: bool | int | float | None) -> bool | int | float:
    """Of the same type, and fit for whatever the number is."""
    if value is None:
        return 0.25
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value / 2 + 0.125


@pytest.mark.parametrize(("group", "name", "number", "value"), NUMBERS, ids=lambda value: str(value))
def test_every_number_of_every_part_can_be_set(group: str, name: str, number: str, value: Any) -> None:
    wanted = another(value)
    text = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
    config = system_config([f"{group}.{number}={text}"], **({group: name} if name else {}), key_frames="all")
    part = getattr(config, group)
    assert not name or part.name == name
    numbers, document = (part.numbers, part.document()) if name else (part, asdict(part))
    assert dict(numbers_of(numbers))[number] == wanted
    others = {key: each for key, each in numbers_of(numbers) if key != number}
    assert others == {key: each for key, each in numbers_of(KINDS[group, name]()) if key != number}
    for key in number.split("."):
        document = document[key]
    assert json.loads(json.dumps(document)) == wanted


def declared(config: Any, number: str) -> Range | None:
    """The range of a number with a dotted name."""
    *above, last = number.split(".")
    for name in above:
        config = getattr(config, name)
    return range_of(type(config), last)


@pytest.mark.parametrize(("group", "name", "number", "value"), NUMBERS, ids=lambda value: str(value))
def test_every_number_has_a_range_that_is_kept(group: str, name: str, number: str, value: Any) -> None:
    allowed = declared(KINDS[group, name](), number)
    if isinstance(value, bool):
        return
    assert allowed is not None and allowed != Range() and (value is None or value in allowed)
    named = {group: name} if name else {}
    for end, beyond in ((allowed.minimum, -1), (allowed.maximum, 1)):
        if end is not None:
            system_config([f"{group}.{number}={end}"], **named)
            with pytest.raises(ConfigError, match=rf"{group}\.{number}: expected {allowed}, got"):
                system_config([f"{group}.{number}={end + beyond}"], **named)


def test_all_numbers_out_of_range_are_named_at_once() -> None:
    pairs = ["tracker.regions.same=7", "tracker.following.most_tracks=-1", "tracker.presence_threshold=-4"]
    with pytest.raises(ConfigError) as caught:
        system_config(pairs)
    assert str(caught.value).split("; ") == [
        "tracker.regions.same: expected 0 to 1, got 7",
        "tracker.following.most_tracks: expected 1 or more, got -1",
        "tracker.presence_threshold: expected 0 to 1, got -4",
    ]
    with pytest.raises(
        ConfigError, match=r"^SteadyingConfig\.temperature: .*; SteadyingConfig\.keep: expected 0 to 1, got 7$"
    ):
        SteadyingConfig(keep=7, temperature=0)


def test_the_numbers_were_counted() -> None:
    told = {(group, name, number) for group, name, number, _ in NUMBERS}
    assert {
        ("tracker", "tracks", "steadying.answer_weight"),
        ("tracker", "tracks", "meaning.switch"),
        ("tracker", "tracks", "following.most_tracks"),
        ("tracker", "none", "presence_threshold"),
        ("propagation", "affinity", "capacity"),
        ("propagation", "flow", "small_px"),
    } <= told and len(told) >= 35


@pytest.mark.parametrize("group", TABLES)
def test_every_part_of_the_table_can_be_set_and_its_defaults_are_the_dataclasses(group: str) -> None:
    for name, kind in TABLES[group].items():
        part = getattr(system_config([f"{group}={name}"]), group)
        assert (part.name, part.numbers) == (name, kind.config_type())


def test_a_new_row_of_a_table_is_all_that_a_new_part_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRACKERS, "alone", Alone)
    for config in (system_config(["tracker=alone"]), system_config(tracker="alone")):
        assert config.tracker == tracker_config("alone")


def test_the_door_without_overrides_is_the_dataclass() -> None:
    assert system_config() == system_config(["sampling=all"]) == SystemConfig()


@pytest.mark.parametrize(
    ("pairs", "wanted"),
    [
        (["video.stream=2", "video.backend=decord"], {"video": VideoConfig(2, "decord")}),
        (["sampling=stride:5", "decode = key"], {"sampling": "stride:5", "decode": "key"}),
        (["sampling=stride:5", "sampling=stride:6"], {"sampling": "stride:6"}),
        (["tracker=none", "tracker.presence_threshold=0"], {"tracker": tracker_config("none", presence_threshold=0)}),
        (
            ["propagation=flow", "key_frames=every:4", "propagation.small_px=64"],
            {"propagation": propagation_config("flow", small_px=64), "key_frames": "every:4"},
        ),
    ],
)
def test_settings_are_read(pairs: list[str], wanted: dict[str, Any]) -> None:
    assert system_config(pairs) == SystemConfig(**wanted)


@pytest.mark.parametrize(
    ("pairs", "kind", "parts"),
    [
        (["video.stream"], ConfigError, ["expected KEY=VALUE, got 'video.stream'"]),
        (["key_farmes=all"], UnknownNameError, ["did you mean 'key_frames'"]),
        (["decode=kye"], UnknownNameError, ["unknown decode 'kye': did you mean 'key'"]),
        (["tracker=trakcs"], UnknownNameError, ["unknown tracker 'trakcs': did you mean 'tracks'"]),
        (["tracker.lokahead=1"], UnknownNameError, ["tracker 'lokahead': did you mean 'lookahead'"]),
        (["tracker.meaning.swtich=1"], UnknownNameError, ["of tracker.meaning 'swtich': did you mean 'switch'"]),
        (["tracker.both_ways=yes"], ConfigError, ["tracker.both_ways", "'yes'", "true or false"]),
        (["tracker.lookahead=2.5"], ConfigError, ["tracker.lookahead", "2.5", "whole number"]),
        (["tracker.meaning=5"], ConfigError, ["tracker.meaning: expected settings (tracker.meaning.KEY=VALUE), got 5"]),
        (["propagation=affinity", "propagation.capacity=0"], ConfigError, ["propagation.capacity: expected 1 or more"]),
        (["sampling=[all"], ConfigError, ["--set: expected KEY=VALUE with a plain value", "got 'sampling=[all'"]),
        (["sampling=a,b"], ConfigError, ["--set: expected KEY=VALUE with a plain value", "got 'sampling=a,b'"]),
        (["sampling='a,b'"], ConfigError, ["sampling: expected", "got 'a,b'"]),
        (["sampling=choice(all)"], ConfigError, ["with a plain value"]),
        (["sampling=${model}"], ConfigError, ["sampling: expected", "got '${model}'"]),
        (["tracker.meaning={1: 2}"], UnknownNameError, ["unknown setting of tracker.meaning '1'"]),
        (["dim=0.4"], ConfigError, ["--set dim: expected a setting of the system, got one of drawing: rvos draw"]),
        (["tracker/near=1"], UnknownNameError, ["unknown setting 'tracker/near'"]),
        (["video.stream@x=1"], ConfigError, ["expected KEY=VALUE, got 'video.stream@x=1'"]),
        (["model=foo", "device=cpu", "precision=fp16"], ConfigError,
         ["--set model: use --model; --set device: use --device; --set precision: use --precision"]),
        (["propagation.foo=1"], ConfigError, ["propagation.foo: propagation 'none' has no numbers of its own"]),
        (["object_tracker.carried_wieght=1"], UnknownNameError, ["did you mean 'carried_weight'"]),
        (
            ["video.steam=1", "video.prefetch=two", "sampling=some", "key_frames=few", "video.stream=-2", "x"],
            ConfigError,
            ["did you mean 'stream'", "video.prefetch", "'two'", "got 'x'", "stream: expected 0 or more, got -2",
             "'some'", "'few'"],
        ),
        (
            ["tracker=nome", "propagation=flo", "sampling=some", "video.backend=avi"],
            ConfigError,
            ["unknown tracker 'nome'", "unknown propagation 'flo'", "'some'", "did you mean 'av'"],
        ),
        (
            ["tracker.lookahead=far", "tracker.regions.leats_px=1", "decode=fp16", "key_frames=every:3", "video=3"],
            ConfigError,
            ["tracker.lookahead", "did you mean 'least_px'", "unknown decode 'fp16'", "video: expected settings"],
        ),
        (
            ["sampling=some", "key_frames=every:3", "decode=every"],
            ConfigError,
            ["'some'", "key_frames: expected all with propagation"],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named_all_at_once_in_one_line(
    pairs: list[str], kind: type[RvosError], parts: list[str]
) -> None:
    with pytest.raises(kind) as caught:
        system_config(pairs)
    line = str(caught.value)
    assert "\n" not in line and all(part in line for part in parts), line


def test_one_fault_is_raised_itself_and_duplicates_once() -> None:
    faults = Faults()
    faults.raise_all()
    with faults.gathered():
        raise UnknownNameError("tracker", "x", ["none"])
    with pytest.raises(UnknownNameError):
        faults.raise_all()
    faults.add("two")
    faults.add("two")
    with pytest.raises(ConfigError, match=r"known are none; two$"):
        faults.raise_all()
    with pytest.raises(ZeroDivisionError), faults.gathered():
        _ = 1 / 0


@pytest.mark.parametrize(
    ("propagation", "tracker", "key_frames", "decode", "parts"),
    [
        (NoPropagation, NoTracker, "all", "every", []),
        (Between, Alone, "all", "every", []),
        (Between, NoTracker, "every:4", "every", []),
        (NoPropagation, Alone, "every:4", "key", []),
        (NoPropagation, NoTracker, "all", "key", []),
        (NoPropagation, NoTracker, "every:4", "every", ["key_frames: expected all with propagation 'p'"]),
        (Between, Alone, "every:4", "key", ["decode: expected every with propagation 'p'"]),
        (NoPropagation, NoTracker, "every:4", "key", ["decode: expected every with tracker 't'"]),
        (Between, NoTracker, "every:4", "key", ["with propagation 'p'", "with tracker 't'"]),
    ],
)
def test_parts_and_reading_agree_or_all_contradictions_are_named(
    propagation: type[NoPropagation], tracker: type[NoTracker], key_frames: str, decode: str, parts: list[str]
) -> None:
    faults = Faults()
    with faults.gathered():
        keys = parse_key_frames(key_frames)
        assert keys is not None
        check_compatible(keys, decode, ("p", propagation), ("t", tracker))
    if not parts:
        faults.raise_all()
        return
    with pytest.raises(ConfigError) as caught:
        faults.raise_all()
    assert all(part in str(caught.value) for part in parts)
    assert str(caught.value).count("expected") == len(parts)


@pytest.mark.parametrize(
    ("key_frames", "decode", "propagation", "tracker", "is_slow", "chosen"),
    [
        ("auto", "auto", NoPropagation, Alone, False, ("all", "every")),
        ("auto", "auto", NoPropagation, Alone, True, ("every:4", "key")),
        ("auto", "key", NoPropagation, Alone, True, ("every:4", "key")),
        ("auto", "auto", NoPropagation, NoTracker, True, ("all", "every")),
        ("auto", "key", NoPropagation, NoTracker, True, ("all", "every")),
        ("auto", "every", NoPropagation, Alone, True, ("all", "every")),
        ("auto", "auto", Between, Alone, False, ("every:4", "every")),
        ("auto", "auto", Between, NoTracker, True, ("every:4", "every")),
        ("all", "auto", NoPropagation, Alone, True, ("all", "every")),
        ("every:3", "auto", NoPropagation, Alone, False, ("every:3", "key")),
        ("every:3", "auto", Between, Alone, False, ("every:3", "every")),
        ("adaptive:9", "key", NoPropagation, Alone, True, ("adaptive:9", "key")),
    ],
)
def test_what_is_left_open_is_chosen_by_the_parts_and_agrees(
    key_frames: str,
    decode: str,
    propagation: type[NoPropagation],
    tracker: type[NoTracker],
    is_slow: bool,
    chosen: tuple[str, str],
) -> None:
    keys, how = resolve_reading(parse_key_frames(key_frames), decode, propagation, tracker, lambda: is_slow)
    check_compatible(keys, how, ("p", propagation), ("t", tracker))
    assert (str(keys), how) == chosen


def test_unknown_names_are_reported_together() -> None:
    with pytest.raises(ConfigError, match=r"unknown propagation 'nonne'.*; unknown tracker 'nome'"):
        VideoSystem("no model", Reading(propagation="nonne"), "nome")


def test_masks_need_no_settings_of_words() -> None:
    system_config(["sampling=stride:2", "video.stream=1"]).check_for_masks()
    with pytest.raises(ConfigError, match=r"key_frames: got every:2 with masks.*; decode: got key with masks"):
        SystemConfig(key_frames="every:2", decode="key").check_for_masks()
    with pytest.raises(ConfigError, match=r"tracker\.lookahead: got 6 with masks"):
        system_config(["tracker.lookahead=6"]).check_for_masks()


def test_words_need_no_settings_of_masks() -> None:
    system_config(["tracker.lookahead=6"]).check_for_expressions()
    config = system_config(["object_tracker.carried_weight=1"])
    config.check_for_masks()
    with pytest.raises(ConfigError, match=r"object_tracker\.carried_weight: got 1 with expressions"):
        config.check_for_expressions()


def test_contradictions_wait_for_neither_video_nor_weights(
    rvos: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ImageSegmenter, "load", lambda *_: pytest.fail("the model was loaded"))
    monkeypatch.setattr("rvos.segmenter.open_source", lambda *_: pytest.fail("the video was opened"))
    said = rvos("segment", "camera:0", "the dog", "--out", "out", "--tracker", "nome", "--propagation", "nonne")
    assert said.code == 2 and "unknown propagation 'nonne'" in said.err[0] and "unknown tracker 'nome'" in said.err[0]
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="key_frames: expected all"):
        VideoSegmenter(key_frames="every:3", tracker="none")


FREE_TEXT = """the "dog", at x=1 {it's} [left] ${oc.env:HOME}; tracker=none"""


def test_free_text_never_becomes_an_override(
    colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    config = system_config(["tracker.lookahead=6"], model=FREE_TEXT)
    assert config.model == FREE_TEXT and config.tracker == tracker_config("tracks", lookahead=6)
    assert config.tracker.name == "tracks"
    clip = make_clip(3, "a=b 'c' [d].mp4")
    report = run(Job(str(clip), (FREE_TEXT,), tmp_path / "out", ("masks",)), VideoSegmenter(colour_segmenter))
    assert report.result["expressions"] == [FREE_TEXT] and report.result["settings"]["source"] == str(clip)


def test_free_text_survives_the_command_line(rvos: Callable[..., Any], make_clip: Callable[..., Path]) -> None:
    clip = make_clip(3, "a=b 'c' [d].mp4")
    model = clip.with_name("m=1 'x',{y}.safetensors")
    model.write_bytes(b"stands in for a model file")
    options = ("--model", model, "--set", "tracker.lookahead=1", "--save", "masks", "--json")
    document = json.loads("\n".join(rvos("segment", clip, FREE_TEXT, "--out", "out", *options).out))
    assert document["expressions"] == [FREE_TEXT] and document["settings"]["source"] == str(clip)
    assert document["settings"]["model"]["name"] == str(model)
    assert document["settings"]["tracker"]["lookahead"] == 1


def test_a_run_records_the_whole_description(
    colour_segmenter: ImageSegmenter, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    job = Job(str(make_clip(3)), ("the red thing",), tmp_path / "out", ("masks",))
    result = run(job, VideoSegmenter(colour_segmenter)).result
    stored = json.loads((tmp_path / "out" / "settings.json").read_text())["settings"]
    assert stored == result["settings"]
    assert set(SETTINGS) - {"device", *MASK_FIELDS} <= set(stored)
    tracker = SystemConfig().tracker.document() | {"presence_threshold": DEFAULT_THRESHOLD}
    assert stored["tracker"] == json.loads(json.dumps(tracker))
    assert set(stored["model"]) == {"name", "revision", "adapter", "licence"}


def test_the_help_names_everything_there_is_to_choose(rvos: Callable[..., Any], tmp_path: Path) -> None:
    said = "".join("".join(line.split()) for line in rvos("segment", "--help").out)
    flat = set(SETTINGS) - {"model", "device", "precision", "video", "tracker", "propagation", *MASK_FIELDS}
    assert all(f"{key}=" in said for key in flat | {f"video.{each.name}" for each in fields(VideoConfig)})
    assert all(f"{group}.KEY=" in said for group in ("tracker", "propagation", "object_tracker", "refining"))
    assert "masker=photo" in said and all(f"{name}" in said for name in HUB_TRACKERS)
    for names in (PROPAGATORS, TRACKERS, OUTPUTS, embedded_models()):
        assert ",".join(names) in said
    streamed = [name for name, output in OUTPUTS.items() if output.input is not ExportInput.LOG]
    assert len(build_exporters(list(OUTPUTS), tmp_path, only_frames=None)) == len(streamed)
