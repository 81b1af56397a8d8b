"""Bootstrapping in small: killed and continued is in one go, and the truth of unlabelled pictures is out of reach."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from image_core.checkpoint import load_model
from image_core.errors import ConfigError, DataError
from image_core.evaluation import Samples
from image_core.geometry.rle import decode_rle
from image_core.synthetic import SyntheticImages
from image_core.training.log import read_log
from image_core.training.settings import DataSpec, OptimiserSpec, TrainSettings
from image_core.training.subset import labelled_indices
from image_core.types import ImageSample
from image_core.weak import bootstrap as module
from image_core.weak.bootstrap import bootstrap
from image_core.weak.box_source import BoxSource, NoBoxes, SparcBoxes, TrueBoxes
from image_core.weak.ledger import Ledger, PseudoLabel
from image_core.weak.settings import BootstrapSettings, FilterSpec
from image_core.weak.sparc import Sparc
from image_core.weak.unlabelled import PseudoLabelled, Unlabelled, UnlabelledPicture

MakeSettings = Callable[..., TrainSettings]
MakeBootstrap = Callable[..., BootstrapSettings]
COUNT = 10


class Killed(BaseException):
    """Not an `Exception`: nothing on the way may catch it."""


class Pictures:
    """Ten pictures with three sentences each; at some of them something happens."""

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

    def boxes(self, picture: UnlabelledPicture) -> Sequence[np.ndarray | None]:
        if not self.left:
            raise Killed
        self.left -= 1
        return [np.array([0.0, 0.0, 16.0, 32.0])] * len(picture.expressions)


@pytest.fixture(scope="module")
def make(tiny_settings: MakeSettings) -> MakeBootstrap:
    """`make(**changes)`: two rounds of three steps on ten pictures, three of them labelled, in a new folder."""

    def settings(**changes: Any) -> BootstrapSettings:
        optimiser = OptimiserSpec(lr=2e-3, warmup_steps=1, decay="cosine")
        data = DataSpec(images=COUNT, labels=0.3)
        train = tiny_settings(steps=3, data=data, optimiser=optimiser, save_every=2, eval_every=3)
        loose = FilterSpec(threshold=0.2)
        values: dict[str, Any] = {"train": train, "first_steps": 3, "round_steps": 3, "rounds": 2, "filter": loose}
        return BootstrapSettings(**(values | changes))

    return settings


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`run(settings, boxes, pictures)`: the folder of a run to its end, or to where it was killed."""

    def start(settings: BootstrapSettings, boxes: BoxSource, pictures: Samples | None = None) -> Path:
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
        assert all(label.presence is not None and label.presence >= 0.5 for label in accepted)
        assert all((label.reason == "absent") == ((label.presence or 0) < 0.5) for label in labels)
    assert set(told["rounds"][2]["val"]) >= {"mIoU", "oIoU"}
    assert told["rounds"][2]["val"]["mIoU"] == read_log(in_one_go / "round_2" / "log.jsonl")[-1]["mIoU"]


def test_both_losses_are_in_the_log(in_one_go: Path) -> None:
    first, second = (read_log(in_one_go / f"round_{round}" / "log.jsonl")[0] for round in (0, 1))
    assert not any(key.startswith("pseudo_") for key in first)
    own = sum(second[key] for key in ("dice", "bce", "presence"))
    pseudo = sum(second[f"pseudo_{key}"] for key in ("dice", "bce", "presence"))
    assert second["loss"] == pytest.approx(own + 0.5 * pseudo, abs=1e-4)


def test_a_round_begins_with_the_weights_it_should(make: MakeBootstrap) -> None:
    settings = make()
    assert settings.round(0).init is None and settings.round(0).out.name == "round_0"
    assert settings.round(2).init == str(settings.train.out / "round_1" / "model.safetensors")
    anew = make(train=replace(settings.train, init="s2rm_tiny"), start="first")
    assert [anew.round(round).init for round in range(3)] == ["s2rm_tiny"] * 3


@pytest.mark.parametrize(
    ("schedule", "weights"),
    [("linear", [0.5, 1.0, 1.5, 2.0]), ("fixed", [2.0] * 4), ("cosine", [0.2929, 1.0, 1.7071, 2.0])],
)
def test_the_weight_of_pseudo_labels(make: MakeBootstrap, schedule: Any, weights: list[float]) -> None:
    settings = make(rounds=4, gamma_max=2.0, gamma_schedule=schedule)
    assert [settings.gamma(round) for round in range(1, 5)] == pytest.approx(weights, abs=1e-4)


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


@pytest.mark.parametrize("killed_at", [0, 3, 7 + 5])
def test_killed_while_labelling(make: MakeBootstrap, run: Callable[..., Path], in_one_go: Path, killed_at: int) -> None:
    settings = make()
    with pytest.raises(Killed):
        run(settings, Halves(killed_at))
    assert_same_run(run(settings, Halves()), in_one_go)


def test_killed_in_the_middle_of_a_picture(make: MakeBootstrap, run: Callable[..., Path], in_one_go: Path) -> None:
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
    settings = make(gamma_max=2.0, filter=FilterSpec())
    with pytest.raises(ConfigError, match=r"other settings \(bootstrap.filter.threshold, bootstrap.gamma_max\)"):
        run(replace(settings, train=replace(settings.train, out=in_one_go)), Halves())


# ---------------------------------------------------------------------------------------------- the truth


def test_no_true_mask_of_an_unlabelled_picture_matters(
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


def test_views_of_unlabelled_pictures_have_no_truth(in_one_go: Path) -> None:
    pictures = Unlabelled(Pictures(), [2, 5])
    with pytest.raises(KeyError):
        pictures.picture(3)
    arrays = [value for value in vars(pictures.picture(5)).values() if isinstance(value, np.ndarray)]
    assert [array.shape for array in arrays] == [(32, 32, 3)]
    rest = [i for i in range(COUNT) if i not in labelled_indices(COUNT, 0.3, 0)]
    labels = list(Ledger(in_one_go / "ledger.jsonl").labels(1))
    view = PseudoLabelled(Unlabelled(Pictures(), rest), labels)
    shown = [(view[i].expression_ids[e], view[i].masks[e]) for i in range(len(view)) for e in range(len(view[i].masks))]
    accepted = [label for label in labels if label.verdict == "accepted"]
    assert [name for name, _ in shown] == [label.expression_id for label in accepted]
    assert all((mask == decode_rle(label.mask or {})).all() for (_, mask), label in zip(shown, accepted, strict=True))


# ---------------------------------------------------------------------------------------------- what fails


def test_a_picture_that_fails_is_one_line_and_nothing_else_changes(
    make: MakeBootstrap, run: Callable[..., Path], in_one_go: Path
) -> None:
    """One cannot be read, one has no proposals: both are counted, and the lines of all others are as without them."""
    rest = [i for i in range(COUNT) if i not in labelled_indices(COUNT, 0.3, 0)]
    broken, bare = rest[2], rest[4]

    class Boxes(Halves):
        def boxes(self, picture: UnlabelledPicture) -> Sequence[np.ndarray | None]:
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


def test_a_fault_of_ours_is_no_failed_picture(make: MakeBootstrap, run: Callable[..., Path]) -> None:
    class Boxes(Halves):
        def boxes(self, picture: UnlabelledPicture) -> Sequence[np.ndarray | None]:
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        run(make(), Boxes())


def test_a_round_without_an_accepted_label(make: MakeBootstrap, run: Callable[..., Path]) -> None:
    class Nowhere(Halves):
        def boxes(self, picture: UnlabelledPicture) -> Sequence[np.ndarray | None]:
            return [None] * len(picture.expressions)

    told = json.loads((run(make(rounds=1), Nowhere()) / "bootstrap.json").read_text())["rounds"][1]
    assert told["accepted"] == 0 and set(told["rejected"]) <= {"no box", "empty", "absent"}


# ---------------------------------------------------------------------------------------------- boxes


def test_true_boxes_are_those_of_the_masks() -> None:
    pictures = Pictures()
    found = TrueBoxes(pictures).boxes(Unlabelled(pictures, [4]).picture(4))
    for mask, box in zip(pictures[4].masks, found, strict=True):
        if box is None:
            assert not mask.any()
            continue
        x0, y0, x1, y1 = box.astype(int)
        assert mask[y0:y1, x0:x1].sum() == mask.sum() and mask[y0].any() and mask[:, x1 - 1].any()


def test_sparc_boxes_are_proposals() -> None:
    class Proposals:
        def __init__(self, boxes: list[list[float]]) -> None:
            self.found = np.array(boxes, float).reshape(-1, 4)

        def propose(self, image: np.ndarray, sample_id: str) -> np.ndarray:
            return self.found

    class LikesTheFirst:
        def scores(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
            return np.repeat(-np.arange(len(images), dtype=float)[:, None], len(texts), axis=1)

    picture = UnlabelledPicture(0, "s", np.zeros((32, 32, 3), np.uint8), ("a dog", "a cat"), ("s_0", "s_1"))
    boxes = [[1.0, 2.0, 9.0, 8.0], [10.0, 2.0, 19.0, 8.0]]
    found = SparcBoxes(Sparc(LikesTheFirst()), Proposals(boxes)).boxes(picture)
    assert [box.tolist() for box in found if box is not None] == [boxes[0]] * 2
    with pytest.raises(DataError, match="s: no proposals"):
        SparcBoxes(Sparc(LikesTheFirst()), Proposals([])).boxes(picture)


# ---------------------------------------------------------------------------------------------- settings


def test_contradictions_are_told_together(make: MakeBootstrap) -> None:
    with pytest.raises(ConfigError) as error:
        make(
            rounds=0,
            gamma_max=-1.0,
            gamma_schedule="quadratic",
            start="last",
            boxes="none",
            pseudo_images=0,
            filter=FilterSpec(strict=True, threshold=0.5),
            train=replace(make().train, data=DataSpec(images=COUNT)),
        )
    for part in (
        "rounds is 0",
        "labels is 1.0, wanted a share below 1",
        "gamma_max is -1.0",
        "gamma_schedule is quadratic, wanted one of linear, fixed, cosine",
        "start is last",
        "filter.name is mask_in_box, which needs boxes",
        "pseudo_images is 0",
        "filter.strict is a threshold of 1",
    ):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (FilterSpec("nothing"), "filter.name is nothing, wanted one of"),  # type: ignore[arg-type]
        (FilterSpec("projection", strict=True), "are of mask_in_box, came with projection"),
        (FilterSpec("everything", threshold=0.5), "filter.threshold came with everything"),
        (FilterSpec(threshold=-0.5), "filter.threshold is -0.5, wanted 0 to 2"),
        (FilterSpec(box_iou=1.5), "filter.box_iou 1.5, wanted 0 to 1"),
    ],
)
def test_filters_that_contradict_themselves(spec: FilterSpec, message: str) -> None:
    assert any(message in fault for fault in spec.faults())


def test_filters_by_their_settings() -> None:
    assert repr(FilterSpec().build()) == "MaskInBox(threshold=0.9, box_iou=0.0)"
    assert repr(FilterSpec(strict=True, box_iou=0.5).build()) == "MaskInBox(threshold=1.0, box_iou=0.5)"
    assert repr(FilterSpec("projection").build()) == "ProjectionLoss(threshold=0.1)"
    assert repr(FilterSpec("everything").build()) == "Everything()"
