"""How a dataset is scored, and where its predictions lie: plain values that an adapter names.

What they mean is the evaluation's to say: nothing here reads, writes or scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rvos.data.records import Expression, VideoRecord

if TYPE_CHECKING:
    import numpy as np

OVER_EXPRESSIONS = "J and F over all listed frames, mean over expressions"


@dataclass(frozen=True)
class MaskFolders:
    """A grey PNG a frame: PREFIX/<video>/<expression>/<frame>.png, or no PREFIX/ where it is "" ."""

    prefix: str = ""

    def path(self, video_id: str, expression_id: str, frame_name: str) -> str:
        """The path of a prediction below the folder of predictions, with slashes."""
        return "/".join(part for part in (self.prefix, video_id, expression_id, f"{frame_name}.png") if part)

    @property
    def text(self) -> str:
        """The same path in general."""
        return self.path("<video>", "<expression>", "<frame>")


@dataclass(frozen=True)
class IdPictureFolders:
    """An indexed PNG a frame for each group of expressions: <folder>/<video>/<frame>.png; object n has the id n + 1."""

    folders: tuple[str, ...]

    @property
    def text(self) -> str:
        """The paths of predictions below the folder of predictions."""
        return f"{self.folders[0]}/<video>/<frame>.png to {self.folders[-1]}/<video>/<frame>.png"


@dataclass(frozen=True)
class ResultsFile:
    """Run lengths of the scored frames, all in one file of COCO results.

    image_id_format: the reference's name of an expression on a frame, with {video}, {expression} and {frame} from 1.
    """

    image_id_format: str

    def image_id(self, video: VideoRecord, expression: Expression, position: int) -> str:
        """The name of an expression on the frame at a position, from 0."""
        ids = {"video": video.video_id, "expression": expression.expression_id}
        return self.image_id_format.format(frame=position + 1, **ids)

    @property
    def text(self) -> str:
        """The file, and how its entries are named."""
        name = self.image_id_format.format(video="<video>", expression="<expression>", frame="<frame>")
        return f"predictions.json: image_id {name}, category_id 1, segmentation (run lengths), score"


PredictionLayout = MaskFolders | IdPictureFolders | ResultsFile


@dataclass(frozen=True)
class Protocol:
    """The rules by which predictions of a dataset are scored."""

    #: The rules in one line, for `metrics.json` and the report.
    text: str
    #: The figures agree with those of the reference's own script, or its rules are public.
    verified: bool
    #: What was compared with what, for docs/datasets.md.
    evidence: str
    #: Where the predictions lie.
    layout: PredictionLayout = MaskFolders()
    #: Tells it from the dataset's others, "" where there is one.
    name: str = ""
    #: What the figure is called that a gain over the baseline is of.
    figure: str = "J&F"
    #: An expression without prediction counts as empty masks where its video has any prediction, otherwise as 0.
    missing_is_empty: bool = False

    @property
    def boundary(self) -> bool:
        """F is among the figures; of the single frames of a results file IoU is taken alone."""
        return not isinstance(self.layout, ResultsFile)


OVER_SAMPLES = Protocol(
    text="IoU of the annotated frames: P@K with IoU > K, overall and mean IoU; mAP .50:.95 with one prediction a "
    "sample",
    verified=True,
    evidence="rules by hand-computed tables; mAP through pycocotools, `mAP_all_predictions` beside it where a sample "
    "has several",
    figure="IoU",
)
"""The rules of A2D- and JHMDB-Sentences; each adds its `ResultsFile`."""


@dataclass(frozen=True)
class IdTruth:
    """Truth as pictures of ids, for a second protocol that scores a group of expressions by one picture a frame.

    protocol: its layout is `IdPictureFolders`, a folder a group; groups: video -> the expressions of each group, the
    n-th of which means object n + 1; id_maps: video -> (H, W) uint8 of every frame in order, 0 background, 255 void.
    Both raise `DataError`.
    """

    protocol: Protocol
    groups: Callable[[VideoRecord], tuple[tuple[Expression, ...], ...]]
    id_maps: Callable[[VideoRecord], Iterator[np.ndarray]]


@dataclass(frozen=True)
class Server:
    """Where predictions of a split without public truth are scored; the zip has the layout of the predictions."""

    split: str


@dataclass(frozen=True)
class Figures:
    """What is computed of every dataset, of which an adapter makes its summary.

    means: of the expressions with a target, by name, J&F among them; accuracies: N-acc and T-acc over all expressions,
    None where there are none of the kind; by: label -> value -> means.
    """

    means: Mapping[str, Any]
    accuracies: Mapping[str, float | None]
    by: Mapping[str, Mapping[str, Mapping[str, Any]]]
