"""A frame as everything that knows time sees it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rvos.types import Frame
from rvos.view.frame_view import View, view_of


def test_what_is_computed_once_is_computed_once_by_two_threads_that_ask_together() -> None:
    view = view_of(Frame(0, 0.0, np.zeros((32, 48, 3), np.uint8)), None)
    calls = []

    def slow(of: View) -> tuple[int, int]:
        calls.append(of)
        time.sleep(0.05)
        return of.frame.size

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: view.once(slow), range(2)))
    assert found == [(32, 48)] * 2 and len(calls) == 1
