"""A call that ends in every way. In a file of its own: the processes that `Isolated` starts load no more than this."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from image_core.errors import DataError


def act(what: str) -> None:
    """End as told; "" is to the end."""
    match what:
        case "refuse":
            raise DataError("expected this, got that")
        case "lines":
            raise DataError("one\ntwo")
        case "fail":
            raise KeyError(what)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(60)


def actor() -> Callable[[str], None]:
    """What `Isolated` prepares."""
    return act
