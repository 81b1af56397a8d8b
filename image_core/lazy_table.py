"""Tables of names whose entries are imported on first access: listing the names imports nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import TypeVar, cast

from image_core.errors import UnknownNameError

T = TypeVar("T")


class LazyTable(MutableMapping[str, T]):
    """Name -> entry. kind: what the entries are, for messages; entry_points: name -> `module:attribute` of the entry.

    Further entries can be set. Names have underscores.
    """

    def __init__(self, kind: str, entry_points: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries: dict[str, str | T] = dict(entry_points)

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

    def canonical_name(self, name: str) -> str:
        """The name as the table has it: hyphens count as underscores. Raises `UnknownNameError`."""
        plain = name.replace("-", "_")
        if plain not in self._entries:
            raise UnknownNameError(self.kind, name, list(self._entries))
        return plain

    def find(self, name: str) -> T:
        """The entry called `name`. Raises `UnknownNameError`."""
        return self[self.canonical_name(name)]
