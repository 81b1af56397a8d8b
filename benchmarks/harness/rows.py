"""Rows on disk, appended as they are computed, so that an interrupted run can be continued."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from image_core.folder import RunKind, digest_of, run_folder
from image_core.json_lines import append_lines, cut_torn_line, read_lines

Row = dict[str, Any]
KIND = RunKind("rvos benchmark", other_folder_advice="wait until it ends")


class Rows:
    """`<folder>/<digest of the settings>/<name>.jsonl`, one row per line, and the settings beside it. Other settings
    have another folder.

    Used by one run at a time: `with Rows(...) as rows`. Raises `OutputError` if another run uses it.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        self.path = folder / digest_of(settings)[:12] / f"{name}.jsonl"
        self.rows: list[Row] = []
        self._settings = settings
        self._open = ExitStack()

    def __enter__(self) -> Rows:
        self._open.enter_context(run_folder(self.path.parent, KIND, self._settings))
        cut_torn_line(self.path)
        self.rows = list(read_lines(self.path, dict, "remove the line"))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows; they are on disk when this returns."""
        append_lines(self.path, rows)
        self.rows += rows


def rows_with_earlier(
    rows: Sequence[Row], out: Path, settings: Mapping[str, Any], *, by: Sequence[str], key: str = "rows"
) -> list[Row]:
    """The earlier rows of the result `out`, if it has the same settings, but those that `rows` replaces; then `rows`.

    by: fields that identify a row; key: of the rows in the result.
    """
    earlier = json.loads(out.read_text()) if out.exists() else {}
    if any(earlier.get(name) != value for name, value in settings.items()):
        return list(rows)
    new = {tuple(row[name] for name in by) for row in rows}
    return [*(row for row in earlier[key] if tuple(row[name] for name in by) not in new), *rows]
