"""The time of each frame of a container: read from it where it can be trusted, counted from the rate where not."""

from __future__ import annotations

import logging
from fractions import Fraction

log = logging.getLogger(__name__)

FORMATS_IN_DECODING_ORDER = frozenset({"avi"})
"""Containers whose packets carry no presentation time; what the demuxer counts is decoding order, dropped frames
included, so that the n-th picture shown has the time of the n-th packet."""

FALLBACK_RATE = Fraction(25)
_RESTART_S = 1
_JUMP_S = 10


class Timeline:
    """Gives frames, in display order, strictly increasing times in seconds.

    A time stamp that is missing or does not increase is replaced by the last time + 1 / rate. A clock that starts anew
    in the middle, as where streams were joined, or (jumps) runs ahead by more than 10 s, goes on from there. Either is
    said once through logging.
    """

    def __init__(self, source: str, rate: Fraction | None, *, jumps: bool = False) -> None:
        self._source = source
        self._step = 1 / (rate or FALLBACK_RATE)
        self._jumps = jumps
        self._said = False
        self._first: Fraction | None = None
        self._last: Fraction | None = None
        self._offset = Fraction(0)

    def time_of(self, pts: int | None, time_base: Fraction) -> float:
        """Seconds of the next frame, whose time stamp is `pts` ticks of `time_base` seconds."""
        stamp = None if pts is None else pts * time_base + self._offset
        if stamp is not None and self._last is not None and self._is_another_clock(stamp):
            self._say_once("starts anew")
            self._offset += self._last + self._step - stamp
            stamp = self._last + self._step
        if stamp is None or (self._last is not None and stamp <= self._last):
            self._say_once("is missing" if stamp is None else "does not increase")
            stamp = Fraction(0) if self._last is None else self._last + self._step
        self._first = stamp if self._first is None else self._first
        self._last = stamp
        return float(stamp)

    def _is_another_clock(self, stamp: Fraction) -> bool:
        if self._last is None or self._first is None:
            return False
        back = stamp < self._last and (stamp <= self._first or stamp < self._last - _RESTART_S)
        return back or (self._jumps and stamp > self._last + _JUMP_S)

    def _say_once(self, fault: str) -> None:
        if not self._said:
            after = "at the first frame" if self._last is None else f"after {float(self._last):.3f} s"
            log.warning("'%s': a time stamp %s %s: counted from the rate from there", self._source, fault, after)
            self._said = True
