"""Fields in the API reference: the `#:` comment of a field becomes its docstring.

An extension of griffe, which reads the sources for mkdocstrings; docs/site/zensical.toml names it.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import griffe  # pyright: ignore[reportMissingImports]  # of the extra `docs`
from marked_comments import marked_comment


class FieldComments(griffe.Extension):
    """Gives every field without a docstring what its comment says."""

    def on_attribute_instance(self, *, node: Any, attr: griffe.Attribute, **kwargs: Any) -> None:
        """Called by griffe for each attribute that it finds."""
        if attr.docstring is None and isinstance(node, ast.AnnAssign) and isinstance(attr.filepath, Path):
            text = marked_comment(attr.filepath.read_text(encoding="utf-8").splitlines(), node)
            if text:
                attr.docstring = griffe.Docstring(text, parent=attr)
