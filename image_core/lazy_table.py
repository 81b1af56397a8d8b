"""Tables of names whose entries are imported when they are asked for: the names alone cost nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import TypeVar, cast

from image_core.errors import UnknownNameError

T = TypeVar("T")


class LazyTable(MutableMapping[str, T]):
    """Name -> entry. kind: what the entries are, for messages; homes: name -> `module:attribute`, where the entry is.

    An entry of the caller's own may be put beside them. Names have underscores.
    """

    def __init__(self, kind: str, homes: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries: dict[str, str | T] = dict(homes)

    def __getitem__(self, name: str) -> T:
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = self._entries[name] = cast(T, getattr(import_module(module), attribute))
        return entry

    def __setitem__(self, name: str, entry: T) -> None:
        self._entries[name] = entry

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def known(self, name: str) -> str:
        """The name as the table has it: hyphens count as underscores. Raises `UnknownNameError`."""
        canonical = name.replace("-", "_")
        if canonical not in self._entries:
            raise UnknownNameError(self.kind, name, list(self._entries))
        return canonical

    def find(self, name: str) -> T:
        """The entry called `name`. Raises `UnknownNameError`."""
        return self[self.known(name)]
