"""Rows to put into stores."""

from __future__ import annotations

from vault.stores.rows import EntryRow, FactsRow, LogHead, PayloadRow, SecretRow, ShelfRow, SubjectRow


def payload(
    record: str, compartment: str = "masked", version: int = 1, tenant: str = "main", subject: str = "s1"
) -> PayloadRow:
    """A payload whose bytes name its place."""
    return PayloadRow(
        tenant=tenant, record=record, version=version, compartment=compartment, subject=subject,
        kind="borrower", generation=1, suite=1, sealed=f"{record}/{compartment}/{version}".encode(),
    )  # fmt: skip


def fact(
    record: str, counter: int = 1, tenant: str = "main", subject: str = "s1", kind: str = "borrower"
) -> FactsRow:
    """Facts at a counter."""
    return FactsRow(
        tenant=tenant, record=record, counter=counter, subject=subject, kind=kind, body=b"{}", mac=b"m"
    )


def shelf(
    name: str, purpose: str = "record", generation: int = 1, epoch: int = 1, count: int = 0
) -> ShelfRow:
    """A shelf of the tenant main."""
    return ShelfRow(
        tenant="main", shelf=name, purpose=purpose, due="2027-03", generation=generation, epoch=epoch,
        count=count, wrapped=b"key of " + name.encode(),
    )  # type: ignore[arg-type]  # fmt: skip


def secret(
    record: str, version: int = 1, on: str = "a", generation: int = 1, deadline: int = 50
) -> SecretRow:
    """A pending secret whose wrapping names record and version."""
    return SecretRow(
        tenant="main", record=record, version=version, shelf=on, generation=generation,
        wrapped=f"{record}/{version}".encode(), status="pending", deadline=deadline,
    )  # fmt: skip


def subject(name: str, on: str = "log", generation: int = 1) -> SubjectRow:
    """A subject whose wrapped log secret is its name."""
    return SubjectRow(tenant="main", subject=name, shelf=on, generation=generation, wrapped=name.encode())


def entry(idx: int, tenant: str = "main", **columns: object) -> EntryRow:
    """An entry of the log; columns not named have plain values."""
    plain = {
        "stub": b"stub %d" % idx, "tag": b"", "t": 1000 + idx, "kind": "read", "actor": "p1",
        "role": "collector", "purpose": "repayment_reminder", "about": "borrower", "masked": 0, "clear": 0,
        "outcome": "ok", "reason": "", "policy": "", "token": "", "who_salt": b"s",
        "whom_digest": b"d", "request": b"",
    }  # fmt: skip
    return EntryRow(tenant=tenant, idx=idx, **(plain | columns))  # type: ignore[arg-type]


def head(size: int, tenant: str = "main") -> LogHead:
    """A head at a size."""
    return LogHead(tenant=tenant, size=size, edge=b"e", last_t=size, registry=b"r", mac=b"m")
