"""How a dataset is scored, and the layout of its predictions: plain values that an adapter declares.

Nothing here reads, writes or scores; `rvos.evaluation` does.
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
    """One grey PNG per frame: PREFIX/<video>/<expression>/<frame>.png, without PREFIX/ where `prefix` is ""."""

    prefix: str = ""

    def path(self, video_id: str, expression_id: str, frame_name: str) -> str:
        """The path of a prediction, relative to the folder of predictions, with slashes."""
        return "/".join(part for part in (self.prefix, video_id, expression_id, f"{frame_name}.png") if part)

    @property
    def text(self) -> str:
        """The pattern of the paths, for messages."""
        return self.path("<video>", "<expression>", "<frame>")


@dataclass(frozen=True)
class IdMapFolders:
    """One indexed PNG per frame for each group of expressions, <folder>/<video>/<frame>.png; object n has the id n + 1,
    n from 0."""

    folders: tuple[str, ...]

    @property
    def text(self) -> str:
        """The patterns of the paths, for messages."""
        return f"{self.folders[0]}/<video>/<frame>.png to {self.folders[-1]}/<video>/<frame>.png"


@dataclass(frozen=True)
class ResultsFile:
    """RLE masks of the scored frames, all in one file of COCO results.

    image_id_format: how the reference names an expression on a frame, with {video}, {expression} and {frame} from 1.
    """

    image_id_format: str

    def image_id(self, video: VideoRecord, expression: Expression, position: int) -> str:
        """The name of an expression on the frame at a 0-based position."""
        ids = {"video": video.video_id, "expression": expression.expression_id}
        return self.image_id_format.format(frame=position + 1, **ids)

    @property
    def text(self) -> str:
        """The file and the pattern of its entries, for messages."""
        name = self.image_id_format.format(video="<video>", expression="<expression>", frame="<frame>")
        return f"predictions.json: image_id {name}, category_id 1, segmentation (run lengths), score"


PredictionLayout = MaskFolders | IdMapFolders | ResultsFile


@dataclass(frozen=True)
class Protocol:
    """The rules by which the predictions of a dataset are scored."""

    #: The rules in one line, for `metrics.json` and the report.
    text: str
    #: Whether the figures agree with those of the reference's own script, or its rules are public.
    verified: bool
    #: How this was verified, for docs/datasets.md.
    evidence: str
    #: Where the predictions are stored.
    layout: PredictionLayout = MaskFolders()
    #: Distinguishes the protocols of one dataset; "" where there is one.
    name: str = ""
    #: Name of the figure whose gain over the baseline is reported.
    figure: str = "J&F"
    #: True: an expression without prediction counts as empty masks if its video has any prediction. Otherwise it is 0.
    missing_is_empty: bool = False

    @property
    def boundary(self) -> bool:
        """Whether F is computed; the single frames of a results file are scored by IoU alone."""
        return not isinstance(self.layout, ResultsFile)


OVER_SAMPLES = Protocol(
    text="IoU of the annotated frames: P@K with IoU > K, overall and mean IoU; mAP .50:.95 with one prediction a "
    "sample",
    verified=True,
    evidence="rules by hand-computed tables; mAP through pycocotools, `mAP_all_predictions` beside it where a sample "
    "has several",
    figure="IoU",
)
"""The protocol of A2D- and JHMDB-Sentences; each adds its `ResultsFile`."""


@dataclass(frozen=True)
class IdMapTruth:
    """Truth as id maps, for a second protocol that scores a group of expressions with one id map per frame.

    protocol: its layout is `IdMapFolders`, one folder per group; groups: video -> the expressions of each group, the
    n-th of which has the id n + 1, n from 0; id_maps: video -> (H, W) uint8 for every frame in order, 0 background,
    255 void. Both raise `DataError`.
    """

    protocol: Protocol
    groups: Callable[[VideoRecord], tuple[tuple[Expression, ...], ...]]
    id_maps: Callable[[VideoRecord], Iterator[np.ndarray]]


@dataclass(frozen=True)
class Server:
    """A server that scores predictions of a split without public truth; the zip has the layout of the predictions."""

    split: str


@dataclass(frozen=True)
class Figures:
    """The figures of every dataset, from which an adapter makes its summary.

    means: by name, over the expressions with a target, J&F among them; accuracies: N-acc and T-acc over all
    expressions, None where there is no expression of the kind; by: label -> value -> means.
    """

    means: Mapping[str, Any]
    accuracies: Mapping[str, float | None]
    by: Mapping[str, Mapping[str, Mapping[str, Any]]]
