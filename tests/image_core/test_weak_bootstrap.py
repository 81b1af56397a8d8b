"""Bootstrapping in small: killed and continued is in one go, and the truth of unlabelled pictures is out of reach."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from image_core.checkpoint import load_model
from image_core.errors import DataError, OutputError
from image_core.evaluation.samples import Samples
from image_core.folder import lock_folder
from image_core.geometry.rle import decode_rle
from image_core.sample import ImageSample
from image_core.segmenter import ImageSegmenter
from image_core.synthetic.dataset import SyntheticImages
from image_core.training.batches import PseudoPart, TrainingBatches, shuffled_index
from image_core.training.config import DataConfig, OptimiserConfig, TrainConfig
from image_core.training.log import read_log
from image_core.training.subset import labelled_indices
from image_core.weak import bootstrap as module
from image_core.weak.bootstrap import bootstrap
from image_core.weak.box_source import BoxSource, NoBoxes, TrueBoxes
from image_core.weak.config import BootstrapConfig, FilterConfig
from image_core.weak.labelling import Labeller
from image_core.weak.ledger import Ledger, PseudoLabel, count
from image_core.weak.unlabelled import PseudoLabelled, Unlabelled, UnlabelledImage

MakeSettings = Callable[..., TrainConfig]
MakeBootstrap = Callable[..., BootstrapConfig]
COUNT = 10

pytestmark = pytest.mark.usefixtures("without_curves")


class Killed(BaseException):
    """Not an `Exception`: nothing on the way may catch it."""


class Pictures:
    """Ten pictures with three expressions each; at some of them something happens."""

    def __init__(self, events: dict[int, Callable[[ImageSample], ImageSample]] | None = None) -> None:
        self.pictures, self.events = SyntheticImages("train", 0, (32, 32), 3, length=COUNT), events or {}

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> ImageSample:
        return self.events.get(index, lambda sample: sample)(self.pictures[index])


class Halves(BoxSource):
    """The left half of every picture, until `killed_at` pictures have been asked."""

    def __init__(self, killed_at: int = 99) -> None:
        self.left = killed_at

    def boxes(self, picture: UnlabelledImage) -> Sequence[np.ndarray | None]:
        if not self.left:
            raise Killed
        self.left -= 1
        return [np.array([0.0, 0.0, 16.0, 32.0])] * len(picture.expressions)


@pytest.fixture(scope="module")
def make(tiny_settings: MakeSettings) -> MakeBootstrap:
    """`make(**changes)`: two rounds of three steps on ten pictures, three of them labelled, in a new folder."""

    def settings(**changes: Any) -> BootstrapConfig:
        optimiser = OptimiserConfig(lr=3e-2, warmup_steps=1, decay="cosine")  # three steps, and masks are drawn
        data = DataConfig(images=COUNT, labels=0.3)
        train = tiny_settings(steps=3, data=data, optimiser=optimiser, save_every=2, eval_every=3)
        loose = FilterConfig(threshold=0.2, box_iou=0.0)
        values: dict[str, Any] = {"train": train, "first_steps": 3, "round_steps": 3, "rounds": 2, "filter": loose}
        return BootstrapConfig(**(values | changes))

    return settings


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`run(settings, boxes, pictures)`: the folder of a run to its end, or to where it was killed."""

    def start(settings: BootstrapConfig, boxes: BoxSource, pictures: Samples | None = None) -> Path:
        validation = SyntheticImages("val", 0, (32, 32), 3)
        monkeypatch.setattr(module, "datasets", lambda *_: (pictures or Pictures(), validation, None))
        bootstrap(settings, make_boxes=lambda *_: boxes)
        return settings.train.out

    return start


@pytest.fixture(scope="module")
def in_one_go(make: MakeBootstrap) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        validation = SyntheticImages("val", 0, (32, 32), 3)
        patch.setattr(module, "datasets", lambda *_: (Pictures(), validation, None))
        return bootstrap(make(), make_boxes=lambda *_: Halves()).parent


def weights(out: Path, round: int) -> dict[str, torch.Tensor]:
    return load_model(out / f"round_{round}" / "model.safetensors").model.state_dict()


def assert_same_run(a: Path, b: Path) -> None:
    assert (a / "ledger.jsonl").read_bytes() == (b / "ledger.jsonl").read_bytes()
    assert (a / "bootstrap.json").read_text() == (b / "bootstrap.json").read_text()
    for round in range(3):
        first, second = weights(a, round), weights(b, round)
        assert all(torch.equal(value, second[key]) for key, value in first.items())


# ---------------------------------------------------------------------------------------------- what a run is


def test_a_run_from_end_to_end(in_one_go: Path) -> None:
    told = json.loads((in_one_go / "bootstrap.json").read_text())
    labelled = set(labelled_indices(COUNT, 0.3, 0))
    assert (told["labelled"], told["unlabelled"], told["model"]) == (3, 7, "round_2/model.safetensors")
    assert [row.get("gamma") for row in told["rounds"]] == [None, 0.5, 1.0]
    for round in (1, 2):
        labels = list(Ledger(in_one_go / "ledger.jsonl").labels(round))
        names = [label.expression_id for label in labels]
        rest = [i for i in range(COUNT) if i not in labelled]
        assert names == [f"train_0_{i}_{e}" for i in rest for e in range(3)]  # every unlabelled expression, once
        row = told["rounds"][round]
        accepted = [label for label in labels if label.verdict == "accepted"]
        assert row["accepted"] == len(accepted) > 0 and row["accepted"] + sum(row["rejected"].values()) == len(names)
    assert set(told["rounds"][2]["val"]) >= {"mIoU", "oIoU"}
    assert told["rounds"][2]["val"]["mIoU"] == read_log(in_one_go / "round_2" / "log.jsonl")[-1]["mIoU"]


def test_both_losses_are_in_the_log(in_one_go: Path) -> None:
    first, second = (read_log(in_one_go / f"round_{round}" / "log.jsonl")[0] for round in (0, 1))
    assert not any(key.startswith("pseudo_") for key in first)
    own = sum(second[key] for key in ("dice", "bce", "presence"))
    pseudo = sum(second[f"pseudo_{key}"] for key in ("dice", "bce", "presence"))
    assert second["loss"] == pytest.approx(own + 0.5 * pseudo, abs=1e-4)


def test_every_round_sees_other_images(make: MakeBootstrap) -> None:
    """Other pictures, expressions and augmentations at the same step, of both parts."""
    settings = make()
    pseudo = PseudoPart(Pictures(), 1.0, 2)
    rounds = [settings.round(round) for round in range(3)]
    for own in (rounds, [pseudo.config_of(one) for one in rounds]):
        drawn = [TrainingBatches(Pictures(), one) for one in own]
        orders = [tuple(batches[step].expressions for step in range(3)) for batches in drawn]
        assert len(set(orders)) == 3
    positions = [[shuffled_index(position, COUNT, one.seed) for position in range(COUNT)] for one in rounds]
    assert positions[0] != positions[1] != positions[2] != positions[0]
    assert [one.seed for one in rounds] == [0, 1000, 2000]


def test_the_control_with_labels_alone(make: MakeBootstrap, run: Callable[..., Path]) -> None:
    """gamma_max 0: as many steps, and no picture without labels is ever opened."""

    def closed(sample: ImageSample) -> ImageSample:
        raise AssertionError("opened")

    labelled = labelled_indices(COUNT, 0.3, 0)
    out = run(make(gamma_max=0.0), NoBoxes(), Pictures({i: closed for i in range(COUNT) if i not in labelled}))
    told = json.loads((out / "bootstrap.json").read_text())
    assert [set(row) for row in told["rounds"][1:]] == [{"round", "steps", "gamma", "val"}] * 2
    assert (out / "ledger.jsonl").read_bytes() == b""


# ---------------------------------------------------------------------------------------------- killed and continued


def test_killed_while_labelling(make: MakeBootstrap, run: Callable[..., Path], in_one_go: Path) -> None:
    """Three times: before the first picture of round 1, after three of its seven, and after five in round 2. The last
    picture with lines is asked again."""
    settings = make()
    for asked, written in ((0, 0), (3, 9), (1 + 4 + 5, 21 + 15)):
        with pytest.raises(Killed):
            run(settings, Halves(asked))
        assert len((settings.train.out / "ledger.jsonl").read_bytes().splitlines()) == written
    assert_same_run(run(settings, Halves()), in_one_go)


def test_killed_in_the_middle_of_an_image(make: MakeBootstrap, run: Callable[..., Path], in_one_go: Path) -> None:
    """Two of the three lines of a picture are there, and a piece of the third."""
    settings = make()
    with pytest.raises(Killed):
        run(settings, Halves(2))
    ledger = settings.train.out / "ledger.jsonl"
    assert len(ledger.read_bytes().splitlines()) == 6
    ledger.write_bytes(ledger.read_bytes()[:-10])
    assert_same_run(run(settings, Halves()), in_one_go)


def test_killed_while_training_a_round(make: MakeBootstrap, run: Callable[..., Path], in_one_go: Path) -> None:
    settings = make()
    reads = 0

    def read(sample: ImageSample) -> ImageSample:
        nonlocal reads
        reads += 1
        if reads > 9:  # three steps of two labelled pictures in round 0; then in the second step of round 1
            raise Killed
        return sample

    labelled = labelled_indices(COUNT, 0.3, 0)
    with pytest.raises(Killed):
        run(settings, Halves(), Pictures(dict.fromkeys(labelled, read)))
    assert (settings.train.out / "labels_1.json").exists() and not (settings.train.out / "labels_2.json").exists()
    assert_same_run(run(settings, Halves()), in_one_go)


def test_a_finished_run_is_finished(in_one_go: Path, make: MakeBootstrap, run: Callable[..., Path]) -> None:
    before = {path: path.read_bytes() for path in in_one_go.rglob("*") if path.is_file()}
    settings = make()
    run(replace(settings, train=replace(settings.train, out=in_one_go)), Halves(0))
    assert {path: path.read_bytes() for path in in_one_go.rglob("*") if path.is_file()} == before


def test_other_settings_are_refused_by_name(make: MakeBootstrap, run: Callable[..., Path], in_one_go: Path) -> None:
    settings = make(gamma_max=2.0, filter=FilterConfig())
    with pytest.raises(
        OutputError, match=r"\(different: bootstrap.filter.box_iou, bootstrap.filter.threshold, bootstrap.gamma_max\)"
    ):
        run(replace(settings, train=replace(settings.train, out=in_one_go)), Halves())


def test_a_run_can_be_moved_and_its_folder_spelled_otherwise(
    make: MakeBootstrap, run: Callable[..., Path], in_one_go: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it labels for round 2, moved, and continued under a relative name."""
    settings = make()
    with pytest.raises(Killed):
        run(settings, Halves(7 + 5))
    shutil.move(settings.train.out, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    there = replace(settings, train=replace(settings.train, out=Path("moved")))
    assert_same_run(run(there, Halves()).resolve(), in_one_go)


def test_a_finished_run_opens_nothing(in_one_go: Path, make: MakeBootstrap, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: Any) -> Any:
        raise AssertionError("opened")

    monkeypatch.setattr(module, "datasets", opened)
    settings = make()
    finished = replace(settings, train=replace(settings.train, out=in_one_go))
    assert bootstrap(finished, make_boxes=opened) == in_one_go / "bootstrap.json"


def test_a_folder_in_use_is_refused(
    make: MakeBootstrap, run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = replace(module.KIND, lock_timeout_s=0.0)
    monkeypatch.setattr(module, "KIND", hasty)
    settings = make()
    with lock_folder(settings.train.out, hasty), pytest.raises(OutputError, match="is in use by another run"):
        run(settings, Halves())
    assert not (settings.train.out / "settings.json").exists()


# ---------------------------------------------------------------------------------------------- the truth


def test_the_calibration_of_presence_decides_nothing(in_one_go: Path, tmp_path: Path) -> None:
    """It is fitted on validation truth: whatever it says, the same masks are kept for the same reasons."""
    segmenter = ImageSegmenter.load(in_one_go / "round_0" / "model.safetensors", "cpu")
    found = []
    for offset in (-50.0, 50.0):
        segmenter.model.presence_offset.fill_(offset)
        ledger = Ledger(tmp_path / f"{offset}.jsonl")
        judge = FilterConfig(threshold=0.2, box_iou=0.0).build()
        Labeller(segmenter, Halves(), judge).label_all(1, Unlabelled(Pictures(), range(COUNT)), ledger)
        found.append(list(ledger.labels(1)))
    low, high = found
    assert max(label.presence or 0 for label in low) < 0.01 and min(label.presence or 0 for label in high) > 0.99
    assert [replace(label, presence=None) for label in low] == [replace(label, presence=None) for label in high]
    assert any(label.verdict == "accepted" for label in low)
    sample = Pictures()[0]
    answers = segmenter.segment(sample.image, sample.expressions)
    masks = [answer.mask(sample.image.shape[:2], presence_threshold=0.0) for answer in answers]
    assert all((decode_rle(label.mask or {}) == own).all() for label, own in zip(low, masks, strict=False))


def test_true_masks_of_unlabelled_images_are_not_used(
    make: MakeBootstrap, run: Callable[..., Path], in_one_go: Path
) -> None:
    """Nonsense in place of the true masks, and of the kinds of expression: the same ledger and the same weights."""

    def nonsense(sample: ImageSample) -> ImageSample:
        noise = np.random.default_rng(0).random(sample.masks.shape) < 0.5
        return replace(sample, masks=noise, families=("nonsense",) * len(sample.expressions))

    labelled = labelled_indices(COUNT, 0.3, 0)
    pictures = Pictures({index: nonsense for index in range(COUNT) if index not in labelled})
    assert_same_run(run(make(), Halves(), pictures), in_one_go)
    with pytest.raises(AssertionError):  # and the test would see it: those of labelled pictures do matter
        assert_same_run(run(make(), Halves(), Pictures(dict.fromkeys(labelled, nonsense))), in_one_go)


def test_views_of_unlabelled_images_have_no_truth(in_one_go: Path) -> None:
    pictures = Unlabelled(Pictures(), [2, 5])
    with pytest.raises(KeyError):
        pictures.image(3)
    arrays = [value for value in vars(pictures.image(5)).values() if isinstance(value, np.ndarray)]
    assert [array.shape for array in arrays] == [(32, 32, 3)]
    rest = [i for i in range(COUNT) if i not in labelled_indices(COUNT, 0.3, 0)]
    labels = list(Ledger(in_one_go / "ledger.jsonl").labels(1))
    view = PseudoLabelled(Unlabelled(Pictures(), rest), labels)
    shown = [(view[i].expression_ids[e], view[i].masks[e]) for i in range(len(view)) for e in range(len(view[i].masks))]
    accepted = [label for label in labels if label.verdict == "accepted"]
    assert [name for name, _ in shown] == [label.expression_id for label in accepted]
    assert all((mask == decode_rle(label.mask or {})).all() for (_, mask), label in zip(shown, accepted, strict=True))


# ---------------------------------------------------------------------------------------------- what fails


def test_an_image_that_fails_is_one_line_and_nothing_else_changes(
    make: MakeBootstrap, run: Callable[..., Path], in_one_go: Path
) -> None:
    """One cannot be read, one has no proposals: both are counted, and the lines of all others are as without them."""
    rest = [i for i in range(COUNT) if i not in labelled_indices(COUNT, 0.3, 0)]
    broken, bare = rest[2], rest[4]

    class Boxes(Halves):
        def boxes(self, picture: UnlabelledImage) -> Sequence[np.ndarray | None]:
            if picture.index == bare:
                raise DataError("no proposals")
            return super().boxes(picture)

    def unreadable(sample: ImageSample) -> ImageSample:
        raise DataError("no such picture")

    out = run(make(rounds=1), Boxes(), Pictures({broken: unreadable}))
    labels = list(Ledger(out / "ledger.jsonl").labels(1))
    failed = [label for label in labels if label.verdict == "failed"]
    assert failed == [
        PseudoLabel(1, broken, "", "failed", "no such picture"),
        PseudoLabel(1, bare, f"train_0_{bare}", "failed", "no proposals"),
    ]
    whole = [label for label in Ledger(in_one_go / "ledger.jsonl").labels(1) if label.index not in (broken, bare)]
    assert [label for label in labels if label.verdict != "failed"] == whole
    told = json.loads((out / "bootstrap.json").read_text())["rounds"][1]
    assert (told["pictures"], told["failed"]) == (7, 2)


def test_an_expression_without_words_fails_alone(in_one_go: Path, tmp_path: Path) -> None:
    """The other two of its picture are asked and judged as they were, by their own boxes."""

    def blank(sample: ImageSample) -> ImageSample:
        return replace(sample, expressions=(sample.expressions[0], "?!", sample.expressions[2]))

    segmenter = ImageSegmenter.load(in_one_go / "round_0" / "model.safetensors", "cpu")
    found = []
    for pictures in (Pictures(), Pictures({4: blank})):
        ledger = Ledger(tmp_path / f"{len(found)}.jsonl")
        boxes, judge = TrueBoxes(Pictures()), FilterConfig(threshold=0.2, box_iou=0.0).build()
        Labeller(segmenter, boxes, judge).label_all(1, Unlabelled(pictures, [3, 4]), ledger)
        found.append(list(ledger.labels(1)))
    whole, holed = found
    assert holed[4] == PseudoLabel(1, 4, "train_0_4", "failed", "no words", "train_0_4_1", "?!")
    assert holed[:4] == whole[:4] and holed[5:] == whole[5:] and len(holed) == 6
    assert count(iter(holed))["failed"] == 1

    def silent(sample: ImageSample) -> ImageSample:
        return replace(sample, expressions=("", "...", "?!"))

    ledger = Ledger(tmp_path / "silent.jsonl")
    Labeller(segmenter, Halves(0), FilterConfig().build()).label_all(1, Unlabelled(Pictures({4: silent}), [4]), ledger)
    assert [label.reason for label in ledger.labels(1)] == ["no words"] * 3


def test_an_internal_error_is_no_failed_image(make: MakeBootstrap, run: Callable[..., Path]) -> None:
    class Boxes(Halves):
        def boxes(self, picture: UnlabelledImage) -> Sequence[np.ndarray | None]:
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        run(make(), Boxes())


def test_a_round_without_an_accepted_label(make: MakeBootstrap, run: Callable[..., Path]) -> None:
    class Nowhere(Halves):
        def boxes(self, picture: UnlabelledImage) -> Sequence[np.ndarray | None]:
            return [None] * len(picture.expressions)

    told = json.loads((run(make(rounds=1), Nowhere()) / "bootstrap.json").read_text())["rounds"][1]
    assert told["accepted"] == 0 and set(told["rejected"]) <= {"no box", "empty"}
