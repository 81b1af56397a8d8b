"""The valid names of a masker that is used on its own. Light to import."""

from __future__ import annotations

from pathlib import Path

from image_core.errors import UnknownNameError

PACKAGED = "photo"
"""The bundle that has a masker, MobileSAM."""
PREFIX = "hub:"


def check_masker(name: str) -> None:
    """Raise `UnknownNameError` for a name of `resolve_masker` that can be none."""
    text = name.removeprefix(PREFIX)
    if name != PACKAGED and not (text != name and ("/" in text or Path(text).is_dir())):
        raise UnknownNameError("masker", name, [PACKAGED], ", hub:OWNER/NAME or hub:FOLDER")
