"""Alarm rules: those by which the vault raises an alarm about its own use. Pure.

Rules are data: those that ship (vault/rules/alarms.toml), and a vault's own `alarms.toml`, which replaces or
adds rules by id. Each counts something of one principal in a window; windows are tumbling, not sliding: a
day's count begins anew at midnight in Asia/Shanghai, so that somebody can come near a limit before and after
it. The keys: docs/formats/alarms.md.
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Annotated, Final, Literal

import msgspec

from vault.errors import ConfigError
from vault.ledger.registry import AlarmsInForce, Registry
from vault.model import COMPARTMENTS, ENTRY_KINDS, PURPOSES, ROLES, Word
from vault.schema import KindSpec, Schema

FILE: Final = "alarms.toml"
MARKS: Final = {"derived": "[L-derived]", "practice": "[product]", "own": "[own]"}
"""How a rule stands to law: derived from a statute's number, this project's choice, or the vault's own."""
WEAKER: Final = "alarms_weaker"
"""The reason of an alarm that says that the rules now in force watch less than those before."""
AGAIN: Final = 10
"""An alarm comes again when the count has passed ten times the limit, a hundred times, and so on."""
SHOWING: Final = ("read", "export")
"""The kinds of entries in which somebody is shown data, unless a rule names others."""
_MINUTE: Final = 60_000_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_AHEAD: Final = 8 * _HOUR
"""Asia/Shanghai is UTC+8 the year round."""
_WINDOWS: Final[Mapping[str, tuple[int, int]]] = {
    "day": (_DAY, _AHEAD), "night": (_DAY, _AHEAD - 12 * _HOUR), "hour": (_HOUR, 0), "10m": (10 * _MINUTE, 0),
}  # fmt: skip
"""Length and offset in µs; a night goes from noon to noon in Asia/Shanghai, so that midnight is inside."""
_PATTERN: Final = re.compile(r"(\*|[a-z][a-z0-9_]{0,31})\.(\*|[a-z_]+)")
_ID: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_COUNTED: Final = frozenset({"refusals", "lookups"})
"""What is counted each time; the others count persons, each once."""


class Rule(Word, forbid_unknown_fields=True, rename={"opens": "from", "closes": "to"}):
    """One rule of the file.

    Attributes:
        id: A short word; entries name it as their reason.
        what: What is counted. limit: How much of it is no alarm; the next is.
        window: In what time.
        data: For persons: which data, as `kind.compartment`, `*` for any.
        view: `clear`: only where a field was shown CLEAR that a mask would have covered; `masked`: any view.
        entries, roles, sorts, purposes: Only these; () for all (of entries: `SHOWING`).
        opens, closes: For `off_hours` ("from", "to" in the file), in Asia/Shanghai: inside, it counts.
        off: The rule doesn't watch.
    """

    id: str
    what: Literal["distinct_subjects", "refusals", "off_hours", "no_case", "honey", "lookups"]
    limit: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]
    window: Literal["day", "night", "hour", "10m"]
    severity: Literal["low", "medium", "high"]
    zh: str
    en: str
    status: Literal["derived", "practice", "own"] = "own"
    source: str = ""
    data: tuple[str, ...] = ("*.*",)
    view: Literal["clear", "masked"] = "masked"
    entries: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    sorts: tuple[Literal["person", "service", "agency"], ...] = ()
    purposes: tuple[str, ...] = ()
    opens: str = ""
    closes: str = ""
    off: bool = False

    @property
    def mark(self) -> str:
        """How it stands to law, to be shown wherever the rule is."""
        return MARKS[self.status]

    @property
    def counts_each(self) -> bool:
        """Whether it counts each time, and not each person once."""
        return self.what in _COUNTED

    def ends(self, now: int) -> int:
        """The instant (µs UTC) at which the window that `now` is in ends."""
        length, ahead = _WINDOWS[self.window]
        return (now + ahead) // length * length + length - ahead

    def begins(self, now: int) -> int:
        """The instant at which that window began."""
        return self.ends(now) - _WINDOWS[self.window][0]

    def crossed(self, before: int, after: int) -> bool:
        """Whether a count passed the limit, or ten times it, a hundred times …, on its way."""
        step, base = self.limit, max(self.limit, 1)
        while step < after:
            if before <= step:
                return True
            step = base * AGAIN if step == self.limit else step * AGAIN
        return False

    def in_hours(self, now: int) -> bool:
        """Whether an instant is between `from` and `to`, over midnight if need be."""
        at, start, end = (now + _AHEAD) % _DAY, _minutes(self.opens), _minutes(self.closes)
        return start <= at < end if start < end else at >= start or at < end


class Profile(Word):
    """The rules that entries of one form can count for, by what is to be done with each.

    Attributes:
        persons: Each person counts once. hidden: Each honey record. caseless: Each person without an open
            case. nights: Whoever acts at night, once. each: Every entry counts.
    """

    persons: tuple[Rule, ...] = ()
    hidden: tuple[Rule, ...] = ()
    caseless: tuple[Rule, ...] = ()
    nights: tuple[Rule, ...] = ()
    each: tuple[Rule, ...] = ()

    @property
    def all(self) -> tuple[Rule, ...]:
        """All of them."""
        return (*self.persons, *self.hidden, *self.caseless, *self.nights, *self.each)


class Form(Word):
    """What of an entry decides which rules it can count for.

    Attributes:
        sort: The principal's, of `vault.ledger.powers.SORTS`; the rest as in `vault.model.Who`.
    """

    kind: str
    sort: str
    role: str
    purpose: str
    about: str
    masked: int
    clear: int
    outcome: str


class RuleFile(Word, forbid_unknown_fields=True):
    """A file of rules."""

    format: Literal[1]
    rule: tuple[Rule, ...] = ()


class Rules:
    """The rules that hold: the shipped ones, with a vault's own in their place or beside them.

    Attributes:
        rules: In order, those that are off included.
        hash: SHA-256 (hex) over both files.
        text: The vault's own file, "".
    """

    def __init__(self, shipped: str, text: str) -> None:
        own = {rule.id: rule for rule in parse(text)} if text else {}
        base = {rule.id: rule for rule in parse(shipped)}
        self.rules = tuple((base | own).values())
        self.text = text
        self.hash = hashlib.sha256(f"{shipped}\0{text}".encode()).hexdigest()

    def find(self, ident: str) -> Rule | None:
        """A rule by its id, or None."""
        return next((rule for rule in self.rules if rule.id == ident), None)

    def profile(self, form: Form, schema: Schema) -> Profile:
        """Which rules entries of a form can count for."""
        found: dict[str, list[Rule]] = {}
        for rule in self.rules:
            if not rule.off and _concerns(rule, form, schema):
                found.setdefault(_PLACES[rule.what], []).append(rule)
        return Profile(**{place: tuple(rules) for place, rules in found.items()})


_PLACES: Final = {
    "distinct_subjects": "persons", "honey": "hidden", "no_case": "caseless", "off_hours": "nights",
    "refusals": "each", "lookups": "each",
}  # fmt: skip


def _concerns(rule: Rule, form: Form, schema: Schema) -> bool:
    if (rule.roles and form.role not in rule.roles) or (rule.sorts and form.sort not in rule.sorts):
        return False
    if rule.purposes and form.purpose not in rule.purposes:
        return False
    if rule.what == "refusals":
        return form.outcome == "denied"
    if rule.what == "lookups":
        return form.kind == "search" and bool(form.about) and form.outcome == "ok"
    if form.kind not in (rule.entries or SHOWING) or form.outcome != "ok":
        return False
    shown = form.clear if rule.view == "clear" else form.clear | form.masked
    return bool(shown & _bits(rule, schema.kinds.get(form.about)))


def _bits(rule: Rule, kind: KindSpec | None) -> int:
    """The bits of a kind's fields that a rule is about."""
    if kind is None:
        return 0
    wanted = [pattern.split(".") for pattern in rule.data]
    found = 0
    for field in (*kind.fields.values(), *kind.retired.values()):
        named = any(k in {"*", kind.name} and c in {"*", field.compartment} for k, c in wanted)
        if named and not (rule.view == "clear" and field.mask == "none"):
            found |= 1 << field.number
    return found


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of a file (TOML: `format = 1` and a list of `[[rule]]`), strictly.

    Raises:
        ConfigError: Names the rule and the key that can't be used.
    """
    try:
        rules = msgspec.convert(tomllib.loads(text), RuleFile).rule
    except tomllib.TOMLDecodeError:
        raise _bad("", "it is not TOML") from None
    except msgspec.ValidationError as error:
        where = re.search(r"\$\.?([\w\[\].]*)", str(error))
        raise _bad(where[1] if where else "", "a key is unknown, missing or wrong") from None
    for number, rule in enumerate(rules):
        _check(rule)
        if any(rule.id == other.id for other in rules[:number]):
            raise _bad(rule.id, "it stands there twice")
    return rules


def _check(rule: Rule) -> None:
    """Demand that words are of their closed lists and that what belongs together is there."""
    if not _ID.fullmatch(rule.id):
        raise _bad("id", "it is no short lower-case word")
    if not rule.zh or not rule.en:
        raise _bad(rule.id, "zh or en is empty")
    if not all(_PATTERN.fullmatch(p) and p.split(".")[1] in {*COMPARTMENTS, "*"} for p in rule.data):
        raise _bad(rule.id, "data is no list of kind.compartment")
    for words, known in ((rule.entries, ENTRY_KINDS), (rule.roles, ROLES), (rule.purposes, PURPOSES)):
        if not set(words) <= set(known):
            raise _bad(rule.id, "a word is none of its closed list")
    night = rule.what == "off_hours"
    if night != (rule.window == "night") or night != bool(rule.opens and rule.closes):
        raise _bad(rule.id, "off_hours has from, to and the window night, and nothing else has")
    if night and not (_TIME.fullmatch(rule.opens) and _TIME.fullmatch(rule.closes)):
        raise _bad(rule.id, "from and to are written like 22:00")


def _bad(where: str, why: str) -> ConfigError:
    place = f"{FILE}: {where}: " if where else f"{FILE}: "
    return ConfigError(
        place + why, code="invalid_alarms", field=FILE, remedy="docs/formats/alarms.md lists the keys"
    )


def _minutes(text: str) -> int:
    return int(text[:2]) * _HOUR + int(text[3:]) * _MINUTE


@functools.lru_cache(maxsize=1)
def shipped() -> str:
    """The text of the rules that ship."""
    return (resources.files("vault") / "rules" / "alarms.toml").read_text("utf-8")


@functools.lru_cache(maxsize=16)
def merged(text: str = "") -> Rules:
    """The rules that hold with this text of a vault's own file.

    Raises:
        ConfigError: It can't be used.
    """
    return Rules(shipped(), text)


def in_force(registry: Registry) -> Rules:
    """The rules that a registry puts in force: the shipped ones where it names none."""
    known: Rules | None = registry.derived.get("alarms")
    if known is None:
        row = registry.find(AlarmsInForce, "alarms")
        known = registry.derived["alarms"] = merged(row.text if row is not None else "")
    return known


def weaker(rules: Rules, than: Rules | None = None) -> Iterator[tuple[str, str]]:
    """Where rules watch less than others, as a rule those that ship: the rule's id, and in what."""
    for rule in (than or merged()).rules:
        now = rules.find(rule.id)
        if rule.off:
            continue
        if now is None:
            yield rule.id, "it is gone"
        elif now.off:
            yield rule.id, "it is off"
        elif now.what != rule.what:
            yield rule.id, "it counts something else"
        else:
            yield from ((rule.id, why) for why in _less(rule, now))


def _less(rule: Rule, now: Rule) -> Iterator[str]:
    if now.limit > rule.limit:
        yield f"its limit is {now.limit}, not {rule.limit}"
    if _WINDOWS[now.window][0] < _WINDOWS[rule.window][0]:
        yield "its window is shorter"
    if rule.view == "masked" and now.view == "clear":
        yield "masked views no longer count"
    for name in ("roles", "sorts", "purposes"):
        if _narrower(getattr(rule, name), getattr(now, name)):
            yield f"fewer {name} count"
    if _narrower(rule.entries or SHOWING, now.entries or SHOWING):
        yield "fewer kinds of entries count"
    if now.data != rule.data and "*.*" not in now.data and not set(rule.data) <= set(now.data):
        yield "other data counts"
    if (now.opens, now.closes) != (rule.opens, rule.closes):
        yield "its hours are others"


def _narrower(before: Iterable[str], after: Iterable[str]) -> bool:
    """Whether a list of words takes in less; an empty one takes in all."""
    was, now = set(before), set(after)
    return bool(now) and (not was or not was <= now)
