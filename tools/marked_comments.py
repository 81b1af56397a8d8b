"""The `#:` comments of fields: behind a field, or on the lines right above it."""

from __future__ import annotations

import ast
from collections.abc import Sequence


def marked_comment(lines: Sequence[str], node: ast.AnnAssign) -> str:
    """The text of the comment of a field in the lines of its source; "" without one."""
    _, mark, behind = lines[(node.end_lineno or node.lineno) - 1].partition("#:")
    if mark:
        return behind.strip()
    above: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.strip().startswith("#:"):
            break
        above.insert(0, line.strip().removeprefix("#:").strip())
    return " ".join(above)
