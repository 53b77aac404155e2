"""Where a masked read's time goes: the steps' own time, and the functions that cost most.

Each step is timed by a wrapper that subtracts the steps within it. A wrapper costs a few tenths of a µs,
which the step around it bears; the sum is above an unprofiled read's time, which is printed beside it.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import io
import pstats
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.world import World
from vault import journal, keeping, opening, reading
from vault.access import tokens
from vault.batching import Batcher
from vault.crypto import bodies, sealing
from vault.model import Word
from vault.stores import engine, keys, ledger_tx, records

BATCH: Final = 64

STEPS: Final[tuple[tuple[str, object, str], ...]] = (
    ("queue and loop", Batcher, "_drain"),
    ("1 token: verify (cached), in force", tokens.TokenCache, "verify"),
    ("orchestration of the seven steps", reading.Reading, "_process"),
    ("3 key rows: SQL and row types", keys.KeyStore, "fetch"),
    ("3 facts: SQL and row types", records.RecordStore, "facts"),
    ("3 payloads: SQL and row types", records.RecordStore, "fetch"),
    ("3 facts: check MAC, decode", keeping.Keeping, "_held"),
    ("3 facts and key rows: joining them", keeping.Keeping, "fetch"),
    ("2 decision, scope", opening.Opener, "_decide"),
    ("4 unwrap the record's secret", keeping.Keeping, "record_secret"),
    ("4 unwrap the subject's log secret", keeping.Keeping, "log_secret"),
    ("4 open the compartment: KDF, AEAD, decode", sealing, "_payload"),
    ("5 fields shown", opening.Opener, "_show"),
    ("6 happenings", reading.Reading, "_enter"),
    ("6 tags and counters", journal.Page, "_tags"),
    ("6 bump counters: SQL", ledger_tx.LedgerTx, "bump"),
    ("6 stubs, commitments, leaves, rows", journal.Page, "_entries"),
    ("6 seal bodies", bodies.BodySealer, "seal"),
    ("6 HPKE envelope of the batch", bodies.BodySealer, "__init__"),
    ("6 insert entries and bodies: SQL", ledger_tx.LedgerTx, "append"),
    ("6 tiles", journal.Page, "_closed_tiles"),
    ("6 head", ledger_tx.LedgerTx, "set_head"),
    ("6 checkpoint: sign", journal.Journal, "_remember"),
    ("6 COMMIT (durable)", engine.Session, "commit"),
    ("6 BEGIN, head, rest of the page", journal.Page, "write"),
    ("7 release", reading.Reading, "_release"),
)


class Step(Word):
    """One step's own time, µs per read."""

    name: str
    us: float
    share: float


class Profile(Word):
    """Where the time of one read goes, at 64 concurrent readers."""

    unprofiled_us: float
    profiled_us: float
    steps: list[Step]
    functions: list[str]


class _Clock:
    """Own times by step: a stack of what is running, each frame's children subtracted."""

    def __init__(self) -> None:
        self.own: Counter[str] = Counter()
        self._stack: list[float] = []

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        own, stack, now = self.own, self._stack, time.perf_counter_ns

        def timed(*args: Any, **kwargs: Any) -> Any:
            stack.append(0.0)
            start = now()
            try:
                return function(*args, **kwargs)
            finally:
                spent = now() - start
                own[name] += int(spent - stack.pop())
                if stack:
                    stack[-1] += spent

        return timed


@contextmanager
def _wrapped(clock: _Clock) -> Iterator[None]:
    saved = [(owner, name, vars(owner)[name]) for _, owner, name in STEPS]
    try:
        for label, owner, name in STEPS:
            static = isinstance(vars(owner)[name], staticmethod)
            timed = clock.wrap(label, getattr(owner, name))
            setattr(owner, name, staticmethod(timed) if static else timed)
        yield
    finally:
        for owner, name, function in saved:
            setattr(owner, name, function)


def _reads(world: World, idents: Sequence[str]) -> Callable[[], None]:
    room, credential = reading.Reading(world.vault.tenancy()), world.credential()

    async def reader(mine: Sequence[str]) -> None:
        for ident in mine:
            await room.read_async(credential, (ident,))

    async def everyone() -> None:
        await asyncio.gather(*(reader(idents[n::BATCH]) for n in range(BATCH)))

    return lambda: asyncio.run(everyone())


def _seconds(run: Callable[[], None]) -> float:
    gc.collect()
    gc.disable()
    start = time.perf_counter()
    run()
    spent = time.perf_counter() - start
    gc.enable()
    return spent


def measure(world: World, count: int, top: int = 25) -> Profile:
    """Time `count` reads plain, then step by step, then by function."""
    idents = world.sample(count, seed=3)
    run = _reads(world, idents)
    run()
    unprofiled = min(_seconds(run) for _ in range(3))
    clock = _Clock()
    with _wrapped(clock):
        profiled = _seconds(_reads(world, idents))  # a room of its own, whose batcher holds the wrappers
    rest = profiled - sum(clock.own.values()) / 1e9
    own = {name: clock.own[name] / 1e9 for name, _, _ in STEPS} | {"readers and event loop": rest}
    steps = [
        Step(name=name, us=spent / count * 1e6, share=spent / profiled)
        for name, spent in sorted(own.items(), key=lambda step: -step[1])
    ]
    return Profile(
        unprofiled_us=unprofiled / count * 1e6,
        profiled_us=profiled / count * 1e6,
        steps=steps,
        functions=_functions(run, count, top),
    )


def _functions(run: Callable[[], None], count: int, top: int) -> list[str]:
    """The functions with most own time, µs a read under cProfile (which weighs calls heavily)."""
    profile = cProfile.Profile()
    profile.runcall(run)
    stats: Any = pstats.Stats(profile, stream=io.StringIO())
    rows = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:top]
    return [
        f"{own / count * 1e6:7.2f}  {calls / count:6.2f} calls  {_where(*where)}"
        for where, (_, calls, own, _, _) in rows
    ]


def _where(file: str, line: int, function: str) -> str:
    """A function's place, from the repository's root; built-in ones have none."""
    return function if file == "~" else f"{'/'.join(Path(file).parts[-3:])}:{line} {function}"


def text(profile: Profile) -> str:
    """The profile as plain text."""
    title = f"where the time of a masked, logged read goes, {BATCH} readers"
    lines = [f"{title}: {profile.unprofiled_us:.1f} µs, with the wrappers {profile.profiled_us:.1f}"]
    lines += [f"  {step.us:7.2f} µs  {step.share:5.1%}  {step.name}" for step in profile.steps]
    lines += ["by function, own µs per read under cProfile:", *(f"  {line}" for line in profile.functions)]
    return "\n".join(lines)
