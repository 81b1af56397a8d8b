"""The ledger of pseudo labels: the prediction for every unlabelled expression, and the verdict with its reason.

JSON lines, only ever appended to, image by image in rising order. A kill leaves at worst a torn last line, which is
cut off when the file is opened again, and an image with some of its lines, of which the rest is added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from image_core.json_lines import append_lines, cut_torn_line, read_lines

Decision = Literal["accepted", "rejected", "failed"]
_TEXT = "sentence"
"""The key of an expression's text in the file."""


@dataclass(frozen=True)
class PseudoLabel:
    """One line.

    An image that failed has one line, without expression, figures or mask: nothing is carried over from another. An
    expression without words has one without figures and mask.
    """

    #: From 1.
    round: int
    #: Of the image in the training split.
    index: int
    #: "" where the image could not be read.
    sample_id: str
    verdict: Decision
    #: Why it was not accepted.
    reason: str = ""
    expression_id: str = ""
    #: Of the expression.
    text: str = ""
    #: The model's confidence in its mask, [0, 1]; recorded, not used.
    score: float | None = None
    #: The model's probability of a target, [0, 1]; recorded, not used.
    presence: float | None = None
    #: xyxy in pixels.
    box: tuple[float, float, float, float] | None = None
    #: What the filter measured.
    validity: float | None = None
    #: COCO run lengths.
    mask: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if type(self.round) is not int or type(self.index) is not int or self.verdict not in get_args(Decision):
            raise ValueError(
                f"expected whole numbers and a verdict of {', '.join(get_args(Decision))}, got round {self.round!r}, "
                f"index {self.index!r}, verdict {self.verdict!r}"
            )

    @property
    def of_picture(self) -> bool:
        """Whether the line stands for a whole image that failed."""
        return self.verdict == "failed" and not self.expression_id


class Ledger:
    """The file of one run, all rounds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        cut_torn_line(path)

    def labels(self, round: int) -> Iterator[PseudoLabel]:
        """The lines of one round, in the order they were written. Raises `DamagedError` for one that cannot be read."""
        lines = read_lines(self.path, _read, "mend the line, or remove the folder of the run")
        return (label for label in lines if label.round == round)

    def written(self, round: int) -> tuple[int, int]:
        """(index of the last image with lines of a round, number of its lines); (-1, 0) before the first. An image
        that failed as a whole is complete with its one line: (its index + 1, 0)."""
        last, lines = -1, 0
        for label in self.labels(round):
            last, lines = label.index, 1 + (lines if label.index == last else 0)
            if label.of_picture:
                last, lines = last + 1, 0
        return last, lines

    def append(self, labels: Sequence[PseudoLabel]) -> None:
        """Add lines, in one write that is on the disk when this returns."""
        append_lines(self.path, map(_row, labels))


def _row(label: PseudoLabel) -> dict[str, Any]:
    return {_TEXT if key == "text" else key: value for key, value in asdict(label).items()}


def _read(row: Any) -> PseudoLabel:
    text, box = row.pop(_TEXT), row.pop("box")
    return PseudoLabel(**row, text=text, box=None if box is None else tuple(box))


def count(labels: Iterator[PseudoLabel]) -> dict[str, Any]:
    """Images and labels of a round by verdict; the rejected ones by reason."""
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    pictures = set()
    for label in labels:
        pictures.add(label.index)
        verdicts[label.verdict] += 1
        if label.verdict == "rejected":
            reasons[label.reason] += 1
    return {
        "pictures": len(pictures),
        "accepted": verdicts["accepted"],
        "rejected": dict(sorted(reasons.items())),
        "failed": verdicts["failed"],
    }
