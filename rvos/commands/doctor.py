"""`rvos doctor`: what this machine can do."""

from __future__ import annotations

import json
from typing import Any

from rvos.commands import options


def doctor(as_json: options.Json = False) -> None:
    """Tell what this machine can do, and whether the model loads."""
    from rvos.doctor import examine

    found = examine()
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for section, rows in found.items():
        print(section)
        for name, value in rows.items():
            print(f"  {name.replace('_', ' ')}: {_said(value)}")


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(name if there else f"{name} (missing)" for name, there in value.items())
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not installed" if value is None else str(value)
