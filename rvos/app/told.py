"""What the page is told of a visit, as JSON values. No path of the machine is in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rvos.app.downloads import NAMES, TITLES
from rvos.app.drawing import colour_of
from rvos.app.visit import State, Status, Visit
from rvos.app.watching import Meaning, Watching


def told(visit: Visit, known: str = "") -> dict[str, Any]:
    """Where a visit stands. known: the `stamp` that the page has seen last; what it has is not told again."""
    version = visit.version  # read first: what changes meanwhile is told the next time
    status, watching, film = visit.status(), visit.watching, visit.film
    stamp = f"{version}.{0 if watching is None else watching.revision}.{status.state}"
    document: dict[str, Any] = {"stamp": stamp, "state": str(status.state), "says": sentence(status)}
    document |= {"done": status.done, "total": status.total}
    if known == stamp or film is None:
        return document
    height, width = film.info.size
    document["film"] = {
        "name": film.name,
        "frames": film.frame_count,
        "rate": film.info.rate or 25.0,
        "width": width,
        "height": height,
    }
    if watching is not None:
        document |= _found(watching)
        document["pictures"] = f"{version}.{watching.corrected_times}"
    return document


def _found(watching: Watching) -> dict[str, Any]:
    looked_at = watching.looked_at()
    rows = {index: watching.records(index) or () for index in looked_at}
    expressions = [
        {
            "text": text,
            "colour": colour_of(i),
            "understood": _meaning(watching.meanings[i]) if watching.meanings else [],
            "presence": [round(rows[index][i].presence, 2) for index in looked_at if rows[index]],
            "score": [round(rows[index][i].score, 2) for index in looked_at if rows[index]],
            "shown": [int(rows[index][i].present) for index in looked_at if rows[index]],
        }
        for i, text in enumerate(watching.expressions)
    ]
    return {
        "expressions": expressions,
        "frames": [index for index in looked_at if rows[index]],
        "corrections": [
            {"frame": frame, "expression": index, "absent": not is_there}
            for frame, index, is_there in watching.corrected()
        ],
        "downloads": [{"name": name, "title": TITLES[name]} for name in NAMES] if watching.done else [],
    }


def _meaning(meaning: Meaning) -> list[str]:
    """What an expression is understood as, in lines."""
    lines = [f"{key.replace('_', ' ')}: {_value(value)}" for key, value in meaning.understood.items() if value]
    if meaning.unseen:
        lines.append(f"the model does not know: {', '.join(meaning.unseen)}")
    return lines or ["the model gets the words as they are"]


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(inner)}" for key, inner in value.items() if inner)
    if isinstance(value, list | tuple):
        return "; ".join(map(_value, value))
    return str(value)


def sentence(status: Status) -> str:
    """Where the work is, in words."""
    done = f"{status.done} of {status.total} frames"
    match status.state:
        case State.EMPTY:
            return "Choose a video to begin."
        case State.READY:
            return f"{status.total} frames. Enter what to look for."
        case State.WAITING:
            before = "another video is" if status.ahead == 1 else f"{status.ahead} other videos are"
            return "Waiting: " + (f"{before} before yours." if status.ahead else "yours is next.")
        case State.WATCHING:
            return f"Processing: {done}." if status.done else _first_look(status)
        case State.STOPPED:
            return f"Stopped after {done}."
        case State.FAILED:
            return f"Failed after {done}: {status.message}"
        case State.DONE:
            return f"Done: {done}."


def _first_look(status: Status) -> str:
    if status.looked < status.looks:
        return f"Preview: {status.looked} of {status.looks} frames."
    return "Processing the first frame."
