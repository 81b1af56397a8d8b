"""Checks the files of a referring picture dataset, before training or evaluation fails on them after an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from image_core.data.annotation_files import Instances
from image_core.data.dataset import check_image_size
from image_core.data.layout import Layout
from image_core.data.records import ReferringRecord
from image_core.data.refer import check_rows, image_folder, left_out_of, rows_of_split, splits_of
from image_core.data.table import author_of, layout_of
from image_core.errors import DataError
from image_core.images import check_complete
from image_core.progress import Progress, no_progress

MAX_LISTED = 5
"""How many missing items are named; the others are only counted."""

PUBLISHED_REFS = {
    ("refcoco", "unc"): {"train": 42404, "val": 3811, "testA": 1975, "testB": 1810},
    ("refcoco+", "unc"): {"train": 42278, "val": 3805, "testA": 1975, "testB": 1798},
    ("refcocog", "umd"): {"train": 42226, "val": 2573, "test": 5023},
    ("refcocog", "google"): {"train": 44822, "val": 5000},
    ("phrasecut", "umass"): {"train": 310816, "val": 20316, "test": 14354, "miniv": 821},
}
PUBLISHED_EXPRESSIONS = {
    ("refcoco", "unc"): {"train": 120624, "val": 10834, "testA": 5657, "testB": 5095},
    ("refcoco+", "unc"): {"val": 10758, "testA": 5726, "testB": 4889},
}
"""(dataset, author) -> split -> how many there are in the published files, where that is known."""


@dataclass(frozen=True)
class SplitCount:
    """References, expressions and pictures of one split, and the published figures, None where not known."""

    refs: int
    expressions: int
    pictures: int
    published_refs: int | None
    published_expressions: int | None

    @property
    def as_published(self) -> bool:
        """No count differs from a published one."""
        pairs = ((self.refs, self.published_refs), (self.expressions, self.published_expressions))
        return all(published in (None, count) for count, published in pairs)


@dataclass(frozen=True)
class ImageDatasetReport:
    """What of a dataset is there, and what is missing or broken."""

    dataset: str
    author: str
    root: Path
    refs_file: Path
    images: Path  # the folder of pictures
    checked_split: str | None  # the split whose pictures were checked; None: all
    splits: dict[str, SplitCount]  # of the whole file, by every name that opens one
    refs: int
    pictures: int
    without_target: int
    missing_pictures: tuple[Path, ...]  # files that references name
    # a line a reference that cannot be used: no such image, no annotation, a broken polygon
    broken_refs: tuple[str, ...]
    unreadable: tuple[str, ...]  # a line a picture or mask
    left_out: str | None = None  # of the truth, as published readers do

    verdict: ClassVar[str] = "ready"
    """What it is when there is nothing to do."""

    @property
    def to_do(self) -> str | None:
        """What keeps it from being evaluated and the fix, in one line; None when it is ready."""
        faults = []
        if self.missing_pictures:
            faults.append(
                f"{len(self.missing_pictures)} of {self.pictures} pictures missing, the first "
                f"{self.missing_pictures[0]}: put the dataset's pictures into {self.images}"
            )
        if self.broken_refs:
            faults.append(
                f"{len(self.broken_refs)} of {self.refs} references cannot be used, the first: {self.broken_refs[0]}: "
                f"fetch {self.refs_file.name} and what lies beside it again, from one release"
            )
        if self.unreadable:
            faults.append(f"{self.unreadable[0]}")
        return "; ".join(faults) or None

    def lines(self) -> list[str]:
        """For people, a line a finding."""
        which = "all splits" if self.checked_split is None else f"split {self.checked_split}"
        return [
            f"{self.dataset}, splits of {self.author}, in {self.root}",
            *(f"{name}: {_format_count(count)}" for name, count in self.splits.items()),
            *self.notes,
            f"checked: {which}, {self.pictures} pictures in {self.images}",
            *([f"references without a target: {self.without_target}"] if self.without_target else []),
            *format_items("pictures missing", self.missing_pictures),
            *format_items("references that cannot be used", self.broken_refs),
            *format_items("cannot be read", self.unreadable),
        ]

    @property
    def notes(self) -> list[str]:
        """What should be known, and does not keep the dataset from being used."""
        differing = ", ".join(name for name, count in self.splits.items() if not count.as_published)
        counts = f"note: other counts than published in {differing}: figures are not those of the whole set"
        return [*([counts] if differing else []), *([f"note: {self.left_out}"] if self.left_out else [])]

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "dataset": self.dataset,
            "split_by": self.author,
            "split": self.checked_split,
            "root": str(self.root),
            "ready": self.to_do is None,
            "to_do": self.to_do,
            "splits": {name: vars(count) | {"as_published": count.as_published} for name, count in self.splits.items()},
            "notes": self.notes,
            "refs": self.refs,
            "pictures": self.pictures,
            "refs_without_target": self.without_target,
            "missing_pictures": items_document(self.missing_pictures),
            "broken_refs": items_document(self.broken_refs),
            "unreadable": items_document(self.unreadable),
        }


def check_images(
    name: str, root: Path, split: str | None = None, split_by: str | None = None, progress: Progress = no_progress
) -> ImageDatasetReport:
    """Count every split, look up every picture and annotation of `split` (None: of all), and open them.

    Raises `UnknownNameError` for a dataset or an author that is not known, `DataError` where the references, the
    instances or the folder of pictures are missing as a whole, or the split is.
    """
    author = author_of(name, split_by)
    layout = layout_of(name)
    path, content = layout.read_rows(root, name, author, None)
    rows = check_rows(path, content)
    chosen = rows if split is None else rows_of_split(path, rows, split)
    instances, images = layout.read_instances(path), image_folder(root, name)
    records, broken = _read_records(layout, chosen, instances, images)
    by_path = {record.image_path: record for record in records}
    present = _present(by_path)
    return ImageDatasetReport(
        dataset=name,
        author=author,
        root=root,
        refs_file=path,
        images=images,
        checked_split=split,
        splits=_counts(rows, name, author),
        refs=len(chosen),
        pictures=len(by_path),
        without_target=sum(not record.annotation_ids for record in records),
        missing_pictures=tuple(p for p in by_path if p not in present),
        broken_refs=tuple(broken),
        unreadable=tuple(_unreadable([r for r in records if r.image_path in present], progress)),
        left_out=left_out_of(records),
    )


def _read_records(
    layout: Layout, rows: Sequence[Mapping[str, Any]], instances: Instances, images: Path
) -> tuple[list[ReferringRecord], list[str]]:
    """Rows as records, and a line for each that is none."""
    records, broken = [], []
    for row in rows:
        name = f"reference {row.get('ref_id', '?')}"
        try:
            record = layout.build_record(row, instances, images)
            fewest = 4 if record.outlined else 6  # where outlines are drawn, a line of two points has an area
            for polygon in (part for parts in record.segmentations if not isinstance(parts, Mapping) for part in parts):
                if not isinstance(polygon, Mapping) and (len(polygon) < fewest or len(polygon) % 2):
                    raise ValueError(f"a polygon of {len(polygon)} numbers")
        except DataError as error:
            broken.append(str(error))
        except (KeyError, TypeError, ValueError) as error:
            broken.append(f"{name} cannot be read ({error!r})")
        else:
            records.append(record)
            if not record.expressions:
                broken.append(f"{name} has no expression")
    return records, broken


def _present(paths: Mapping[Path, object]) -> set[Path]:
    """Those that are there; each folder is read once, since a hundred thousand look-ups take minutes on a far disk."""
    folders = {path.parent for path in paths}
    names = {folder: {p.name for p in folder.iterdir()} if folder.is_dir() else set() for folder in folders}
    return {path for path in paths if path.name in names[path.parent]}


def _unreadable(records: Sequence[ReferringRecord], progress: Progress) -> list[str]:
    """Pictures, each once, that are cut off or of another size than annotated, and masks that cannot be drawn."""
    faults, checked = [], set()
    for done, record in enumerate(records):
        progress(done, len(records))
        try:
            if record.image_path not in checked:
                checked.add(record.image_path)
                check_image_size(record, check_complete(record.image_path))
            record.mask()
        except DataError as error:
            faults.append(str(error))
    return faults


def _counts(rows: Sequence[Mapping[str, Any]], name: str, author: str) -> dict[str, SplitCount]:
    counts: dict[str, SplitCount] = {}
    refs, expressions = PUBLISHED_REFS.get((name, author), {}), PUBLISHED_EXPRESSIONS.get((name, author), {})
    for split in dict.fromkeys([*refs, *sorted(frozenset[str]().union(*map(splits_of, rows)))]):
        mine = [row for row in rows if split in splits_of(row)]
        texts = sum(len(s) for row in mine if isinstance(s := row.get("sentences"), (list, tuple)))
        pictures = len({str(row.get("image_id")) for row in mine})
        counts[split] = SplitCount(len(mine), texts, pictures, refs.get(split), expressions.get(split))
    return counts


def _format_count(count: SplitCount) -> str:
    refs = "" if count.published_refs is None else f" (published: {count.published_refs})"
    expressions = "" if count.published_expressions is None else f" (published: {count.published_expressions})"
    return f"{count.refs} references{refs}, {count.expressions} expressions{expressions}, {count.pictures} pictures"


def format_items(title: str, items: Sequence[object]) -> list[str]:
    """One line that counts the items and names the first of them; no line without items."""
    if not items:
        return []
    rest = f", and {len(items) - MAX_LISTED} more" if len(items) > MAX_LISTED else ""
    return [f"{title}: {len(items)}: {', '.join(map(str, items[:MAX_LISTED]))}{rest}"]


def items_document(items: Sequence[object]) -> dict[str, Any]:
    """The same for the JSON document."""
    return {"count": len(items), "first": [str(item) for item in items[:MAX_LISTED]]}
