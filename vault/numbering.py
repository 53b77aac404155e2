"""Numbering: which number the next entry about a subject gets, and in which generation (DESIGN 7).

A subject's entries carry tags numbered from 0 under the key of one generation. A report that hands that key
over ends the generation, so that its holder follows no later entry. The counter row of a subject holds

    n = (generation - 1) << 32 | number

and, for each generation that was ended, a row of its own holds how many entries it has. Only a generation
with an entry is ever ended: if the first tag of the generation after the current one is in the log, then the
counter was turned back (docs/formats/log-entry.md, "Body").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from vault.crypto import mac
from vault.crypto.keys import TenantKeys
from vault.model import Word
from vault.stores.ledger import LedgerStore

BITS: Final = 32
"""Bits of a counter that hold the number within a generation; those above hold the generations ended."""
MASK: Final = (1 << BITS) - 1


class Span(Word):
    """One generation of a subject's tags: its entries are numbered 0 to `count` - 1."""

    generation: int
    count: int


def tag_at(secret: bytes, n: int) -> bytes:
    """The tag of the entry for which the counter stood at `n`, from the subject's log secret."""
    return mac.tag(mac.tag_key(secret, 1 + (n >> BITS)), n & MASK)


def span_of(n: int) -> Span:
    """The generation that a counter stands in, and how many entries it has so far."""
    return Span(generation=1 + (n >> BITS), count=n & MASK)


def following(n: int) -> int:
    """Where a counter stands once its generation is ended."""
    return ((n >> BITS) + 1) << BITS


def handle_of(keys: TenantKeys, subject: str) -> bytes:
    """The handle of a subject's counter."""
    return mac.handle(keys.handle_key, "subject", subject)


def ended_handle(keys: TenantKeys, subject: str, generation: int) -> bytes:
    """The handle under which stands how many entries an ended generation has."""
    return mac.handle(keys.handle_key, "subject-ended", subject, str(generation))


def swept_handle(keys: TenantKeys, subject: str) -> bytes:
    """The handle under which stands how many entries were declared when a subject's log secret was to go."""
    return mac.handle(keys.handle_key, "subject-swept", subject)


def spans(store: LedgerStore, keys: TenantKeys, subjects: Sequence[str]) -> dict[str, list[Span]]:
    """Every generation of each subject, the current one last, though it may be empty yet.

    Nothing here is authenticated: that the log holds just these entries, `Unsealer.complete` asks.
    """
    handles = {subject: handle_of(keys, subject) for subject in subjects}
    stands = store.counters(keys.tenant, list(handles.values()))
    now = {subject: span_of(stands.get(handle, 0)) for subject, handle in handles.items()}
    before = {
        (subject, generation): ended_handle(keys, subject, generation)
        for subject, span in now.items()
        for generation in range(1, span.generation)
    }
    counts = store.counters(keys.tenant, list(before.values()))
    found: dict[str, list[Span]] = {subject: [] for subject in subjects}
    for (subject, generation), handle in before.items():
        found[subject].append(Span(generation=generation, count=counts.get(handle, 0)))
    for subject, span in now.items():
        found[subject].append(span)
    return found


def total(found: Iterable[Span]) -> int:
    """How many entries that are."""
    return sum(span.count for span in found)
