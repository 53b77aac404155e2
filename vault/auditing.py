"""Auditing: who saw whose data, when and why; and proof that nothing was changed or left out (DESIGN 7).

The room of auditors: what they ask (vault/inquiring.py), what is proved to them (vault/proving.py), who else
vouches for it (vault/witnessing.py, vault/stamping.py), the reports that the people in the log are handed
(vault/reporting.py), that every entry is accounted for (vault/balancing.py), what is given to auditors
(vault/disclosing.py), and entries that nobody chose (vault/sampling.py).
"""

from __future__ import annotations

from vault.alarming import Alarm, Alarming
from vault.balancing import Balance, Balancing
from vault.breaches import Affected, Breach, Person
from vault.disclosing import Disclosing, Scope, Wanted
from vault.incidents import Incidents
from vault.inquiring import Inquiring, Line, Question
from vault.packing import Packing
from vault.proving import Checked, Proving
from vault.pruning import Pruning
from vault.recovering import Recovering
from vault.reporting import Report, Reporting
from vault.sampling import Sampled, Sampling
from vault.stamping import Stamp, Stamping
from vault.summarising import Summarising
from vault.tallying import Tallying
from vault.tenancy import Tenancy
from vault.tracing import Tracing
from vault.witnessing import Outcome, Round, Tail, Witnessing

__all__ = [
    "Affected",
    "Alarm",
    "Auditing",
    "Balance",
    "Breach",
    "Checked",
    "Line",
    "Outcome",
    "Person",
    "Question",
    "Report",
    "Round",
    "Sampled",
    "Scope",
    "Stamp",
    "Tail",
    "Wanted",
]


class Auditing(
    Inquiring,
    Proving,
    Pruning,
    Witnessing,
    Stamping,
    Reporting,
    Balancing,
    Disclosing,
    Sampling,
    Tallying,
    Tracing,
    Summarising,
    Alarming,
    Incidents,
    Recovering,
    Packing,
):
    """The room of auditors."""

    def __init__(self, tenancy: Tenancy) -> None:
        Alarming.__init__(self, tenancy)
        Incidents.__init__(self, tenancy)
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
        Disclosing.__init__(self, tenancy)
        Sampling.__init__(self, tenancy)
        Recovering.__init__(self, tenancy)
        Packing.__init__(self, tenancy)
