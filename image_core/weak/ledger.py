"""The ledger of pseudo labels: what was predicted for every unlabelled expression, and why it was learned from or not.

JSON lines, only ever appended to, picture by picture in rising order. A kill leaves at worst a torn last line, which is
cut off when the file is opened again, and a picture with some of its lines, of which the rest is added.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

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


class Ledger:
    """The file of one run, all rounds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        with path.open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)

    def labels(self, round: int) -> Iterator[PseudoLabel]:
        """The lines of one round, in the order they were written."""
        with self.path.open() as file:
            for line in file:
                values = json.loads(line)
                if values["round"] == round:
                    box = values.pop("box")
                    yield PseudoLabel(**values, box=None if box is None else tuple(box))

    def written(self, round: int) -> tuple[int, int]:
        """(index of the last picture of a round that has lines, how many it has); (-1, 0) before the first."""
        lines = Counter(label.index for label in self.labels(round))
        last = max(lines, default=-1)
        return last, lines[last]

    def append(self, labels: Sequence[PseudoLabel]) -> None:
        """Add lines, in one write."""
        with self.path.open("a") as file:
            file.write("".join(json.dumps(asdict(label), ensure_ascii=False) + "\n" for label in labels))


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
