"""The expressions that are evaluated on each image: its own, or, as a text-blind control, those of another image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from image_core.errors import ConfigError
from image_core.sample import ImageSample


class Samples(Protocol):
    """A map-style set of images with expressions and true masks."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> ImageSample: ...


def with_questions(samples: Samples, limit: int | None, shuffled: bool = False) -> Iterator[ImageSample]:
    """The first `limit` images with the expressions they are evaluated on; images without expressions are skipped.

    shuffled: the text-blind control. Each image gets the expressions of the next one that has some (after the
    last comes the first) and keeps its own true masks and families: its score is what a model reaches without the
    text. Raises `ConfigError` where there is no other image with expressions.
    """
    count = len(samples) if limit is None else min(limit, len(samples))
    if shuffled:
        check_can_be_shuffled(count)
    for index in range(count):
        sample = samples[index]
        if not sample.expressions:
            continue
        if shuffled:
            sample = with_other_expressions(
                sample, expressions_of_another(lambda i: samples[i].expressions, index, count)
            )
        yield sample


def check_can_be_shuffled(count: int) -> None:
    """Raise `ConfigError` for fewer than two images."""
    if count < 2:
        raise ConfigError(f"shuffled expressions: expected 2 pictures or more, got {count}: each gets those of another")


def expressions_of_another(expressions: Callable[[int], Sequence[str]], index: int, count: int) -> Sequence[str]:
    """The expressions of the first image after `index` that has some, cyclically among `count`. expressions: index of
    an image -> its expressions. Raises `ConfigError` where no other has."""
    for step in range(1, count):
        found = expressions((index + step) % count)
        if found:
            return found
    raise ConfigError(f"shuffled expressions: expected 2 pictures or more with expressions, got 1 of {count}")


def with_other_expressions(sample: ImageSample, others: Sequence[str]) -> ImageSample:
    """The sample with as many expressions of another image, repeated if there are fewer."""
    replacements = tuple(others[i % len(others)] for i in range(len(sample.expressions)))
    return replace(sample, expressions=replacements)
