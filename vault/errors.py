"""The one error tree: every failure is a `VaultError`, and each child tells the caller what to do next.

No error carries a stored value. A message names the field, the row and the remedy; the value that was
wrong stays where it came from (PIPL 51; case law: unmasked logs were fined under DSL 27 and 45).
"""

from __future__ import annotations

from typing import ClassVar


class VaultError(Exception):
    """The root of every failure of the vault.

    Attributes:
        code: A machine-readable reason, stable across releases (docs/interface.md).
        exit_code: What the command line exits with (docs/interface.md).
        field: The field, column or setting at fault, if one is.
        row: The 1-based data row of a file at fault, if one is.
        remedy: What the caller can do about it, in one sentence.
    """

    exit_code: ClassVar[int] = 1
    default_code: ClassVar[str] = "failure"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        row: int | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.field = field
        self.row = row
        self.remedy = remedy

    @property
    def message(self) -> str:
        """What happened, in one sentence, without any stored value."""
        return str(self.args[0])


class Invalid(VaultError):
    """The input cannot be taken as it is: mend the field or row named and send it again."""

    exit_code = 2
    default_code = "invalid_input"


class ConfigError(VaultError):
    """A setting, schema, policy or rule file cannot be used: mend the file and start again."""

    exit_code = 2
    default_code = "invalid_config"


class Denied(VaultError):
    """Token, policy, clock, counters or the record's state refuse it: the reason code says which."""

    exit_code = 3
    default_code = "policy_denied"


class NotFound(VaultError):
    """Nothing within reach: missing, erased and out of scope look alike, byte for byte (DESIGN 6)."""

    exit_code = 4
    default_code = "not_found"

    def __init__(self, message: str = "no such record within reach", **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]


class Tampered(VaultError):
    """Stored bytes are not what the vault wrote: stop, keep the evidence, restore from a known state."""

    exit_code = 5
    default_code = "integrity"

    def __init__(self, message: str, *, index: int | None = None, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.index = index


class Partial(VaultError):
    """Some items failed and the others stand: look at the report, mend those and send them again."""

    exit_code = 6
    default_code = "partial"


class Unavailable(VaultError):
    """A store, the log or the key provider could not answer: nothing was released; retry."""

    exit_code = 7
    default_code = "unavailable"


class LogUnavailable(Unavailable):
    """The access log could not be made durable: no data was released (promise 2); retry."""

    default_code = "log_unavailable"
