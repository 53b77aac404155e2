"""A policy as it is written: TOML, read strictly (docs/formats/policy.md)."""

from __future__ import annotations

import hashlib
import tomllib
from datetime import date
from importlib import resources
from typing import Final, Literal

import msgspec

from vault.access.conditions import ConditionSpec
from vault.errors import ConfigError
from vault.model import Word

VERSION: Final = 1
BASES: Final = range(1, 8)
"""The seven lawful bases, numbered as PIPL 13 ¶1 numbers them."""
ATTESTATIONS: Final = ("confidentiality", "training")
"""What somebody must have signed or attended before a role is theirs to use."""
APPROVALS: Final = (
    "bulk_read", "handover", "retention", "hold_release", "policy", "keys", "minors", "unrestrict",
    "unseal", "power", "recover",
)  # fmt: skip
"""What can ask for somebody else's approval."""


class RoleSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role, the purposes that someone with it may act for, and which `ATTESTATIONS` they need."""

    zh: str
    purposes: list[str]
    attestations: list[str] = msgspec.field(default_factory=list)


class Assessment(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An impact assessment (个人信息保护影响评估, PIPL 55-56): its number and the last day it stands for."""

    id: str
    until: date


class PurposeSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A purpose: its lawful basis (PIPL 13 ¶1, 1 to 7), its place on the tree, where it comes from.

    Attributes:
        restricted: Whether it reaches records in state RESTRICTED (PIPL 47 ¶2).
        past: Whether it reaches versions that were replaced: what stood there on a day in dispute.
        legal_basis_until: The last day on which its basis holds; a condition `basis` asks for it.
        pipia: Its impact assessment; a condition `pipia` asks for it.
    """

    zh: str
    basis: int | None = None
    parent: str = ""
    restricted: bool = False
    past: bool = False
    source: str = ""
    legal_basis_until: date | None = None
    pipia: Assessment | None = None


class FindSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field that may be searched by value, for at most `cap` different values a day."""

    kind: str
    field: str
    cap: int | None = None


class KindViews(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of one kind that a grant shows; what isn't named stays HIDDEN."""

    masked: list[str] = msgspec.field(default_factory=list)
    clear: list[str] = msgspec.field(default_factory=list)


class GrantSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What some roles may do and see for some purposes, and why."""

    id: str
    roles: list[str]
    purposes: list[str]
    actions: list[str]
    source: str
    kinds: dict[str, KindViews] = msgspec.field(default_factory=dict)
    find: list[FindSpec] = msgspec.field(default_factory=list)
    case_bound: bool = False
    when: list[str] = msgspec.field(default_factory=list)


class ApprovalSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who approves one of `APPROVALS`.

    Attributes:
        quorum: How many people, at least one.
        by: Roles that may approve.
        hours: How long an approval stands.
        rows: For `bulk_read`: how many records a principal may read in a day for a purpose without one.
    """

    quorum: int
    by: tuple[str, ...]
    hours: int = 72
    rows: int | None = None


class BreakGlassSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may take on another role in an emergency, for how long, and who reviews it afterwards.

    Attributes:
        roles: By role, the roles that its holders may take on.
        review_by: Roles that review each use, within `review_hours`.
    """

    roles: dict[str, tuple[str, ...]]
    review_by: tuple[str, ...]
    minutes: int = 60
    review_hours: int = 72


class Given(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The situation of a policy's test; what isn't said is as it mostly is.

    Attributes:
        at, on: Time of day ("HH:MM", Asia/Shanghai) and day; the day is today's if not said.
        approved: What an approval covers, such as "minors".
    """

    case: Literal["open", "closed", "none"] = "open"
    minor: bool = False
    deceased: bool = False
    refused: bool = False
    consent: Literal["given", "withdrawn"] = "given"
    contract: Literal["running", "ended"] = "running"
    state: str = "ACTIVE"
    region: str = "CN"
    at: str = "10:00"
    on: date | None = None
    approved: list[str] = msgspec.field(default_factory=list)


class TrialSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A test that a policy brings along: what a role sees, or by which reason it is refused.

    Attributes:
        expect: Views by field ("HIDDEN", "MASKED", "CLEAR"); or
        deny: the reason code of the refusal.
        action: What is done: "read", "find" or "list".
    """

    name: str
    role: str
    purpose: str
    kind: str
    expect: dict[str, str] = msgspec.field(default_factory=dict)
    deny: str = ""
    action: str = "read"
    given: Given = msgspec.field(default_factory=Given)


class PolicyFile(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    version: int
    roles: dict[str, RoleSpec]
    purposes: dict[str, PurposeSpec]
    grants: list[GrantSpec]
    sandbox: bool = False
    conditions: dict[str, ConditionSpec] = msgspec.field(default_factory=dict)
    approvals: dict[str, ApprovalSpec] = msgspec.field(default_factory=dict)
    break_glass: BreakGlassSpec | None = None
    tests: list[TrialSpec] = msgspec.field(default_factory=list)


class Finding(Word):
    """Something a policy's author should know.

    Attributes:
        level: "error" (must not be used) or "warning".
        where: The table and key.
        message: What is wrong.
        remedy: What to do.
    """

    level: str
    where: str
    message: str
    remedy: str


def policy_hash(text: str) -> str:
    """SHA-256 (hex) over the file's text in UTF-8: what `sha256sum policy.toml` says."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse(text: str) -> PolicyFile:
    """Read a policy's structure.

    Raises:
        ConfigError: Not TOML, a key missing, unknown or of a wrong type; names the place.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), PolicyFile)
    except tomllib.TOMLDecodeError as error:
        raise bad("file", f"not TOML ({error})", "mend the place named") from None
    except msgspec.ValidationError as error:
        raise bad("file", str(error), "see docs/formats/policy.md for the keys") from None
    if file.version != VERSION:
        raise bad("version", "unknown", f"write version = {VERSION}")
    return file


def default_text() -> str:
    """The policy that ships with the vault."""
    return resources.files("vault").joinpath("policies/default.toml").read_text("utf-8")


def sandbox_text(text: str) -> str:
    """The same policy for a learning vault: one line changed, so that `policy diff` shows one difference.

    Raises:
        ConfigError: The text has no line `sandbox = false` to change.
    """
    if text.count("\nsandbox = false\n") != 1:
        raise bad("sandbox", "there is no line `sandbox = false`", "write the line once, at the top")
    return text.replace("\nsandbox = false\n", "\nsandbox = true\n")


def bad(where: str, problem: str, remedy: str) -> ConfigError:
    """The error for a policy that can't be used: where, what is wrong, and what to do."""
    return ConfigError(f"policy: {where}: {problem}", code="invalid_policy", field=where, remedy=remedy)
