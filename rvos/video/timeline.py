"""The time of each frame of a file: its time stamp where that is valid, else counted from the frame rate."""

from __future__ import annotations

import logging
from fractions import Fraction

log = logging.getLogger(__name__)

FORMATS_IN_DECODING_ORDER = frozenset({"avi"})
"""Containers whose packets carry no presentation time; what the demuxer counts is decoding order, dropped frames
included, so that the n-th frame shown has the time of the n-th packet."""

FALLBACK_RATE = Fraction(25)
_RESTART_S = 1
_JUMP_S = 10


class Timeline:
    """Gives frames, in display order, strictly increasing times in seconds.

    A time stamp that is missing or does not increase is replaced by the last time + 1 / rate. If the time stamps start
    anew in the middle, as in joined streams, or (handles_jumps) jump ahead by more than 10 s, they are shifted so that
    they follow the last time. Only the first such event is logged.
    """

    def __init__(self, source: str, rate: Fraction | None, *, handles_jumps: bool = False) -> None:
        self._source = source
        self._step = 1 / (rate or FALLBACK_RATE)
        self._handles_jumps = handles_jumps
        self._has_warned = False
        self._first: Fraction | None = None
        self._last: Fraction | None = None
        self._offset = Fraction(0)

    def time_of(self, pts: int | None, time_base: Fraction) -> float:
        """Seconds of the next frame, whose time stamp is `pts` ticks of `time_base` seconds."""
        stamp = None if pts is None else pts * time_base + self._offset
        if stamp is not None and self._last is not None and self._is_discontinuity(stamp):
            self._warn_once("starts anew")
            self._offset += self._last + self._step - stamp
            stamp = self._last + self._step
        if stamp is None or (self._last is not None and stamp <= self._last):
            self._warn_once("is missing" if stamp is None else "does not increase")
            stamp = Fraction(0) if self._last is None else self._last + self._step
        self._first = stamp if self._first is None else self._first
        self._last = stamp
        return float(stamp)

    def _is_discontinuity(self, stamp: Fraction) -> bool:
        if self._last is None or self._first is None:
            return False
        back = stamp < self._last and (stamp <= self._first or stamp < self._last - _RESTART_S)
        return back or (self._handles_jumps and stamp > self._last + _JUMP_S)

    def _warn_once(self, fault: str) -> None:
        if not self._has_warned:
            after = "at the first frame" if self._last is None else f"after {float(self._last):.3f} s"
            log.warning("'%s': a time stamp %s %s: counted from the rate from there", self._source, fault, after)
            self._has_warned = True
