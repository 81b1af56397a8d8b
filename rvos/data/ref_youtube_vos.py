"""Ref-YouTube-VOS (Seo et al., "URVOS", ECCV 2020), in the layout of its download.

ROOT/meta_expressions/<split>/meta_expressions.json   expressions and the frames that are scored
ROOT/<split>/JPEGImages/<video>/<frame>.jpg
ROOT/<split>/Annotations/<video>/<frame>.png          indexed colour, the value of a pixel is the id of its object

Synthetic videos in this layout have `synthetic.json` beside the metadata: the targets of every expression by frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from image_core.data.annotation_files import read_json
from image_core.errors import DataError
from rvos.data.base import VideoDataset, read_id_map, require
from rvos.data.listing import object_ids_of, read_listing, records_of, text_of
from rvos.data.protocol import OVER_EXPRESSIONS, MaskFolders, Protocol, Server
from rvos.data.records import Expression, VideoRecord, frame_paths


@dataclass(frozen=True)
class RefYoutubeVos(VideoDataset):
    """The real videos, and synthetic videos in the same layout, which have a sidecar file."""

    name: ClassVar[str] = "ref_youtube_vos"
    title: ClassVar[str] = "Ref-YouTube-VOS"
    splits: ClassVar[tuple[str, ...]] = ("valid", "test", "train")
    splits_note: ClassVar[str] = "by default the first that exists"
    protocols: ClassVar[tuple[Protocol, ...]] = (
        Protocol(
            text=f"{OVER_EXPRESSIONS} (the server's own script is not public)",
            verified=False,
            evidence="no: the server's script is not public; J and F are those of DAVIS, which are checked",
            layout=MaskFolders("Annotations"),
        ),
    )
    server: ClassVar[Server | None] = Server("valid")

    #: Video id -> expression id -> the row of `synthetic.json`; {} for the real videos.
    sidecar: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, root: Path, split: str | None = None) -> RefYoutubeVos:
        """See `VideoDataset.read`, but None is the first split that exists: synthetic videos may have `test` alone."""
        chosen = cls.check_split(split)
        existing = [name for name in cls.splits if _index_file(root, name).is_file()]
        notes: tuple[str, ...] = ()
        if split is None and existing and chosen not in existing:
            notes = (f"there is no split '{chosen}': '{existing[0]}' is used instead",)
            chosen = existing[0]
        index = _index_file(root, chosen)
        listed = read_listing(index)
        sidecar_file = index.with_name("synthetic.json")
        sidecar = _read_sidecar(sidecar_file, listed) if sidecar_file.is_file() else {}
        listed, left_out = _without_test_videos(root, chosen, listed)

        def build_expression(video_id: str, expression_id: str, row: dict[str, Any]) -> Expression:
            return _expression(index, expression_id, row, sidecar.get(video_id, {}).get(expression_id))

        records = records_of(index, listed, root / chosen / "JPEGImages", build_expression)
        return cls(root, chosen, records, (*notes, *left_out), sidecar)

    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        folder = self.root / self.split / "Annotations" / video.video_id
        return frame_paths(folder, video.frame_names, ".png") if folder.parent.is_dir() else ()

    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        row = self.sidecar.get(video.video_id, {}).get(expression.expression_id)
        if row is None and not expression.object_ids:
            raise DataError(
                f"{self.name}, video '{video.video_id}', expression '{expression.expression_id}': no obj_id in the "
                f"metadata of '{self.split}': score a split that has truth"
            )
        paths = frame_paths(self.root / self.split / "Annotations" / video.video_id, video.frame_names, ".png")
        for position in range(len(paths)) if expression.scored is None else expression.scored:
            object_ids = expression.object_ids if row is None else row["answers"][position]
            yield np.isin(read_id_map(paths[position]), [int(i) for i in object_ids])

    def expects_target(self, video: VideoRecord, expression: Expression) -> bool:
        """False for synthetic videos: their sidecar says on which frames the target is visible, and it may be none."""
        in_sidecar = expression.expression_id in self.sidecar.get(video.video_id, {})
        return not in_sidecar and super().expects_target(video, expression)


def _index_file(root: Path, split: str) -> Path:
    return root / "meta_expressions" / split / "meta_expressions.json"


def _read_sidecar(path: Path, listed: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Video id -> expression id -> its row, with an answer for each frame of the video. Raises `DataError`."""
    videos = require(read_json(path), "videos", path)
    try:
        sidecar = {video_id: dict(row["expressions"]) for video_id, row in videos.items()}
        for video_id, rows in sidecar.items():
            frames = listed.get(video_id, {}).get("frames")
            for row in rows.values():
                values = [row["kind"], row["family"], *(row["object_ids"] or ())]
                ids = [i for answer in row["answers"] if answer is not None for i in answer]
                if (frames and len(row["answers"]) != len(frames)) or not all(map(_is_int_or_str, [*values, *ids])):
                    raise ValueError("one answer per frame")
                _ = [int(i) for i in ids]
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{path}: expected a file that rvos synth wrote, got another ({error!r}): make it again"
        ) from error
    return sidecar


def _is_int_or_str(value: Any) -> bool:
    return isinstance(value, int | str)


_VALIDATION_VIDEOS = 202


def _without_test_videos(root: Path, split: str, listed: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The validation metadata lists the test videos, too (507 in all). They are left out if the metadata of `test`
    exists."""
    test = _index_file(root, "test")
    if split != "valid":
        return listed, ()
    if not test.is_file():
        note = f"{len(listed)} videos are listed, some of the test split: add the metadata of 'test'"
        return listed, (note,) if len(listed) > _VALIDATION_VIDEOS else ()
    test_videos = read_listing(test)
    kept = {video_id: row for video_id, row in listed.items() if video_id not in test_videos}
    if len(kept) == len(listed) or not kept:
        return listed, ()
    return kept, (f"{len(listed) - len(kept)} of {len(listed)} videos are of the test split and left out",)


def _expression(index: Path, expression_id: str, row: dict[str, Any], sidecar_row: dict[str, Any] | None) -> Expression:
    """sidecar_row: from `synthetic.json`; its answer is null on frames where the target is ambiguous, which are not
    scored."""
    answers = [] if sidecar_row is None else sidecar_row["answers"]
    scored = tuple(i for i, answer in enumerate(answers) if answer is not None)
    return Expression(
        expression_id=expression_id,
        text=text_of(index, row),
        object_ids=object_ids_of(index, row),
        scored=None if len(scored) == len(answers) else scored,
        labels={} if sidecar_row is None else {key: sidecar_row[key] for key in ("kind", "family")},
        has_target=sidecar_row is None or bool(sidecar_row["object_ids"]),
        motion=sidecar_row is not None and sidecar_row["kind"] == "motion",
    )
