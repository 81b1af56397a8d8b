"""The ledger of pseudo labels: what was predicted for every unlabelled expression, and why it was learned from or not.

JSON lines, only ever appended to, picture by picture in rising order. A kill leaves at worst a torn last line, which is
cut off when the file is opened again, and a picture with some of its lines, of which the rest is added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from image_core.json_lines import append_lines, cut_torn_line, read_lines

Decision = Literal["accepted", "rejected", "failed"]


@dataclass(frozen=True)
class PseudoLabel:
    """One line. round: from 1; index: of the picture in the training split; sample_id: "" where it could not be read;
    score: the model's confidence in its mask, presence: its probability of a target, both [0, 1], told and not used;
    box: xyxy in pixels; reason: why it was not accepted; validity: what the filter measured; mask: COCO RLE.

    A picture that failed has one line, without expression, figures or mask: nothing is carried over from another. An
    expression without words has one without figures and mask.
    """

    round: int
    index: int
    sample_id: str
    verdict: Decision
    reason: str = ""
    expression_id: str = ""
    sentence: str = ""
    score: float | None = None
    presence: float | None = None
    box: tuple[float, float, float, float] | None = None
    validity: float | None = None
    mask: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if type(self.round) is not int or type(self.index) is not int or self.verdict not in get_args(Decision):
            raise ValueError(
                f"came round {self.round!r}, index {self.index!r}, verdict {self.verdict!r}; wanted two integers and "
                f"one of {', '.join(get_args(Decision))}"
            )

    @property
    def of_picture(self) -> bool:
        """It stands for a whole picture, which failed."""
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
        """(the last picture of a round that has lines, how many it has); (-1, 0) before the first. Where that picture
        failed as a whole its one line is all: (that picture + 1, 0)."""
        last, lines = -1, 0
        for label in self.labels(round):
            last, lines = label.index, 1 + (lines if label.index == last else 0)
            if label.of_picture:
                last, lines = last + 1, 0
        return last, lines

    def append(self, labels: Sequence[PseudoLabel]) -> None:
        """Add lines, in one write that is on the disk when this returns."""
        append_lines(self.path, [asdict(label) for label in labels])


def _read(values: Any) -> PseudoLabel:
    box = values.pop("box")
    return PseudoLabel(**values, box=None if box is None else tuple(box))


def count(labels: Iterator[PseudoLabel]) -> dict[str, Any]:
    """Pictures and labels of a round by verdict; the rejected ones by reason."""
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
