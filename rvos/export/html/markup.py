"""Builds HTML and SVG from nested elements. Plain text is always escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"br", "img", "input", "meta"})


class Html(str):
    """Text that is markup. Any other `str` is escaped when it becomes a child of an element."""

    __slots__ = ()


Child = str | Iterable["Child"] | None
Value = str | float | bool | None


def h(tag: str, *children: Child, **attributes: Value) -> Html:
    """An element. Attributes that are None or False are omitted, True gives an attribute without value; `class_` and
    `aria_label` become class and aria-label."""
    opening = "".join([tag, *_attributes(attributes)])
    if tag in _VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{joined(children)}</{tag}>")


def joined(children: Iterable[Child]) -> Html:
    """The concatenation of nested children, without None."""
    return Html("".join(_flat(children)))


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str):
            yield escape(child, quote=False)
        elif child is not None:
            yield from _flat(child)


def _attributes(attributes: dict[str, Value]) -> Iterable[str]:
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = name.rstrip("_").replace("_", "-")
        yield f" {attribute}" if value is True else f' {attribute}="{escape(str(value))}"'
