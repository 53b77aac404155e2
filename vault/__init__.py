"""Collections Vault: borrowers' records, masked by role, read by purpose, every read logged.

The public names are the ones in `__all__`; they are imported when they are first used, so that importing a
small part of the package costs no more than that part. Nothing inside the package imports from here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vault.access.tokens import Credential as Credential
    from vault.access.tokens import Limits as Limits
    from vault.access.tokens import narrow as narrow
    from vault.auditing import Question as Question
    from vault.config import Stores as Stores
    from vault.errors import ConfigError as ConfigError
    from vault.errors import Denied as Denied
    from vault.errors import Invalid as Invalid
    from vault.errors import LogUnavailable as LogUnavailable
    from vault.errors import NotFound as NotFound
    from vault.errors import Tampered as Tampered
    from vault.errors import Unavailable as Unavailable
    from vault.errors import VaultError as VaultError
    from vault.identity import Candidate as Candidate
    from vault.identity import Identity as Identity
    from vault.ledger.certificate import open_certificate as open_certificate
    from vault.model import Disclosure as Disclosure
    from vault.model import Draft as Draft
    from vault.model import Hold as Hold
    from vault.model import Shown as Shown
    from vault.model import View as View
    from vault.vault import Vault as Vault

_HOMES: Final = {
    "Candidate": "vault.identity",
    "ConfigError": "vault.errors",
    "Credential": "vault.access.tokens",
    "Denied": "vault.errors",
    "Disclosure": "vault.model",
    "Draft": "vault.model",
    "Hold": "vault.model",
    "Identity": "vault.identity",
    "Invalid": "vault.errors",
    "Limits": "vault.access.tokens",
    "LogUnavailable": "vault.errors",
    "NotFound": "vault.errors",
    "Question": "vault.auditing",
    "Shown": "vault.model",
    "Stores": "vault.config",
    "Tampered": "vault.errors",
    "Unavailable": "vault.errors",
    "Vault": "vault.vault",
    "VaultError": "vault.errors",
    "View": "vault.model",
    "narrow": "vault.access.tokens",
    "open_certificate": "vault.ledger.certificate",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - one list of names, kept with their homes


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'vault' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return list(__all__)
