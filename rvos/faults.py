"""Several things that are wrong with what was asked, said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from image_core.errors import ConfigError, RvosError


class Faults:
    """Gathers `RvosError`s and raises them together."""

    def __init__(self) -> None:
        self._found: list[RvosError] = []

    def add(self, message: str) -> None:
        """A contradiction, in words."""
        self._found.append(ConfigError(message))

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """What the block raises of `RvosError` is kept for later."""
        try:
            yield
        except RvosError as error:
            self._found.append(error)

    def raise_all(self) -> None:
        """Raise what was found, if anything was: the one error, or a `ConfigError` that names each."""
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise ConfigError("; ".join(dict.fromkeys(map(str, self._found))))
