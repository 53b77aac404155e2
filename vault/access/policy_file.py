"""A policy as it is written: TOML, read strictly, every name known (docs/formats/policy.md)."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Final

import msgspec

from vault.errors import ConfigError
from vault.model import ACTIONS, PURPOSES, ROLES, Word
from vault.schema import Schema

VERSION: Final = 1
BASES: Final = range(1, 8)
"""The seven lawful bases, numbered as PIPL 13 ¶1 numbers them."""


class RoleSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role and the purposes that someone with it may act for."""

    zh: str
    purposes: list[str]


class PurposeSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A purpose: its lawful basis (PIPL 13 ¶1, 1 to 7), its place on the tree, where it comes from.

    Attributes:
        restricted: Whether it reaches records in state RESTRICTED (PIPL 47 ¶2).
        past: Whether it reaches versions that were replaced: what stood there on a day in dispute.
    """

    zh: str
    basis: int | None = None
    parent: str = ""
    restricted: bool = False
    past: bool = False
    source: str = ""


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


class PolicyFile(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    version: int
    roles: dict[str, RoleSpec]
    purposes: dict[str, PurposeSpec]
    grants: list[GrantSpec]
    sandbox: bool = False


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
        raise _bad("file", f"not TOML ({error})", "mend the place named") from None
    except msgspec.ValidationError as error:
        raise _bad("file", str(error), "see docs/formats/policy.md for the keys") from None
    if file.version != VERSION:
        raise _bad("version", "unknown", f"write version = {VERSION}")
    return file


def check_names(file: PolicyFile, schema: Schema) -> None:
    """Refuse the first name that isn't known: a right written with a slip of the pen must not half-hold.

    Raises:
        ConfigError: Names the table, the key and the remedy.
    """
    for finding in unknown_names(file, schema):
        raise _bad(finding.where, finding.message, finding.remedy)


def unknown_names(file: PolicyFile, schema: Schema) -> Iterator[Finding]:
    """Every name that no closed list and no schema knows, and every id or place taken twice."""
    for role, spec in file.roles.items():
        yield from _words(f"roles.{role}", [role], ROLES)
        yield from _words(f"roles.{role}.purposes", spec.purposes, tuple(file.purposes))
    for purpose in file.purposes:
        yield from _words(f"purposes.{purpose}", [purpose], PURPOSES)
        yield from _tree(file, purpose)
    seen: set[str] = set()
    for place, grant in enumerate(file.grants):
        where = f"grants[{place}] ({grant.id})"
        if grant.id in seen:
            yield Finding(level="error", where=where, message="id taken twice", remedy="give it another id")
        seen.add(grant.id)
        yield from _words(f"{where}.roles", grant.roles, tuple(file.roles))
        yield from _words(f"{where}.purposes", grant.purposes, tuple(file.purposes))
        yield from _words(f"{where}.actions", grant.actions, ACTIONS)
        yield from _fields(where, grant, schema)


def default_text() -> str:
    """The policy that ships with the vault."""
    return resources.files("vault").joinpath("policies/default.toml").read_text("utf-8")


def sandbox_text(text: str) -> str:
    """The same policy for a learning vault: one line changed, so that `policy diff` shows one difference.

    Raises:
        ConfigError: The text has no line `sandbox = false` to change.
    """
    if text.count("\nsandbox = false\n") != 1:
        raise _bad("sandbox", "there is no line `sandbox = false`", "write the line once, at the top")
    return text.replace("\nsandbox = false\n", "\nsandbox = true\n")


def _words(where: str, words: list[str], known: tuple[str, ...]) -> Iterator[Finding]:
    for word in words:
        if word not in known:
            remedy = "use one of: " + ", ".join(known)
            yield Finding(level="error", where=where, message=f"{word!r} is not known", remedy=remedy)


def _tree(file: PolicyFile, purpose: str) -> Iterator[Finding]:
    """A purpose's basis is one of seven, and its ancestors are purposes and never itself."""
    where, spec = f"purposes.{purpose}", file.purposes[purpose]
    if spec.basis is not None and spec.basis not in BASES:
        yield Finding(
            level="error", where=f"{where}.basis", message="no basis", remedy="use 1 to 7 (PIPL 13 ¶1)"
        )
    seen, at = {purpose}, spec.parent
    while at:
        if at in seen or at not in file.purposes:
            message = "a circle" if at in seen else f"{at!r} is not known"
            yield Finding(
                level="error", where=f"{where}.parent", message=message, remedy="name a purpose above"
            )
            return
        seen.add(at)
        at = file.purposes[at].parent


def _fields(where: str, grant: GrantSpec, schema: Schema) -> Iterator[Finding]:
    for kind, views in grant.kinds.items():
        yield from _words(f"{where}.kinds", [kind], tuple(schema.kinds))
        if kind in schema.kinds:
            known = tuple(schema.kinds[kind].fields)
            yield from _words(f"{where}.kinds.{kind}", [*views.masked, *views.clear], known)
    for find in grant.find:
        yield from _words(f"{where}.find", [find.kind], tuple(schema.kinds))
        if find.kind in schema.kinds:
            indexed = tuple(f.name for f in schema.kinds[find.kind].fields.values() if f.indexed)
            yield from _words(f"{where}.find.{find.kind}", [find.field], indexed)
        if find.cap is not None and find.cap < 1:
            yield Finding(
                level="error", where=f"{where}.find", message="cap below 1", remedy="a day's values, or none"
            )


def _bad(where: str, problem: str, remedy: str) -> ConfigError:
    return ConfigError(f"policy: {where}: {problem}", code="invalid_policy", field=where, remedy=remedy)
