"""The thread behind: in order, bounded, honest about failure, stopped from both ends."""

from __future__ import annotations

import threading
import time

import pytest

from rvos.run.worker import Worker


def names_of_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_tasks_are_done_in_order_by_another_thread() -> None:
    done: list[tuple[int, int]] = []
    with Worker("test") as worker:
        for index in range(50):
            worker.submit(lambda index=index: done.append((index, threading.get_ident())))
    assert [index for index, _ in done] == list(range(50))
    assert {ident for _, ident in done}.isdisjoint({threading.get_ident()}) and worker.busy_s > 0


def test_submit_waits_when_the_queue_is_full() -> None:
    gate = threading.Event()
    submitted: list[int] = []

    def produce(worker: Worker) -> None:
        for index in range(5):
            worker.submit(gate.wait)
            submitted.append(index)

    with Worker("test", capacity=2) as worker:
        producer = threading.Thread(target=produce, args=(worker,))
        producer.start()
        time.sleep(0.1)
        assert len(submitted) == 3  # one in work, two waiting
        gate.set()
        producer.join(timeout=5)
    assert len(submitted) == 5


def test_several_threads_work_side_by_side_and_are_waited_for() -> None:
    together, done = threading.Barrier(3), []
    with Worker("test", threads=3) as worker:
        for index in range(9):
            worker.submit(lambda index=index: (together.wait(timeout=5), done.append(index)))
        worker.wait()
        assert sorted(done) == list(range(9))
    assert "test" not in names_of_threads()


def test_an_error_is_raised_in_the_waiting_thread() -> None:
    with pytest.raises(ZeroDivisionError), Worker("test", threads=2) as worker:
        worker.submit(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            worker.wait()


def test_a_failure_reaches_the_producer_and_the_tasks_behind_it_are_dropped() -> None:
    done: list[int] = []

    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), Worker("test", capacity=2) as worker:
        worker.submit(fail)
        for index in range(100):
            worker.submit(lambda index=index: done.append(index))
    assert done == [] and "test" not in names_of_threads()


def test_a_failure_of_the_last_task_is_raised_on_leaving() -> None:
    def fail() -> None:
        time.sleep(0.05)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), Worker("test") as worker:
        worker.submit(fail)


def test_leaving_by_an_exception_does_what_was_submitted_before_it() -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt), Worker("test") as worker:
        for index in range(4):
            worker.submit(lambda index=index: (time.sleep(0.01), done.append(index)))
        raise KeyboardInterrupt
    assert done == [0, 1, 2, 3] and "test" not in names_of_threads()


def test_of_two_failures_the_producers_own_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(ValueError, match="broken"), Worker("test") as worker:
        worker.submit(fail)
        raise ValueError("broken")
    assert "disk full" in caplog.text
