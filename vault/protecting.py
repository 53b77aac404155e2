"""Protecting: who looks after the vault: those who audit, and the data protection officer."""

from __future__ import annotations

from contextlib import AbstractContextManager

from vault.access.tokens import Credential
from vault.errors import Denied
from vault.journal import Page
from vault.model import Grant
from vault.tenancy import Tenancy


def protecting(tenancy: Tenancy, credential: Credential) -> AbstractContextManager[tuple[Grant, Page]]:
    """A page for who audits, or for the data protection officer, who may seal records off."""
    grant = tenancy.authenticate(credential)
    try:
        tenancy.policy.allow(grant, "audit")
    except Denied:
        return tenancy.acting(credential, "restrict")
    return tenancy.acting(credential, "audit")
