"""The lasting keys of one tenant, as a node holds them (DESIGN 5, "Keys: two to open").

A node holds only the compartment keys it was given. One that holds `masked` alone can serve masked reads
and nothing else: it has no index key, no issuer key and no audit private key (promise 3).
"""

from __future__ import annotations

import re
from typing import Final, Self

import msgspec

from vault.crypto.bodies import audit_key_pair
from vault.crypto.encoding import encode
from vault.crypto.mac import derive, handle, index_key
from vault.crypto.sign import SigningKey, token_bytes
from vault.crypto.wrap import WrappingKey
from vault.errors import ConfigError, Denied
from vault.model import COMPARTMENTS, Quiet

CURRENT: Final = "cvault-keys-1"
_LATER: Final = re.compile(r"([^/]+/[^/]+)/([1-9][0-9]*)")
"""The origin of a log that took another one's place: HOST/TENANT/NUMBER."""


def numbered(origin: str) -> tuple[str, int]:
    """A log's origin as that of the tenant's first log and its number: 1, one more with each recovery."""
    later = _LATER.fullmatch(origin)
    return (later[1], int(later[2])) if later else (origin, 1)


class KeyFile(Quiet):
    """The content of one tenant's key file; bytes are base64 in JSON (docs/formats/keys.md)."""

    format: str
    tenant: str
    origin: str
    compartments: dict[str, dict[str, bytes]]
    integrity: bytes
    log_seed: bytes
    issuer_public: bytes
    audit_public: bytes
    issuer_seed: bytes | None = None
    audit_private: bytes | None = None


class TenantKeys:
    """The lasting keys of one tenant on this node; each key is asked for by its use."""

    def __init__(self, file: KeyFile) -> None:
        if file.format != CURRENT:
            raise ConfigError("key file: unknown format", field="format", remedy="use a newer cvault")
        self._file = file
        self.tenant = file.tenant
        self.origin = file.origin
        self.log = SigningKey.from_seed(file.log_seed)
        self.issuer_public = file.issuer_public
        self.audit_public = file.audit_public
        self.facts_key = derive(file.integrity, "facts")
        self.head_key = derive(file.integrity, "head")
        self.handle_key = derive(file.integrity, "handles")
        self.case_key = derive(file.integrity, "cases")
        self.cursors = WrappingKey(derive(file.integrity, "cursors"))
        self._case_numbers = WrappingKey(derive(file.integrity, "case numbers"))
        self._generations = {name: max(map(int, keys)) for name, keys in file.compartments.items()}
        self._keys = {
            (name, int(generation)): key
            for name, keys in file.compartments.items()
            for generation, key in keys.items()
        }
        self._index: dict[tuple[str, str, str], bytes] = {}

    @classmethod
    def generate(cls, tenant: str, origin: str) -> Self:
        """Fresh keys for every use."""
        private, public = audit_key_pair()
        issuer = SigningKey.generate()
        return cls(
            KeyFile(
                format=CURRENT,
                tenant=tenant,
                origin=origin,
                compartments={name: {"1": token_bytes(32)} for name in COMPARTMENTS},
                integrity=token_bytes(32),
                log_seed=token_bytes(32),
                issuer_public=issuer.public,
                audit_public=public,
                issuer_seed=issuer.seed,
                audit_private=private,
            )
        )

    def to_bytes(self) -> bytes:
        """The key file's content."""
        return msgspec.json.encode(self._file)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse a key file's content.

        Raises:
            ConfigError: Not a key file.
        """
        try:
            return cls(msgspec.json.decode(data, type=KeyFile))
        except (msgspec.DecodeError, ValueError):
            raise ConfigError("key file cannot be read", remedy="restore it from its backup") from None

    def subset(self, compartments: frozenset[str]) -> TenantKeys:
        """The keys of a node that serves only these compartments: no index, issuer or audit private key.

        Raises:
            ConfigError: A compartment is unknown here, or `masked` is missing (every read starts there).
        """
        if "masked" not in compartments or not compartments <= self._file.compartments.keys():
            raise ConfigError(
                "compartments must be known here and include masked",
                field="compartments",
                remedy=f"choose among {', '.join(COMPARTMENTS)}",
            )
        kept = {name: keys for name, keys in self._file.compartments.items() if name in compartments}
        return TenantKeys(
            msgspec.structs.replace(self._file, compartments=kept, issuer_seed=None, audit_private=None)
        )

    def for_sealing(self) -> bytes:
        """A key file's content for a process that seals and does nothing else.

        It can't issue tokens, open entries' bodies or sign the log: those seeds are left out or made up.
        """
        spared = msgspec.structs.replace(
            self._file, issuer_seed=None, audit_private=None, log_seed=token_bytes(32)
        )
        return msgspec.json.encode(spared)

    @property
    def home(self) -> str:
        """The origin of the tenant's first log: what tokens name, whichever log is written now."""
        return numbered(self.origin)[0]

    @property
    def number(self) -> int:
        """Which of the tenant's logs this is: 1, and one more with each recovery (docs/recover.md)."""
        return numbered(self.origin)[1]

    def of_log(self, number: int) -> TenantKeys:
        """The same keys, for another of the tenant's logs."""
        origin = self.home if number == 1 else f"{self.home}/{number}"
        return TenantKeys(msgspec.structs.replace(self._file, origin=origin))

    @property
    def held(self) -> frozenset[str]:
        """The compartments whose key this node holds."""
        return frozenset(self._generations)

    @property
    def whole(self) -> bool:
        """Whether this node holds everything, so that it may write, find, issue and erase."""
        return self.held >= frozenset(COMPARTMENTS) and self._file.issuer_seed is not None

    @property
    def audiences(self) -> frozenset[str]:
        """Which tokens this node may honour (DESIGN 5): `masked`, and `clear` where it holds more."""
        return frozenset({"masked"} if self.held == {"masked"} else {"masked", "clear"})

    def generation(self, compartment: str) -> int:
        """The newest generation of a compartment's key, under which new values are sealed."""
        self._demand(compartment in self._generations, compartment)
        return self._generations[compartment]

    def compartment(self, compartment: str, generation: int) -> bytes:
        """A compartment's key.

        Raises:
            Denied: This node doesn't hold it (`audience_denied`).
        """
        self._demand((compartment, generation) in self._keys, compartment)
        return self._keys[compartment, generation]

    def index(self, compartment: str, kind: str, field: str) -> bytes:
        """The blind-index key of one field, derived from its compartment's newest key."""
        known = self._index.get((compartment, kind, field))
        if known is None:
            root = self.compartment(compartment, self.generation(compartment))
            known = self._index[compartment, kind, field] = index_key(root, self.tenant, kind, field)
        return known

    def case_handle(self, case_number: str) -> str:
        """The keyed handle by which facts name a case number."""
        return handle(self.case_key, case_number).hex()

    def seal_case(self, handle: bytes, case_number: str) -> bytes:
        """A case number as the book of cases keeps it, bound to its handle."""
        return self._case_numbers.wrap(case_number.encode(), self._case_context(handle))

    def open_case(self, handle: bytes, sealed: bytes) -> str:
        """The case number that `seal_case` sealed.

        Raises:
            Tampered: It is another case's, or was edited.
        """
        return self._case_numbers.unwrap(sealed, self._case_context(handle)).decode()

    def _case_context(self, handle: bytes) -> bytes:
        return encode("cvault/case-number/v1", self.tenant, handle)

    @property
    def issuer(self) -> SigningKey:
        """The key that signs access tokens.

        Raises:
            Denied: This node may not issue.
        """
        self._demand(self._file.issuer_seed is not None, "issuer")
        return SigningKey.from_seed(self._file.issuer_seed or b"")

    @property
    def audit_private(self) -> bytes:
        """The key that opens entry bodies.

        Raises:
            Denied: This node may not audit.
        """
        self._demand(self._file.audit_private is not None, "audit")
        return self._file.audit_private or b""

    @staticmethod
    def _demand(held: bool, what: str) -> None:  # noqa: FBT001 - a private assertion, read at the call
        if not held:
            raise Denied(
                f"this node holds no {what} key",
                code="audience_denied",
                remedy="ask a node that serves it",
            )

    def __repr__(self) -> str:
        """Name the tenant, show no key."""
        return f"<TenantKeys {self.tenant}>"
