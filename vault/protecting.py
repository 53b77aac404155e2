"""Protecting: who looks after the vault, and who may look on; whoever audits changes nothing (ADR 0026)."""

from __future__ import annotations

from contextlib import AbstractContextManager

from vault.access.tokens import Credential
from vault.errors import Denied
from vault.journal import Page
from vault.model import Grant
from vault.tenancy import Tenancy


def protecting(tenancy: Tenancy, credential: Credential) -> AbstractContextManager[tuple[Grant, Page]]:
    """A page for who answers for incidents and honey records: the data protection officer."""
    return tenancy.acting(credential, "protect")


def looking_on(tenancy: Tenancy, credential: Credential) -> AbstractContextManager[tuple[Grant, Page]]:
    """A page for who protects, or audits; what is done on it changes nothing but the log."""
    grant = tenancy.authenticate(credential)
    try:
        tenancy.policy.allow(grant, "audit")
    except Denied:
        return protecting(tenancy, credential)
    return tenancy.acting(credential, "audit")
