"""Natural batching: while one batch is in flight, new requests queue; the queue is the next batch (DESIGN 6).

No timer and no minimum size: a lone caller never waits for company, and under load one durable commit
serves everyone who queued meanwhile. Threads and coroutines use the same queue and the same turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

R = TypeVar("R")

LIMIT: Final = 64
"""Jobs in one batch at most: beyond this the commit no longer dominates, and latency grows for nothing."""


class Job(Generic[R]):
    """One caller's request in a batch; `process` sets either its result or its error."""

    __slots__ = ("_result", "_trace", "bell", "done", "error", "future")

    def __init__(self) -> None:
        self.done = False
        self.error: BaseException | None = None
        self.future: asyncio.Future[R] | None = None
        self.bell: SimpleQueue[None] | None = None
        self._result: R | None = None
        self._trace: TracebackType | None = None

    def resolve(self, result: R) -> None:
        """Hand over the result."""
        self._result = result
        self.done = True

    def fail(self, error: BaseException) -> None:
        """Hand over the refusal or failure, unless there is an outcome already."""
        if not self.done:
            self.error = error
            self._trace = error.__traceback__
            self.done = True

    def outcome(self) -> R:
        """The result, or the error raised.

        Raises:
            BaseException: What `fail` was given.
        """
        if self.error is not None:
            # a failed batch has one error for all its callers: each raises it as it was, not with the
            # frames (and their values) of those that raised it before
            raise self.error.with_traceback(self._trace)
        return self._result  # type: ignore[return-value]


J = TypeVar("J", bound=Job)  # type: ignore[type-arg]


class Batcher(Generic[J]):
    """Runs `process` on whatever has queued, one batch at a time."""

    def __init__(self, process: Callable[[list[J]], None], limit: int = LIMIT) -> None:
        self._process = process
        self._limit = limit
        self._queue: deque[J] = deque()
        self._turn = threading.Lock()
        self._scheduled: asyncio.AbstractEventLoop | None = None

    def run(self, job: J) -> J:
        """Queue a job and return when it is done; the calling thread may lead a batch itself.

        A thread that can't lead sleeps on its own bell: woken on the one turn instead, all of them would
        have to pass it one by one to learn that their jobs are done.
        """
        bell: SimpleQueue[None] = SimpleQueue()
        job.bell = bell
        try:
            self._queue.append(job)
            while not job.done:
                if self._turn.acquire(blocking=False):
                    try:
                        if not job.done:
                            self._lead()
                    finally:
                        self._turn.release()
                        self._ring()
                else:
                    bell.get()
        except BaseException:  # an interrupted caller must not leave its bell at the head of the queue
            with contextlib.suppress(ValueError):
                self._queue.remove(job)
            self._ring()
            raise
        return job

    def _ring(self) -> None:
        """Wake a thread whose job still queues, to lead; after every turn, or that job could be forgotten.

        A job queued before this sees its bell rung. One queued after it finds the turn free, or taken by a
        thread that will ring in its turn.
        """
        for job in list(self._queue):
            if job.bell is not None:
                job.bell.put(None)
                return

    async def arun(self, job: J) -> J:
        """Queue a job from a coroutine; the batch runs inline at the end of the loop's turn.

        Inline, not in a thread: short store work in a thread pool costs more in hand-overs than it saves.
        """
        loop = asyncio.get_running_loop()
        job.future = loop.create_future()
        self._queue.append(job)
        if self._scheduled is not loop:  # another loop's turn is no promise: it may be closed before it comes
            self._scheduled = loop
            loop.call_soon(self._drain, loop)
        await job.future
        return job

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = None
        while self._queue:
            with self._turn:
                self._lead(loop)
        self._ring()

    def _lead(self, here: asyncio.AbstractEventLoop | None = None) -> None:
        """Run one batch; `here` is the loop this thread runs, whose futures need no waking from outside."""
        batch: list[J] = []
        try:
            while self._queue and len(batch) < self._limit:
                batch.append(self._queue.popleft())
            if batch:
                self._process(batch)
        except BaseException as error:  # noqa: BLE001 - every caller gets the failure, each in its own frame
            for job in batch:
                job.fail(error)
        finally:
            _wake_all(batch, here)


def _wake_all(batch: Sequence[Job[Any]], here: asyncio.AbstractEventLoop | None) -> None:
    """Wake every caller of a batch; an interrupt on the way is raised when all are awake."""
    interrupt: BaseException | None = None
    waiting = list(batch)
    while waiting:
        try:
            job = waiting[-1]
            job.fail(RuntimeError("batch ended without an outcome"))
            _call(job, here)
            waiting.pop()
        except BaseException as error:  # noqa: BLE001 - raised below
            interrupt = error
    if interrupt is not None:
        raise interrupt


def _call(job: Job[Any], here: asyncio.AbstractEventLoop | None) -> None:
    if job.bell is not None:
        job.bell.put(None)
    elif job.future is not None:
        loop = job.future.get_loop()
        if loop is here:
            _wake(job.future)
        else:
            # a closed loop has nobody left to wake; those after it in the batch still wait
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_wake, job.future)


def _wake(future: asyncio.Future[object]) -> None:
    if not future.done():
        future.set_result(None)
