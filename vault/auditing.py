"""Auditing: who saw whose data, when and why; and proof that nothing was changed or left out (DESIGN 7).

The room of auditors: what they ask (vault/inquiring.py), what is proved to them (vault/proving.py), who else
vouches for it (vault/witnessing.py, vault/stamping.py), the reports that the people in the log are handed
(vault/reporting.py), and that every entry is accounted for (vault/balancing.py).
"""

from __future__ import annotations

from vault.balancing import Balance, Balancing
from vault.inquiring import Inquiring, Line, Question
from vault.proving import Checked, Proving
from vault.pruning import Pruning
from vault.recovering import Recovering
from vault.reporting import Report, Reporting
from vault.stamping import Stamp, Stamping
from vault.summarising import Summarising
from vault.tallying import Tallying
from vault.tenancy import Tenancy
from vault.tracing import Tracing
from vault.witnessing import Outcome, Round, Tail, Witnessing

__all__ = [
    "Auditing",
    "Balance",
    "Checked",
    "Line",
    "Outcome",
    "Question",
    "Report",
    "Round",
    "Stamp",
    "Tail",
]


class Auditing(
    Inquiring,
    Proving,
    Pruning,
    Witnessing,
    Stamping,
    Reporting,
    Balancing,
    Tallying,
    Tracing,
    Summarising,
    Recovering,
):
    """The room of auditors."""

    def __init__(self, tenancy: Tenancy) -> None:
        Inquiring.__init__(self, tenancy)
        Pruning.__init__(self, tenancy)
        Proving.__init__(self, tenancy)
        Witnessing.__init__(self, tenancy)
        Stamping.__init__(self, tenancy)
        Reporting.__init__(self, tenancy)
        Balancing.__init__(self, tenancy)
        Tallying.__init__(self, tenancy)
        Tracing.__init__(self, tenancy)
        Summarising.__init__(self, tenancy)
        Recovering.__init__(self, tenancy)
