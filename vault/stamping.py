"""Stamping: an RFC 3161 authority says when a checkpoint existed (DESIGN 7; docs/witnesses.md).

A bench of the auditing room. What is stamped is the text of a checkpoint: three lines, no personal data. A
stamp bounds from above when its entries were made; the `anchor` entry that names it bounds those after it.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from vault.config import iso
from vault.courier import Courier
from vault.crypto import stamps
from vault.errors import Invalid, NotFound, Unavailable
from vault.ledger import witness as asking
from vault.ledger.checkpoint import MAX_LOG_SIZE, open_checkpoint
from vault.ledger.note import VKey, split
from vault.model import Happening, Who, Whom, Word
from vault.stores.witnessing import ANCHOR, StampRow
from vault.tenancy import Tenancy

_NAME: Final = re.compile(r"[\w.-]{1,64}").fullmatch
_OK: Final = 200
_PAGE: Final = 1000
_SEARCHED: Final = 1_000_000
"""Newest checkpoints among which a reply's is looked for."""


class Stamp(Word):
    """A time stamp that was verified when it came.

    Attributes:
        size: The checkpoint's size.
        authority: The name it is kept under.
        at: The authority's time, ISO 8601 in UTC; None where it was read from the store, unverified.
        text: The checkpoint's three lines, which it stamps.
        reply: The TimeStampResp in DER, as the authority sent it.
    """

    size: int
    authority: str
    at: str | None
    text: str
    reply: bytes


class Stamping:
    """Time stamps over the log's checkpoints."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

    def stamp_query(self) -> bytes:
        """A query over the newest checkpoint, to be carried to an authority; the checkpoint is kept.

        Raises:
            ConfigError: The extra `stamp` isn't installed.
        """
        note = self._t.journal.checkpoint()
        made = stamps.query(split(note)[0].encode())
        self._keep_note(note)
        return made

    def _keep_note(self, note: str) -> None:
        with self._t.stores.ledger.transaction(self._t.name) as tx:
            tx.checkpoint(open_checkpoint(note, self._vkey).size, note)

    def stamp(self, courier: Courier, authority: str, url: str, roots: bytes) -> Stamp:
        """Have the newest checkpoint stamped by an authority over HTTP; see `take_stamp`.

        Raises:
            Unavailable: It can't be reached or answers badly.
        """
        _demand_name(authority)
        asking.endpoint(url)
        reply = courier.post(url, self.stamp_query(), kind=stamps.QUERY_TYPE, most=stamps.MOST_BYTES)
        if reply.status != _OK:
            raise Unavailable(
                f"the authority answered {reply.status}", code="unreachable", remedy="retry later"
            )
        return self.take_stamp(authority, reply.body, roots)

    def take_stamp(self, authority: str, reply: bytes, roots: bytes) -> Stamp:
        """Verify an authority's reply and keep it; an `anchor` entry names it.

        Args:
            authority: The name to keep it under.
            reply: TimeStampResp in DER (.tsr).
            roots: The authority's root certificate, in PEM.

        Raises:
            Tampered: It doesn't verify.
            NotFound: It stamps no checkpoint of this log.
            Invalid: It is no time stamp, or the name can't be one.
        """
        _demand_name(authority)
        size, note = self._stamped(stamps.imprint(reply))
        text = split(note)[0]
        at = stamps.check(reply, text.encode(), roots)
        t = self._t
        who = Who(actor=t.config.settings.node, role="", purpose="audit", policy=t.policy.hash[:16])
        with t.journal.page() as page:
            page.tx.checkpoint(size, note)
            page.tx.witnessing.put_stamp(StampRow(t.name, size, authority, reply, page.now))
            detail = f"stamped {size} {authority} {sha256(reply).hexdigest()}"
            page.add(Happening(kind=ANCHOR, who=who, whom=Whom(detail=detail)))
        return Stamp(size=size, authority=authority, at=iso(at), text=text, reply=reply)

    def _stamped(self, digest: bytes) -> tuple[int, str]:
        """The kept checkpoint whose text has this digest, the newest looked at first."""
        table, below, seen = self._t.stores.ledger.witnessing(self._t.name), MAX_LOG_SIZE, 0
        while seen < _SEARCHED and (rows := table.notes(below, _PAGE)):
            for size, note in rows:
                if sha256(split(note)[0].encode()).digest() == digest:
                    open_checkpoint(note, self._vkey)
                    return size, note
            below, seen = rows[-1][0], seen + len(rows)
        raise NotFound("the reply stamps no checkpoint of this log", remedy="make the query with --query")

    def stamped(self, authority: str | None = None) -> Stamp:
        """The newest stamp, of an authority or of any; whoever uses it verifies it against their own roots.

        Raises:
            NotFound: There is none.
        """
        table, below = self._t.stores.ledger.witnessing(self._t.name), MAX_LOG_SIZE
        while rows := table.stamps(below, _PAGE):
            for row in rows:
                note = table.note(row.size)
                if note is not None and authority in {None, row.authority}:
                    return Stamp(
                        size=row.size, authority=row.authority, at=None, text=split(note)[0], reply=row.token
                    )
            below = rows[-1].size
        raise NotFound("no checkpoint is stamped", remedy="cvault log stamp --authority NAME --query FILE")

    @property
    def _vkey(self) -> VKey:
        return VKey(name=self._t.keys.origin, public=self._t.keys.log.public)


def _demand_name(authority: str) -> None:
    if not _NAME(authority):
        raise Invalid(
            "a name of up to 64 letters, digits, dots and dashes",
            code="invalid_usage",
            field="authority",
            remedy="--authority NAME",
        )
