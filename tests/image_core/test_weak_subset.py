"""Which pictures are labelled: nested, seeded, as many as asked for, and whole pictures."""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from image_core.checkpoint import load_model
from image_core.data.records import ReferringRecord
from image_core.data.table import open_dataset
from image_core.errors import DataError
from image_core.synthetic.dataset import SyntheticImages
from image_core.synthetic.layouts import write_refcoco
from image_core.training.config import DataConfig, OptimiserConfig, TrainConfig
from image_core.training.recipe import datasets
from image_core.training.subset import PartialSamples, Subset, labelled_indices, words_in
from image_core.weak.bootstrap import bootstrap
from image_core.weak.box_source import NoBoxes
from image_core.weak.config import BootstrapConfig, FilterConfig
from image_core.weak.unlabelled import Unlabelled

SHARES = ("0.01", "0.1", "0.2", "0.3", "0.5", "0.7", "0.999", "1")


@pytest.mark.parametrize("count", [1, 7, 10, 30, 1000])
def test_as_many_as_the_share(count: int) -> None:
    """ceil(share * count) in exact arithmetic: 10 % of 30 is 3, though 0.1 * 30 is a hair more in floating point."""
    for share in SHARES:
        found = labelled_indices(count, float(share), seed=0)
        assert len(found) == len(set(found)) == math.ceil(Fraction(share) * count)
        assert found == sorted(found) and set(found) <= set(range(count))


@pytest.mark.parametrize("seed", range(3))
def test_a_smaller_share_is_inside_a_larger_one(seed: int) -> None:
    for count in (9, 400):
        subsets = [set(labelled_indices(count, float(share), seed)) for share in SHARES]
        assert all(small <= large for small, large in itertools.pairwise(subsets))
        assert subsets[-1] == set(range(count))


def test_the_seed_decides_and_nothing_else() -> None:
    assert labelled_indices(500, 0.1, 3) == labelled_indices(500, 0.1, 3) != labelled_indices(500, 0.1, 4)
    drawn = [index for seed in range(200) for index in labelled_indices(20, 0.25, seed)]
    assert all(20 < drawn.count(index) < 90 for index in range(20))  # 50 expected: no picture is favoured


def test_the_view_has_whole_images() -> None:
    """Every expression of a labelled picture is there, so that its masks are nowhere else."""
    pictures = SyntheticImages("train", 0, (32, 32), 3, length=12)
    view = Subset(pictures, labelled_indices(len(pictures), 0.25, 0))
    assert len(view) == 3
    for position, index in enumerate(view.indices):
        assert view[position].expressions == pictures[index].expressions
        assert (view[position].masks == pictures[index].masks).all()


# ---------------------------------------------------------------------------------------------- RefCOCO's layout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight pictures to learn from; every expression of picture k ends with the word "pk"."""
    write_refcoco(tmp_path, {"train": 8, "val": 2}, 0, (32, 32))
    rows = rows_of(tmp_path)
    pictures = list(dict.fromkeys(row["image_id"] for row in rows if row["split"] == "train"))
    for row in rows:
        for expression in row["sentences"] if row["image_id"] in pictures else []:
            expression["raw"] += f" p{pictures.index(row['image_id'])}"
    return put(tmp_path, rows)


def rows_of(root: Path) -> list[dict]:
    return pickle.loads((root / "refcoco" / "refs(unc).p").read_bytes())


def put(root: Path, rows: list[dict]) -> Path:
    (root / "refcoco" / "refs(unc).p").write_bytes(pickle.dumps(rows))
    return root


def numbered(words: tuple[str, ...] | None) -> set[int]:
    return {int(word[1:]) for word in words or () if word[0] == "p" and word[1:].isdigit()}


def test_words_are_those_of_the_images_asked_for(root: Path) -> None:
    pictures = open_dataset("refcoco", root, "train")
    assert isinstance(pictures, PartialSamples) and not isinstance(SyntheticImages(), PartialSamples)
    assert numbered(words_in(pictures, [2, 5])) == {2, 5}
    assert set(words_in(pictures, range(8))) == pictures.words()
    drawn = SyntheticImages("train", 0, (32, 32), 3, length=5)
    assert words_in(drawn, [1]) == tuple(sorted({word for text in drawn[1].expressions for word in text.split()}))


def test_unlabelled_images_are_read_without_their_masks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = open_dataset("refcoco", root, "train")
    sample = pictures[3]

    def closed(_: ReferringRecord) -> None:
        raise DataError("a broken mask")

    monkeypatch.setattr(ReferringRecord, "mask", closed)
    with pytest.raises(DataError, match="a broken mask"):
        pictures[3]
    picture = Unlabelled(pictures, [3]).image(3)
    assert (picture.image == sample.image).all() and picture.expressions == sample.expressions
    assert (picture.sample_id, picture.expression_ids) == (sample.sample_id, sample.expression_ids)


def test_images_without_an_expression_are_not_trained_on(root: Path, tiny_settings: Callable[..., TrainConfig]) -> None:
    rows = rows_of(root)
    silent = {row["image_id"] for row in rows if row["split"] == "train" and row["image_id"] % 2}
    assert silent
    for row in rows:
        if row["image_id"] in silent:
            row["sentences"] = []
    settings = tiny_settings(data=DataConfig("refcoco", str(put(root, rows))))
    training, _, _ = datasets(settings.data, settings)
    assert len(training) == 8 - len(silent) > 0
    assert all(training[i].expressions and int(training[i].sample_id) not in silent for i in range(len(training)))
    for row in rows:
        row["sentences"] = []
    put(root, rows)
    with pytest.raises(DataError, match="expected at least one expression in the training split of refcoco"):
        datasets(settings.data, settings)


def test_a_model_has_the_words_that_it_was_taught(root: Path, tiny_settings: Callable[..., TrainConfig]) -> None:
    """Those of the labelled pictures, and from round 1 on those of accepted pseudo labels."""
    rows = rows_of(root)
    optimiser = OptimiserConfig(lr=3e-2, warmup_steps=1, decay="cosine")  # four steps, and masks are drawn
    train = tiny_settings(data=DataConfig("refcoco", str(root), labels=0.25), steps=4, optimiser=optimiser)
    labelled = set(labelled_indices(8, 0.25, train.seed))
    _, _, words = datasets(train.data, train)
    assert numbered(words) == labelled and len(labelled) == 2
    pictures = list(dict.fromkeys(row["image_id"] for row in rows if row["split"] == "train"))
    mute = next(i for i in range(8) if i not in labelled)
    for row in rows:  # one picture is asked nothing that could be answered: its other word is not learnt
        if row["image_id"] == pictures[mute]:
            for expression in row["sentences"]:
                expression["raw"] = "?!"
    put(root, rows)
    settings = BootstrapConfig(train, 4, 4, 1, boxes="none", filter=FilterConfig("everything"))
    out = bootstrap(settings, make_boxes=lambda *_: NoBoxes()).parent
    first, second = (load_model(out / f"round_{round}" / "model.safetensors").provenance.words for round in (0, 1))
    assert numbered(first) == labelled
    assert labelled < numbered(second) <= set(range(8)) - {mute}
