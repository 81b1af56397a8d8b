"""Ref-YouTube-VOS (Seo et al., "URVOS", ECCV 2020), as its download lies on disk.

ROOT/meta_expressions/<split>/meta_expressions.json   expressions and the frames that are scored
ROOT/<split>/JPEGImages/<video>/<frame>.jpg
ROOT/<split>/Annotations/<video>/<frame>.png          indexed colour, the pixel's value is the object's id

Synthetic videos in this layout bring `synthetic.json` beside the metadata: what is meant, frame by frame.
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
from rvos.data.listing import object_of, read_listing, records_of, text_of
from rvos.data.protocol import OVER_EXPRESSIONS, MaskFolders, Protocol, Server
from rvos.data.records import Expression, VideoRecord, pictures


@dataclass(frozen=True)
class RefYoutubeVos(VideoDataset):
    """The real videos, and synthetic ones in their layout, of which more is known."""

    name: ClassVar[str] = "ref_youtube_vos"
    title: ClassVar[str] = "Ref-YouTube-VOS"
    splits: ClassVar[tuple[str, ...]] = ("valid", "test", "train")
    splits_note: ClassVar[str] = "by default the first that is there"
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
        """As the law says, but None is the first split that is there: synthetic videos may be of the test alone."""
        chosen = cls.check_split(split)
        there = [name for name in cls.splits if _index_file(root, name).is_file()]
        notes: tuple[str, ...] = ()
        if split is None and there and chosen not in there:
            notes = (f"there is no split '{chosen}': '{there[0]}' is taken instead",)
            chosen = there[0]
        index = _index_file(root, chosen)
        listed = read_listing(index)
        sidecar_file = index.with_name("synthetic.json")
        sidecar = _read_sidecar(sidecar_file, listed) if sidecar_file.is_file() else {}
        listed, left_out = _without_test_videos(root, chosen, listed)

        def describe(video_id: str, expression_id: str, row: dict[str, Any]) -> Expression:
            return _expression(index, expression_id, row, sidecar.get(video_id, {}).get(expression_id))

        records = records_of(index, listed, root / chosen / "JPEGImages", describe)
        return cls(root, chosen, records, (*notes, *left_out), sidecar)

    def truth_files(self, video: VideoRecord) -> tuple[Path, ...]:
        folder = self.root / self.split / "Annotations" / video.video_id
        return pictures(folder, video.frame_names, ".png") if folder.parent.is_dir() else ()

    def truth(self, video: VideoRecord, expression: Expression) -> Iterator[np.ndarray]:
        row = self.sidecar.get(video.video_id, {}).get(expression.expression_id)
        if row is None and not expression.object_ids:
            raise DataError(
                f"{self.name}, video '{video.video_id}', expression '{expression.expression_id}': no obj_id in the "
                f"metadata of '{self.split}': score a split that has truth"
            )
        paths = pictures(self.root / self.split / "Annotations" / video.video_id, video.frame_names, ".png")
        for position in range(len(paths)) if expression.scored is None else expression.scored:
            meant = expression.object_ids if row is None else row["answers"][position]
            yield np.isin(read_id_map(paths[position]), [int(i) for i in meant])

    def expects_target(self, video: VideoRecord, expression: Expression) -> bool:
        """Of synthetic videos their own file tells when the target is there, and it may be never."""
        known = expression.expression_id in self.sidecar.get(video.video_id, {})
        return not known and super().expects_target(video, expression)


def _index_file(root: Path, split: str) -> Path:
    return root / "meta_expressions" / split / "meta_expressions.json"


def _read_sidecar(path: Path, listed: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Video id -> expression id -> its row, an answer for each of the video's frames. Raises `DataError`."""
    videos = require(read_json(path), "videos", path)
    try:
        sidecar = {video_id: dict(row["expressions"]) for video_id, row in videos.items()}
        for video_id, rows in sidecar.items():
            frames = listed.get(video_id, {}).get("frames")
            for row in rows.values():
                told = [row["kind"], row["family"], *(row["object_ids"] or ())]
                ids = [i for answer in row["answers"] if answer is not None for i in answer]
                if (frames and len(row["answers"]) != len(frames)) or not all(map(_is_plain, [*told, *ids])):
                    raise ValueError("an answer a frame")
                _ = [int(i) for i in ids]
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{path}: expected what rvos synth wrote, got another file ({error!r}): make it again"
        ) from error
    return sidecar


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | str)


_VALIDATION_VIDEOS = 202


def _without_test_videos(root: Path, split: str, listed: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The validation metadata lists the test videos too (507 in all); those are left out where that can be known."""
    test = _index_file(root, "test")
    if split != "valid":
        return listed, ()
    if not test.is_file():
        mixed = f"{len(listed)} videos are listed, some of the test split: put the metadata of 'test' beside them"
        return listed, (mixed,) if len(listed) > _VALIDATION_VIDEOS else ()
    others = read_listing(test)
    kept = {video_id: row for video_id, row in listed.items() if video_id not in others}
    if len(kept) == len(listed) or not kept:
        return listed, ()
    return kept, (f"{len(listed) - len(kept)} of {len(listed)} videos are of the test split and left out",)


def _expression(index: Path, expression_id: str, row: dict[str, Any], told: dict[str, Any] | None) -> Expression:
    """told: the row of `synthetic.json`, whose answer is null where that is disputable: such frames are not scored."""
    answers = [] if told is None else told["answers"]
    judged = tuple(i for i, answer in enumerate(answers) if answer is not None)
    return Expression(
        expression_id=expression_id,
        text=text_of(index, row),
        object_ids=object_of(index, row),
        scored=None if len(judged) == len(answers) else judged,
        labels={} if told is None else {key: told[key] for key in ("kind", "family")},
        has_target=told is None or bool(told["object_ids"]),
        motion=told is not None and told["kind"] == "motion",
    )
