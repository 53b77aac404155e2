"""When a superseded version of a record must go: a correction replaces a value, and the old one has no use.

No law names a period. PIPL 8 asks that what is held be accurate, PIPL 19 that it be held no longer than
needed; how long a replaced version may still be looked up is the house's own choice. Floors are about the
record, which its latest version stands for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date

from vault.model import Word
from vault.retention import period
from vault.retention.rules import RuleSet, Superseded


class VersionCount(Word):
    """How many replaced versions a rule ends, as it stands beside a plan's other rules."""

    rule: str
    action: str
    count: int
    status: str
    source: str
    missing: dict[str, int]


def superseded_due(kind: str, replaced_on: date, rules: RuleSet) -> date:
    """Return the first day on which a replaced version may no longer be kept.

    Args:
        kind: The record's kind.
        replaced_on: The day a newer version took its place (Asia/Shanghai).
        rules: What applies.

    Raises:
        ConfigError: No rule says how long versions of this kind are kept.
    """
    return period.over_from(replaced_on, rules.superseded(kind))


def superseded_counts(versions: Mapping[str, int], rules: RuleSet) -> list[VersionCount]:
    """Count versions that are to go by the rule that ends them; `versions` counts them by kind."""
    tally: Counter[Superseded] = Counter()
    for kind, count in versions.items():
        if count:
            tally[rules.version_rule(kind)] += count
    return [
        VersionCount(
            rule=one.id, action="expire", count=count, status=one.status, source=one.source, missing={}
        )
        for one, count in tally.items()
    ]
