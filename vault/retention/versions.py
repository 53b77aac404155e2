"""When a superseded version of a record must go: a correction replaces a value, and the old one has no use.

No law names a period. PIPL 8 asks that what is held be accurate, PIPL 19 that it be held no longer than
needed; how long a replaced version may still be looked up is the house's own choice. Floors are about the
record, which its latest version stands for.
"""

from __future__ import annotations

from datetime import date

from vault.retention import period
from vault.retention.rules import RuleSet


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
