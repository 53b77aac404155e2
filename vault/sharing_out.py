"""Sharing out: rules by which cases find their collectors, as data in a TOML file. Pure.

    [[assign]]
    name = "early, small"
    where = "stage<=M2,outstanding_band=0-1k"    # over a loan's open attributes, as in `cvault list`
    to = ["p-…", "小李"]                          # principals, by id or name
    priority = 5                                 # higher goes first; 0 if left out
    most = 300                                   # open cases one of them may hold; no limit if left out
    sort = "overdue_since"                       # which come first, if not all find a place

The first rule that a case matches decides. Within a rule whoever holds fewest cases is next.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from vault.errors import Invalid
from vault.model import Word

UNLIMITED = 1 << 31


class ShareRule(Word, forbid_unknown_fields=True):
    """One rule: which cases, to whom, how urgently and how many each."""

    name: str
    where: str
    to: list[str]
    priority: int = 0
    most: int = UNLIMITED
    sort: str = ""


class _File(Word, forbid_unknown_fields=True):
    assign: list[ShareRule]


def read_rules(text: str) -> list[ShareRule]:
    """The rules of a file, in its order.

    Raises:
        Invalid: Not TOML, no rule, a key unknown, or a rule that names nobody; says which.
    """
    try:
        rules = msgspec.convert(tomllib.loads(text), _File).assign
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Invalid(
            f"the rules can't be read: {error}",
            code="invalid_rules",
            field="rules",
            remedy="see docs/cases.md for the form",
        ) from None
    for number, rule in enumerate(rules, 1):
        if not rule.to or rule.most < 1:
            raise Invalid(
                "a rule needs somebody to assign to, and room for one case at least",
                code="invalid_rules",
                field=f"assign[{number}]",
                remedy="fill `to`; give `most` a number above 0",
            )
    return rules


def shared_out(
    cases: Sequence[str], holders: Sequence[str], loads: Mapping[str, int], most: int
) -> Iterator[tuple[str, str]]:
    """Whom each case goes to: whoever holds fewest, the first named where several do.

    Args:
        cases: In the order in which they find a place.
        holders: Who may get them.
        loads: How many each holds already; one not named holds none.
        most: How many each may hold.

    Yields:
        (case, holder), until nobody has room.
    """
    held = {holder: loads.get(holder, 0) for holder in holders}
    for case in cases:
        free = [holder for holder in held if held[holder] < most]
        if not free:
            return
        holder = min(free, key=held.__getitem__)
        held[holder] += 1
        yield case, holder
