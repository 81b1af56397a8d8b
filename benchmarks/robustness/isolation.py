"""Runs calls in a process of its own, so that a native crash, a hang or a traceback can be counted."""

from __future__ import annotations

import resource
import signal
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from image_core.errors import RvosError

_MEMORY = 12 * 2**30
"""Bytes of address space that a call may use: a larger request means that a damaged header was trusted."""


class Isolated:
    """Answers `call(argument)` with one line: "done", "refused: ...", "traceback: ...", "crash: ..." or "hang".

    call: a function of a module, made ready by `prepare` in the process. A call of more than `limit_s` seconds is a
    hang; the process is ended then, and another one takes its place.
    """

    def __init__(self, prepare: Callable[[], Callable[[Any], None]], limit_s: float) -> None:
        self._prepare = prepare
        self._limit_s = limit_s
        self._context = get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._connection, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs, self._prepare), daemon=True)
        self._process.start()
        theirs.close()
        if not self._connection.poll(300):
            raise RuntimeError("the process of the calls did not start")
        self._connection.recv()

    def __call__(self, argument: Any) -> str:
        self._connection.send(argument)
        ready = wait([self._connection, self._process.sentinel], self._limit_s)
        if self._connection in ready:
            try:
                return self._connection.recv()
            except EOFError:
                pass
        if not ready:
            self.close()
            self._start()
            return "hang"
        self._process.join()
        code = self._process.exitcode or 0
        self._start()
        return f"crash: {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _serve(connection: Connection, prepare: Callable[[], Callable[[Any], None]]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    call = prepare()
    connection.send("ready")
    while True:
        try:
            argument = connection.recv()
        except EOFError:
            return
        connection.send(_told(call, argument))


def _told(call: Callable[[Any], None], argument: Any) -> str:
    try:
        call(argument)
    except RvosError as error:
        text = str(error)
        return f"refused: {text}" if "\n" not in text.strip() else f"traceback: a message of several lines: {text!r}"
    except Exception:
        return f"traceback: {traceback.format_exc(limit=-3)}"
    return "done"
