"""Several errors in the user's input, reported together in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from image_core.errors import ConfigError, RvosError


class Faults:
    """Gathers `RvosError`s and raises them together. True when there are any."""

    def __init__(self) -> None:
        self._errors: list[RvosError] = []

    def __bool__(self) -> bool:
        return bool(self._errors)

    def add(self, message: str) -> None:
        """A contradiction, in words."""
        self._errors.append(ConfigError(message))

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep an `RvosError` that the block raises, for `raise_all`."""
        try:
            yield
        except RvosError as error:
            self._errors.append(error)

    def raise_all(self) -> None:
        """Raise what was gathered, if anything was: the one error, or a `ConfigError` that names each once."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise ConfigError("; ".join(dict.fromkeys(map(str, self._errors))))
