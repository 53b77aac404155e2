"""Natural batching."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from vault.batching import Batcher, Job


class Number(Job[int]):
    """A job that carries a number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Doubler:
    """Doubles each job of a batch; remembers batch sizes; negative numbers are refused."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.running = 0

    def __call__(self, jobs: list[Number]) -> None:
        """Double them."""
        self.running += 1
        assert self.running == 1
        self.sizes.append(len(jobs))
        time.sleep(0.002)
        for job in jobs:
            if job.number < 0:
                job.fail(ValueError("negative"))
            else:
                job.resolve(2 * job.number)
        self.running -= 1


def test_threads_share_batches() -> None:
    """Everyone gets their own result, one batch runs at a time, and waiting callers are served together."""
    work = Doubler()
    batcher: Batcher[Number] = Batcher(work)
    results: dict[int, int] = {}
    threads = [
        threading.Thread(target=lambda n=n: results.update({n: batcher.run(Number(n)).outcome()}))
        for n in range(32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: 2 * n for n in range(32)}
    assert sum(work.sizes) == 32
    assert len(work.sizes) < 32


def test_coroutines_share_one_batch() -> None:
    """Requests of one turn of the loop are one batch, up to the limit."""
    work = Doubler()
    batcher: Batcher[Number] = Batcher(work, limit=20)

    async def everyone() -> list[int]:
        jobs = await asyncio.gather(*(batcher.arun(Number(n)) for n in range(30)))
        return [job.outcome() for job in jobs]

    assert asyncio.run(everyone()) == [2 * n for n in range(30)]
    assert work.sizes == [20, 10]


def test_one_refusal_spoils_only_itself() -> None:
    """A refused job raises for its caller alone."""
    batcher: Batcher[Number] = Batcher(Doubler())

    async def both() -> tuple[int, str]:
        good, bad = await asyncio.gather(batcher.arun(Number(1)), batcher.arun(Number(-1)))
        with pytest.raises(ValueError, match="negative") as refusal:
            bad.outcome()
        return good.outcome(), str(refusal.value)

    assert asyncio.run(both()) == (2, "negative")


def test_a_broken_batch_reaches_everyone() -> None:
    """If the batch itself fails, every caller gets the failure and none gets a result."""

    def broken(jobs: list[Number]) -> None:
        jobs[0].resolve(1) if len(jobs) > 5 else None
        raise RuntimeError("log down")

    batcher: Batcher[Number] = Batcher(broken)
    with pytest.raises(RuntimeError, match="log down"):
        batcher.run(Number(1)).outcome()


def test_a_forgotten_job_is_an_error() -> None:
    """A batch that ends without an outcome for a job is an error, never a silent None."""
    batcher: Batcher[Number] = Batcher(lambda _: None)
    with pytest.raises(RuntimeError, match="without an outcome"):
        batcher.run(Number(1)).outcome()


def test_no_caller_is_forgotten_when_threads_and_a_loop_hammer_one_queue() -> None:
    """Every job ends, whoever leads: a wake-up lost between queueing and waiting would hang this."""

    def process(jobs: list[Number]) -> None:
        for job in jobs:
            job.resolve(2 * job.number)

    batcher: Batcher[Number] = Batcher(process, limit=3)
    results: list[int] = []

    def hammer() -> None:
        results.extend(batcher.run(Number(n)).outcome() for n in range(150))

    async def reader() -> None:
        results.extend([(await batcher.arun(Number(n))).outcome() for n in range(150)])

    async def readers() -> None:
        await asyncio.gather(*(reader() for _ in range(8)))

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    asyncio.run(readers())
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(results) == sorted([2 * n for n in range(150)] * 16)


def orphan(batcher: Batcher[Number]) -> Number:
    """A job queued by a coroutine whose loop was closed before its turn ended."""
    job, loop = Number(100), asyncio.new_event_loop()
    call = batcher.arun(job)
    loop.call_soon(call.send, None)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    call.close()
    return job


def test_a_closed_loop_keeps_nobody_waiting() -> None:
    """A caller whose loop is gone spoils nothing: every thread in its batch gets its own result."""
    begun, go = threading.Event(), threading.Event()
    sizes: list[int] = []

    def process(jobs: list[Number]) -> None:
        begun.set()
        assert go.wait(10)
        sizes.append(len(jobs))
        for job in jobs:
            job.resolve(2 * job.number)

    batcher: Batcher[Number] = Batcher(process)
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(batcher.run(Number(n)).outcome()), daemon=True)
        for n in range(5)
    ]
    threads[0].start()
    assert begun.wait(10)
    gone = orphan(batcher)
    for thread in threads[1:]:
        thread.start()
    while len(batcher._queue) < 5:
        time.sleep(0.001)
    go.set()
    for thread in threads:
        thread.join(timeout=10)
    assert sorted(results) == [0, 2, 4, 6, 8]
    assert (sizes, gone.outcome()) == ([1, 5], 200)


def test_a_loop_closed_before_its_turn_stops_no_other_loop() -> None:
    """The next loop runs its own turn, and the one left over with it."""
    batcher: Batcher[Number] = Batcher(Doubler())
    gone = orphan(batcher)

    async def later() -> int:
        return (await asyncio.wait_for(batcher.arun(Number(4)), timeout=10)).outcome()

    assert asyncio.run(later()) == 8
    assert gone.outcome() == 200


class Odd(BaseException):
    """Neither an `Exception` nor one of Python's own."""


@pytest.mark.parametrize(
    "kind",
    [
        ValueError, RuntimeError, MemoryError, StopIteration, StopAsyncIteration, GeneratorExit,
        asyncio.CancelledError, KeyboardInterrupt, SystemExit, Odd,
    ],
)  # fmt: skip
def test_whatever_a_batch_raises_reaches_every_caller_once(kind: type[BaseException]) -> None:
    """Threads and coroutines of a failed batch each get the failure, one time, and the batcher goes on."""
    failing = True

    def process(jobs: list[Number]) -> None:
        if failing:
            raise kind("spoilt")
        for job in jobs:
            job.resolve(job.number)

    batcher: Batcher[Number] = Batcher(process)
    seen: list[tuple[int, type[BaseException]]] = []

    def note(job: Number) -> None:
        try:
            job.outcome()
        except BaseException as error:  # noqa: BLE001 what kind it is is the question
            seen.append((job.number, type(error)))

    async def one(number: int) -> None:
        note(await batcher.arun(Number(number)))

    async def some() -> None:
        await asyncio.gather(*(one(n) for n in range(4)))

    threads = [
        threading.Thread(target=lambda n=n: note(batcher.run(Number(n))), daemon=True) for n in range(4, 8)
    ]
    for thread in threads:
        thread.start()
    asyncio.run(asyncio.wait_for(some(), timeout=10))
    for thread in threads:
        thread.join(timeout=10)
    assert sorted(seen) == [(n, kind) for n in range(8)]
    failing = False
    assert batcher.run(Number(9)).outcome() == 9


def test_an_error_shared_by_a_batch_gathers_no_frames_of_its_callers() -> None:
    """However many callers raise it, its traceback names the batch and one caller."""
    error = ValueError("the batch failed")
    jobs = [Number(number) for number in range(5)]
    for job in jobs:
        job.fail(error)
    depths = set()
    for job in jobs:
        with pytest.raises(ValueError, match="the batch failed") as caught:
            job.outcome()
        depths.add(len(caught.traceback))
    assert depths == {2}


def test_an_interrupted_waiter_leaves_no_hole() -> None:
    """A caller that is interrupted while it waits takes its place in the queue with it."""
    gate, order = threading.Event(), list[str]()

    class Interrupted(Job[int]):
        """A job whose bell raises, as a signal would."""

        __slots__ = ()

    def slow(jobs: list[Job[int]]) -> None:
        gate.wait(5)
        for job in jobs:
            job.resolve(1)

    batcher: Batcher[Job[int]] = Batcher(slow, limit=1)

    def caller(name: str) -> None:
        batcher.run(Job()).outcome()
        order.append(name)

    def interrupted() -> None:
        job = Interrupted()
        with pytest.raises(KeyboardInterrupt):
            _run_interrupted(batcher, job)

    leader = threading.Thread(target=caller, args=("leader",))
    leader.start()
    while not batcher._turn.locked():
        time.sleep(0.001)
    broken = threading.Thread(target=interrupted)
    broken.start()
    broken.join()
    last = threading.Thread(target=caller, args=("last",))
    last.start()
    gate.set()
    for thread in (leader, last):
        thread.join(5)
        assert not thread.is_alive()
    assert sorted(order) == ["last", "leader"]


def _run_interrupted(batcher: Batcher[Job[int]], job: Job[int]) -> None:
    """Run a job whose wait is broken off at once."""
    from vault import batching

    class Bell(batching.SimpleQueue):  # type: ignore[misc]
        """A bell that never rings: a signal comes first."""

        def get(self, *_: object, **__: object) -> None:
            """Be interrupted."""
            raise KeyboardInterrupt

    original = batching.SimpleQueue
    batching.SimpleQueue = Bell  # type: ignore[misc]
    try:
        batcher.run(job)
    finally:
        batching.SimpleQueue = original  # type: ignore[misc]
