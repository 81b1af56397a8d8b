"""A bounded queue between a producer thread and its consumer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetch(Generic[T]):
    """Runs the iterator `items` in a thread of its own, at most `depth` items ahead of the consumer.

    An exception of `items` is raised in the consumer, after the items before it. The thread ends
    when `items` ends or raises, or when `close` is called; `close` waits for it and may be called twice. Leaving the
    `with` block closes. Raises `ValueError` for a depth below 1.
    """

    def __init__(self, items: Iterator[T], depth: int) -> None:
        if depth < 1:
            raise ValueError(f"Prefetch: expected a depth of at least 1, got depth {depth}")
        self._items = items
        self._depth = depth
        self._ready: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._done = False
        self._error: BaseException | None = None
        # A daemon, so that an unfinished iteration does not keep the process from exiting.
        self._thread = threading.Thread(target=self._produce, name="rvos-prefetch", daemon=True)
        self._thread.start()

    def _produce(self) -> None:
        error = None
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as raised:
            error = raised
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        with self._changed:
            self._error = error
            self._done = True
            self._changed.notify_all()

    def _put(self, item: T) -> bool:
        """Wait for a free place and store `item`; False if the queue was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._ready) < self._depth)
            if self._closed:
                return False
            self._ready.append(item)
            self._changed.notify_all()
            return True

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._done or self._closed)
            if self._ready and not self._closed:
                item = self._ready.popleft()
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        self._thread.join()
        if error is not None and not self._closed:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and wait for its end; waiting items are dropped."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Prefetch[T]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
