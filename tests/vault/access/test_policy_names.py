"""A policy file with a slip of the pen doesn't load, and the error says where."""

from __future__ import annotations

import pytest
from policykit import DEFAULT, SMALL, load

from vault.errors import ConfigError

MORE = (
    SMALL
    + """
[conditions.alive]
test = "not_deceased"
source = "PIPL 49 [V]"
[conditions.daytime]
test = "hours"
from = "08:00"
to = "22:00"
source = "GB/T 45251-2025 5.3 [S]"
[conditions.open]
test = "state"
states = ["ACTIVE"]
source = "PIPL 47 [V]"
[conditions.here]
test = "region"
regions = ["CN"]
source = "PIPL 38 [V]"
[approvals.bulk_read]
quorum = 1
by = ["legal"]
rows = 1000
[approvals.handover]
quorum = 1
by = ["legal"]
hours = 72
[break_glass]
roles = { collector = ["legal"] }
minutes = 60
review_by = ["legal"]
review_hours = 72
[[tests]]
name = "t"
role = "collector"
purpose = "repayment_reminder"
kind = "borrower"
given = { at = "10:00", state = "ACTIVE", region = "CN", approved = ["minors"] }
expect = { phone = "MASKED" }
"""
)


def test_the_whole_of_it_loads() -> None:
    """Every table is read as it stands."""
    file = load(MORE).file
    assert (file.conditions["daytime"].start, file.conditions["daytime"].to) == ("08:00", "22:00")
    assert load(MORE).approval("bulk_read") == file.approvals["bulk_read"]
    assert load(MORE).break_glass == file.break_glass
    assert len(file.tests) == 1


@pytest.mark.parametrize(
    ("swap", "named"),
    [
        (('test = "not_deceased"', 'test = "not_dead"'), "conditions.alive.test"),
        (('source = "PIPL 49 [V]"', 'source = "PIPL 49"'), "conditions.alive.source"),
        (('source = "PIPL 49 [V]"', ""), "file"),
        (('source = "PIPL 49 [V]"', 'source = "PIPL 49 [V]"\nfrom = "08:00"'), "conditions.alive.from"),
        (('source = "PIPL 49 [V]"', 'source = "PIPL 49 [V]"\nhow = "well"'), "file"),
        (("[conditions.alive]", "[conditions.consent]"), "conditions.consent"),
        (('to = "22:00"\n', ""), "conditions.daytime.to"),
        (('to = "22:00"', 'to = "24:00"'), "conditions.daytime.to"),
        (('to = "22:00"', 'to = "08:00"'), "conditions.daytime"),
        (('states = ["ACTIVE"]\n', ""), "conditions.open.states"),
        (('states = ["ACTIVE"]', 'states = ["OPEN"]'), "conditions.open.states"),
        (('regions = ["CN"]', "regions = []"), "conditions.here.regions"),
        (('regions = ["CN"]', 'regions = ["China"]'), "conditions.here.regions"),
        (('id = "one"', 'id = "one"\nwhen = ["awake"]'), "grants[0] (one).when"),
        (("[roles.legal]", '[roles.legal]\nattestations = ["honesty"]'), "roles.legal.attestations"),
        (("basis = 2", 'basis = 2\npipia = { id = "P-1" }'), "file"),
        (("basis = 2", 'basis = 2\nlegal_basis_until = "soon"'), "file"),
        (("[approvals.handover]", "[approvals.handovers]"), "approvals.handovers"),
        (
            ("[approvals.handover]\nquorum = 1", "[approvals.handover]\nquorum = 0"),
            "approvals.handover.quorum",
        ),
        (('by = ["legal"]\nhours', "by = []\nhours"), "approvals.handover.by"),
        (('by = ["legal"]\nhours', 'by = ["boss"]\nhours'), "approvals.handover.by"),
        (("\nhours = 72", "\nhours = 0"), "approvals.handover.hours"),
        (("\nhours = 72", "\nrows = 10"), "approvals.handover.rows"),
        (("rows = 1000", ""), "approvals.bulk_read.rows"),
        (("rows = 1000", "rows = 0"), "approvals.bulk_read.rows"),
        (('collector = ["legal"]', 'boss = ["legal"]'), "break_glass.roles.boss"),
        (('collector = ["legal"]', 'collector = ["boss"]'), "break_glass.roles.collector"),
        (('collector = ["legal"]', 'collector = ["collector"]'), "break_glass.roles.collector"),
        (('collector = ["legal"]', "collector = []"), "break_glass.roles.collector"),
        (('review_by = ["legal"]', "review_by = []"), "break_glass.review_by"),
        (('review_by = ["legal"]', 'review_by = ["boss"]'), "break_glass.review_by"),
        (("minutes = 60", "minutes = 0"), "break_glass.minutes"),
        (("review_hours = 72", "review_hours = 0"), "break_glass.review_hours"),
        (('role = "collector"', 'role = "boss"'), "tests[0] (t).role"),
        (('purpose = "repayment_reminder"', 'purpose = "fun"'), "tests[0] (t).purpose"),
        (('purpose = "repayment_reminder"\nkind = "borrower"', 'purpose = "audit"\nkind = "boat"'),
         "tests[0] (t).kind"),
        (('expect = { phone = "MASKED" }', ""), "tests[0] (t)"),
        (("expect = { phone", 'deny = "restricted"\nexpect = { phone'), "tests[0] (t)"),
        (('expect = { phone = "MASKED" }', 'expect = { fone = "MASKED" }'), "tests[0] (t).expect"),
        (('expect = { phone = "MASKED" }', 'expect = { phone = "DIM" }'), "tests[0] (t).expect"),
        (('expect = { phone = "MASKED" }', 'deny = "because"'), "tests[0] (t).deny"),
        (('expect = { phone = "MASKED" }', 'action = "write"\ndeny = "restricted"'), "tests[0] (t).action"),
        (('at = "10:00"', 'at = "10h"'), "tests[0] (t).given.at"),
        (('at = "10:00", state = "ACTIVE"', 'state = "GONE"'), "tests[0] (t).given.state"),
        (('region = "CN"', 'region = "cn"'), "tests[0] (t).given.region"),
        (('approved = ["minors"]', 'approved = ["all"]'), "tests[0] (t).given.approved"),
        (('region = "CN"', 'weather = "wet"'), "file"),
    ],
)  # fmt: skip
def test_a_slip_names_its_place(swap: tuple[str, str], named: str) -> None:
    """Anything unknown, missing or out of range is refused with its table and key, and a remedy."""
    with pytest.raises(ConfigError) as caught:
        load(MORE, swap)
    assert caught.value.field == named
    assert caught.value.remedy


def test_the_shipped_policy_asks_no_hours() -> None:
    """Out of the box the vault works at night; how to close it stands there commented."""
    assert not any(c.test == "hours" for c in load(DEFAULT).file.conditions.values())
    opened = DEFAULT.replace("# [conditions.daytime]", "[conditions.daytime]").replace(
        '# test = "hours"', 'test = "hours"'
    )
    for key in ("from", "to", "source"):
        opened = opened.replace(f'# {key} = "', f'{key} = "')
    assert load(opened).file.conditions["daytime"].test == "hours"
