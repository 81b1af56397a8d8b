"""The state of a visit as the JSON document that the page polls. It contains no path of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rvos.app.downloads import DOWNLOAD_NAMES, DOWNLOAD_TITLES
from rvos.app.drawing import css_colour
from rvos.app.segmentation import ExpressionInfo, Segmentation
from rvos.app.visit import State, Status, Visit


def status_document(visit: Visit, known_stamp: str = "") -> dict[str, Any]:
    """The state of a visit as JSON values.

    known_stamp: the `stamp` of the last document that the page received. If nothing has changed since, the document has
    only the stamp and the progress.
    """
    version = visit.version  # read first: a change after this line gets a new stamp, and is sent the next time
    status, segmentation, video = visit.status(), visit.segmentation, visit.video
    stamp = f"{version}.{0 if segmentation is None else segmentation.revision}.{status.state}"
    document: dict[str, Any] = {"stamp": stamp, "state": str(status.state), "message": status_message(status)}
    document |= {"done": status.done, "total": status.total}
    if known_stamp == stamp or video is None:
        return document
    height, width = video.info.size
    document["video"] = {
        "name": video.name,
        "frames": video.frame_count,
        "rate": video.info.rate or 25.0,
        "width": width,
        "height": height,
    }
    if segmentation is not None:
        document |= _results(segmentation)
        document["images_version"] = f"{version}.{segmentation.correction_revision}"
    return document


def _results(segmentation: Segmentation) -> dict[str, Any]:
    frame_indices = segmentation.frames_with_records()
    records = {index: segmentation.records(index) or () for index in frame_indices}
    expressions = [
        {
            "text": text,
            "colour": css_colour(i),
            "understood": _info_lines(segmentation.expression_infos[i]) if segmentation.expression_infos else [],
            "presence": [round(records[index][i].presence, 2) for index in frame_indices if records[index]],
            "score": [round(records[index][i].score, 2) for index in frame_indices if records[index]],
            "present": [int(records[index][i].present) for index in frame_indices if records[index]],
        }
        for i, text in enumerate(segmentation.expressions)
    ]
    downloads = [{"name": name, "title": DOWNLOAD_TITLES[name]} for name in DOWNLOAD_NAMES]
    return {
        "expressions": expressions,
        "frames": [index for index in frame_indices if records[index]],
        "corrections": [
            {"frame": frame_index, "expression": expression_index, "absent": not has_mask}
            for frame_index, expression_index, has_mask in segmentation.corrections()
        ],
        "downloads": downloads if segmentation.frames_done else [],
    }


def _info_lines(info: ExpressionInfo) -> list[str]:
    """How an expression is understood, one fact per line."""
    lines = [f"{key.replace('_', ' ')}: {_format(value)}" for key, value in info.understood.items() if value]
    if info.unseen_words:
        lines.append(f"the model does not know: {', '.join(info.unseen_words)}")
    return lines or ["the model gets the words as they are"]


def _format(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_format(inner)}" for key, inner in value.items() if inner)
    if isinstance(value, list | tuple):
        return "; ".join(map(_format, value))
    return str(value)


def status_message(status: Status) -> str:
    """The status as one sentence for the visitor."""
    done = f"{status.done} of {status.total} frames"
    match status.state:
        case State.EMPTY:
            return "Choose a video to begin."
        case State.READY:
            return f"{status.total} frames. Enter what to look for."
        case State.WAITING:
            before = "another video is" if status.videos_ahead == 1 else f"{status.videos_ahead} other videos are"
            return "Waiting: " + (f"{before} before yours." if status.videos_ahead else "yours is next.")
        case State.PROCESSING:
            return f"Processing: {done}." if status.done else _preview_message(status)
        case State.STOPPED:
            return f"Stopped after {done}."
        case State.FAILED:
            return f"Failed after {done}: {status.error}"
        case State.DONE:
            return f"Done: {done}."


def _preview_message(status: Status) -> str:
    if status.previews_done < status.previews_total:
        return f"Preview: {status.previews_done} of {status.previews_total} frames."
    return "Processing the first frame."
