"""Tables of names whose entries are imported when they are asked for: the names alone cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from image_core.errors import UnknownNameError

T = TypeVar("T")


class LazyTable(Mapping[str, T]):
    """Name -> entry. kind: what the entries are, for messages; homes: name -> a function that imports the entry."""

    def __init__(self, kind: str, homes: Mapping[str, Callable[[], T]]) -> None:
        self.kind = kind
        self._homes = dict(homes)

    def __getitem__(self, name: str) -> T:
        return self._homes[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)

    def known(self, name: str) -> str:
        """The name as the table has it: hyphens count as underscores. Raises `UnknownNameError`."""
        canonical = name.replace("-", "_")
        if canonical not in self._homes:
            raise UnknownNameError(self.kind, name, list(self._homes))
        return canonical

    def find(self, name: str) -> T:
        """The entry called `name`. Raises `UnknownNameError`."""
        return self[self.known(name)]
