"""The time of each frame of a container: read from it where it can be trusted, counted from the rate where not."""

from __future__ import annotations

import logging
from fractions import Fraction

log = logging.getLogger(__name__)

FORMATS_WITHOUT_TIMES = frozenset({"avi"})
"""Containers whose packets carry no presentation time; what the demuxer gives is decoding order."""

FALLBACK_RATE = Fraction(25)


class Timeline:
    """Gives frames, in display order, strictly increasing times in seconds.

    A time stamp that is missing or does not increase is replaced by the last time + 1 / rate, which is said once
    through logging; where the container has no time stamps at all, frame i is at i / rate.
    """

    def __init__(self, source: str, rate: Fraction | None, *, counted: bool) -> None:
        self._source = source
        self._step = 1 / (rate or FALLBACK_RATE)
        self._counted = counted
        self._said = False
        self._last: Fraction | None = None

    def time_of(self, pts: int | None, time_base: Fraction) -> float:
        """Seconds of the next frame, whose time stamp is `pts` ticks of `time_base` seconds."""
        stamp = None if pts is None or self._counted else pts * time_base
        if stamp is None or (self._last is not None and stamp <= self._last):
            if not self._counted:
                self._say_once("is missing" if stamp is None else "does not increase")
            stamp = Fraction(0) if self._last is None else self._last + self._step
        self._last = stamp
        return float(stamp)

    def _say_once(self, fault: str) -> None:
        if not self._said:
            after = "at the first frame" if self._last is None else f"after {float(self._last):.3f} s"
            log.warning("'%s': a time stamp %s %s: counted from the rate from there", self._source, fault, after)
            self._said = True
