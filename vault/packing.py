"""Packing: what an external compliance audit asks of this system, and what it can show for it (PIPL 54).

The items are data (vault/rules/audit.toml), each with its source and how sure that is. What stands in the
registry and the log is gathered here; pages, the exported tree and the verification are written by the door.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Any, Final, Literal

import msgspec

from vault.access.policy_lint import lint
from vault.access.tokens import Credential
from vault.asking import WITHHELD, log_table, note
from vault.errors import ConfigError
from vault.inquiring import Inquiring, Line
from vault.ledger.registry import Audit, Engagement, Glass, Handover, Incident, Plan, Principal, Registry
from vault.model import Happening, Whom, Word
from vault.pruning import Pruning, floor_of
from vault.stores.asking import Asked, Span
from vault.tenancy import Tenancy

FORMAT: Final = 1
_TOLD: Final = (
    "index",
    "time",
    "kind",
    "actor",
    "actor_name",
    "role",
    "about",
    "outcome",
    "reason",
    "detail",
)
"""What of a log line goes into a pack: never a subject, a record or a case."""
_PERSON: Final = re.compile(r"\b[sr]-[0-9a-z]{26}\b")
"""A subject's or a record's id."""
_DIGEST: Final = re.compile(r"\b[0-9a-f]{32,64}\b")


class Item(Word, forbid_unknown_fields=True):
    """Something an audit asks.

    Attributes:
        title, organisational: In Chinese and in English; `organisational` is what no software shows.
        certainty: Whether the text of `source` was read: `verified`, `secondary` or `memory`.
        evidence: Names of files or folders of the pack.
    """

    id: str
    title: tuple[str, str]
    source: str
    certainty: Literal["verified", "secondary", "memory"]
    evidence: tuple[str, ...] = ()
    organisational: tuple[str, str] | None = None


class _File(Word, forbid_unknown_fields=True):
    format: int
    item: tuple[Item, ...]


@cache
def items() -> tuple[Item, ...]:
    """Every item, in the file's order.

    Raises:
        ConfigError: The file is not one; an item stands twice, or has neither evidence nor anything to say.
    """
    text = (files("vault") / "rules" / "audit.toml").read_text("utf-8")
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"rules/audit.toml: {error}", field="audit.toml") from None
    bare = [item.id for item in file.item if not item.evidence and item.organisational is None]
    if file.format != FORMAT or len({item.id for item in file.item}) != len(file.item) or bare:
        raise ConfigError("rules/audit.toml: an item stands twice or shows nothing", field="audit.toml")
    return file.item


Gather = Callable[[Tenancy, Registry], object]


class Packing:
    """Gathers what the registry and the log show."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

    def gathered(self, credential: Credential) -> Iterator[tuple[str, object]]:
        """The evidence by file name, each ready for JSON and without a borrower's data; one entry for all.

        Raises:
            Denied: The token doesn't allow to audit.
        """
        noted = note(self._t, credential, "audit pack")
        named = noted.names()
        yield from ((name, make(self._t, noted.registry)) for name, make in _FACTS.items())
        yield "log-retention.json", self._log_retention(noted.registry)
        span = Span(start=floor_of(noted.registry).entries, stop=noted.size)
        asked = (Asked(kind="request"), Asked(kind="approve"))
        found = chain.from_iterable(self._entries_told(one, span, noted.registry) for one in asked)
        requests = sorted(found, key=lambda line: line["index"])
        yield "requests.json", {"items": requests}
        yield "minors.json", {"items": [line for line in requests if _about_minors(line)]}
        rights = self._entries_told(Asked(purpose="subject_request"), span, noted.registry)
        yield "rights.json", {"items": list(rights)}
        yield "principals.json", {"items": named}

    def packed(self, credential: Credential, digest: str) -> int:
        """Enter that a pack was made, by the SHA-256 (hex) of its index; the entry's index.

        Raises:
            Denied: The token doesn't allow to audit.
        """
        with self._t.acting(credential, "audit") as (grant, page):
            page.add(
                Happening(kind="export", who=self._t.who(grant), whom=Whom(detail=f"audit pack {digest}"))
            )
        return page.receipts[-1].index

    def _entries_told(self, asked: Asked, span: Span, registry: Registry) -> Iterator[dict[str, Any]]:
        room = Inquiring(self._t)
        rows = list(log_table(self._t).walk(asked, span))
        return (_told(line) for line in room.lines(rows, registry))

    def _log_retention(self, registry: Registry) -> object:
        floor, due = floor_of(registry), Pruning(self._t).prunable(entries=True)
        first = self._t.stores.ledger.entries(self._t.name, floor.entries, 1)
        return {
            "bodies_from": floor.bodies,
            "entries_from": floor.entries,
            "first_entry": first[0].t if first else None,
            "due": due,
            "rules": [rule for rule in self._t.rules.rules if "access_entry" in rule.kinds],
        }


def _told(line: Line) -> dict[str, Any]:
    return {name: getattr(line, name) for name in _TOLD} | {"detail": _impersonal(line)}


def _impersonal(line: Line) -> str | None:
    """What an entry says besides, without whom: a merge names a subject there, a search its keyed digest."""
    if line.detail is None:
        return None
    told = _PERSON.sub(WITHHELD, line.detail)
    return _DIGEST.sub(WITHHELD, told) if line.kind == "search" else told


def _about_minors(line: dict[str, Any]) -> bool:
    """Whether a request, a yes or a no is about minors' data (未成年人网络保护条例 36)."""
    return bool({"minors"} & set((line["detail"] or "").replace(":", " ").split()[:2]))


def _of(word: type[Word]) -> Gather:
    return lambda _, registry: {"items": registry.all(word)}


def _agencies(_: Tenancy, registry: Registry) -> object:
    found = [person for person in registry.all(Principal) if person.sort == "agency"]
    return {
        "items": [
            {
                "agency": person.id,
                "name": person.name,
                "disabled": person.disabled,
                "contract": registry.find(Engagement, person.id),
            }
            for person in found
        ]
    }


def _plans(_: Tenancy, registry: Registry) -> object:
    return {"items": [msgspec.structs.replace(plan, certificate=None) for plan in registry.all(Plan)]}


def _certificates(_: Tenancy, registry: Registry) -> object:
    signed = (plan.certificate for plan in registry.all(Plan))
    return {"items": [msgspec.Raw(text.encode()) for text in signed if text is not None]}


def _lint(tenancy: Tenancy, _: Registry) -> object:
    return {"policy": tenancy.policy.hash, "findings": lint(tenancy.policy, tenancy.schema)}


def _schema(tenancy: Tenancy, _: Registry) -> object:
    return {"schema": tenancy.schema.hash, "kinds": tenancy.schema.kinds}


def _rules(tenancy: Tenancy, _: Registry) -> object:
    rules = tenancy.rules
    return {"digest": rules.digest, "items": rules.rules, "versions": rules.versions}


def _epochs(tenancy: Tenancy, _: Registry) -> object:
    return {"items": tenancy.stores.keys.epochs(tenancy.name)}


_FACTS: Final[dict[str, Gather]] = {
    "retention-rules.json": _rules,
    "retention-plans.json": _plans,
    "certificates.json": _certificates,
    "agencies.json": _agencies,
    "handovers.json": _of(Handover),
    "glass.json": _of(Glass),
    "incidents.json": _of(Incident),
    "audits.json": _of(Audit),
    "schema.json": _schema,
    "policy-lint.json": _lint,
    "epochs.json": _epochs,
}
"""Files that the registry, the policy, the schema and the rules fill."""


def missing(written: Sequence[str]) -> list[str]:
    """What the items name as evidence and a pack doesn't have."""
    named = {name for item in items() for name in item.evidence}
    return sorted(named - set(written))
