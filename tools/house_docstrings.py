"""Converts our docstrings for the API reference: comments of fields become docstrings, examples become code.

An extension of griffe, which reads the sources for mkdocstrings; docs/site/zensical.toml names it.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import griffe  # pyright: ignore[reportMissingImports]  # of the extra `docs`
from marked_comments import marked_comment


def with_examples(text: str) -> str:
    """A docstring whose paragraphs that begin with `>>>` are blocks of Python."""
    paragraphs = [
        f"```pycon\n{paragraph}\n```" if paragraph.startswith(">>>") else paragraph for paragraph in text.split("\n\n")
    ]
    return "\n\n".join(paragraphs)


class HouseDocstrings(griffe.Extension):
    """Turns the comments of fields into docstrings, and examples into code blocks."""

    def on_attribute_instance(self, *, node: Any, attr: griffe.Attribute, **kwargs: Any) -> None:
        """Called by griffe for each attribute that it finds."""
        if attr.docstring is None and isinstance(node, ast.AnnAssign) and isinstance(attr.filepath, Path):
            text = marked_comment(attr.filepath.read_text(encoding="utf-8").splitlines(), node)
            if text:
                attr.docstring = griffe.Docstring(text, parent=attr)

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called by griffe for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = with_examples(obj.docstring.value)
