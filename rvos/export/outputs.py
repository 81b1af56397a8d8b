"""The outputs that a run may leave beside its records: the names of `--save`, and where each lies in its folder."""

from __future__ import annotations

OUTPUTS: dict[str, str] = {
    "overlay": "overlay.mp4",
    "contact_sheet": "contact_sheet.png",
    "masks": "masks",
    "palette": "palette",
    "frames": "frames",
    "compare": "compare.mp4",
}
DEFAULT = ("overlay", "contact_sheet")
