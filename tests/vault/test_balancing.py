"""Balance: every entry is explained by somebody who is here or by a declared erasure; nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import Made, borrowers, make_vault
from sqlalchemy import text

from vault.auditing import Balance
from vault.balancing import _matched
from vault.config import Stores
from vault.errors import Denied, NotFound, Tampered, Unavailable
from vault.ledger.registry import Plan
from vault.model import Happening, Receipt, Who, Whom
from vault.numbering import handle_of
from vault.purging import Purger
from vault.unsealing import Unsealer

ROWS: Final = borrowers(2)
WHO: Final = Who(actor="p-1", role="collector", purpose="audit")


@pytest.fixture
def made(tmp_path: Path, store_url: Callable[[str], str]) -> Iterator[Made]:
    """A sandbox on either engine with two borrowers, each read, and reported on once."""
    stores = Stores(**{name: store_url(name) for name in ("records", "index", "keys", "ledger")})
    made = make_vault(tmp_path, stores=stores)
    made.load(ROWS)
    ids = made.ids(ROWS)
    made.vault.reading().read(made.token("collector"), [*ids, *ids])
    made.vault.auditing().report(made.token("auditor"), ids[0])
    made.vault.reading().read(made.token("collector"), ids)
    yield made
    made.vault.close()


def weighed(made: Made, *, bodies: bool = False) -> Balance:
    """The balance as it is found; what isn't even is raised, with the index that was told."""
    found: list[Balance] = []
    token = made.token("auditor")
    fault = None
    try:
        made.vault.auditing().balance(token, bodies=bodies, told=found.append)
    except Tampered as raised:
        if not found:
            raise
        fault = raised
    even = (found[0].unexplained, found[0].missing, found[0].first) == (0, 0, None)
    assert even if fault is None else (fault.index, fault.exit_code) == (found[0].first, 5) and not even
    return found[0]


def subjects(made: Made) -> list[str]:
    """The two borrowers' subject ids."""
    unsealer = Unsealer(made.vault.tenancy())
    return [unsealer.people(ident)[0] for ident in made.ids(ROWS)]


def log(made: Made, subject: str, of: str = "", secret: bytes = b"") -> Receipt:
    """An entry as a node in wrong hands could write it: with another's secret, or one made up."""
    tenancy = made.vault.tenancy()
    rows = made.vault.stores.keys.subjects("main", [of])
    known = tenancy.keeping.log_secret(rows[0]) if rows else secret
    shelf = rows[0].shelf if rows else ""
    happening = Happening(kind="read", who=WHO, whom=Whom(subject=subject), secret=known, shelf=shelf)
    return tenancy.journal.log(happening)[0]


def edit(made: Made, statement: str, **given: object) -> None:
    """Change the ledger as its DBA would, on either engine."""
    with made.vault.stores.ledger.db.engine.begin() as connection:
        assert connection.execute(text(statement), given).rowcount > 0


def turn(made: Made, subject: str, by: int) -> None:
    """Turn a subject's counter."""
    handle = handle_of(made.vault.tenancy().keys, subject)
    edit(made, "UPDATE counters SET n = n + :by WHERE handle = :handle", by=by, handle=handle)


def purge(made: Made, as_of: date | None = None) -> None:
    """Plan and execute."""
    erasing = made.vault.erasing()
    erasing.execute(made.token("dpo"), erasing.plan(made.token("dpo"), as_of=as_of).id, yes=True)


def test_a_log_is_even_all_its_life(made: Made) -> None:
    """With everybody here, with all erased, and with their log secrets swept: nothing is left over."""
    here = weighed(made, bodies=True)
    assert here.explained == here.entries - here.without_subject > 0
    assert here.orphans_declared == 0
    purge(made, date(2032, 1, 1))
    assert weighed(made).explained == here.explained
    made.clock.advance(days=6 * 366)
    purge(made)
    swept = weighed(made, bodies=True)
    assert (swept.explained, swept.orphans_declared) == (0, here.explained)
    made.load(borrowers(1, first=5))
    made.vault.reading().read(made.token("collector"), made.ids(borrowers(1, first=5)))
    again = weighed(made)
    assert again.orphans_declared == here.explained
    assert again.explained > 0


def pruned(made: Made) -> Balance:
    """Five years and a day on, with some hundred entries more: let entries go by their rule, and weigh."""
    made.vault.tenancy().journal.log(*[Happening(kind="search", who=WHO, whom=Whom())] * 300)
    made.clock.advance(days=5 * 366)
    assert made.vault.auditing().prune(made.token("dpo"), entries=True).count_entries > 0
    return weighed(made)


def test_a_pruned_log_stays_even(made: Made) -> None:
    """What went by rule is counted with its tags; what is missing besides is found."""
    before = weighed(made)
    found = pruned(made)
    assert (found.pruned, found.explained) == (256, 0)
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    assert weighed(made).explained == 2
    report = made.vault.auditing().report(made.token("auditor"), made.ids(ROWS)[0])
    assert report.entries == 2
    assert before.explained > 0
    turn(made, subjects(made)[1], 1)
    assert weighed(made).missing == 1


def test_a_sweep_whose_entries_were_pruned_stays_even(made: Made) -> None:
    """Declared orphans that went by rule, the declaration's body with them, are still accounted for."""
    purge(made, date(2032, 1, 1))
    made.clock.advance(days=6 * 366)
    purge(made)
    assert weighed(made).orphans_declared > 0
    found = pruned(made)
    assert found.pruned == 256
    assert found.orphans_declared > 0


def test_the_balance_is_an_entry_and_an_auditor_s(made: Made) -> None:
    """Who may not audit learns nothing; who may is entered before."""
    size = made.size()
    with pytest.raises(Denied):
        made.vault.auditing().balance(made.token("legal"))
    assert weighed(made).entries == made.size() == size + 4  # two tokens, a refusal, the balance


def test_an_access_logged_under_another_borrower_is_found(made: Made) -> None:
    """One's number under the other's key: the one lacks an entry, and nothing explains the other's."""
    one, two = subjects(made)
    for subject, of in ((one, two), (two, one)):
        receipt = log(made, subject, of=of)
        found = weighed(made)
        assert found.missing > 0
        assert found.first is not None
        assert found.first <= receipt.index


def test_a_mislabelled_access_is_found(made: Made) -> None:
    """A tag of nobody's is explained by nobody, and named."""
    receipt = log(made, "s-nobody", secret=b"made up" * 5)
    found = weighed(made)
    assert (found.unexplained, found.missing, found.first) == (1, 0, receipt.index)


def test_a_hidden_access_is_found(made: Made) -> None:
    """Without a tag it says in its body whom it is about, which the fuller balance reads."""
    receipt = log(made, subjects(made)[0])
    assert weighed(made).unexplained == 0
    found = weighed(made, bodies=True)
    assert (found.unexplained, found.first) == (1, receipt.index)


def test_a_counter_turned_back_or_on_is_found(made: Made) -> None:
    """Back, the last entry is explained by none, and a tag used again stands twice; on, one is missing."""
    one, two = subjects(made)
    turn(made, one, -1)
    found = weighed(made)
    assert (found.unexplained, found.missing) == (1, 0)
    receipt = log(made, one, of=one)
    assert weighed(made).first == receipt.index
    turn(made, two, 1)
    assert weighed(made).missing == 1


def test_a_later_generation_can_not_be_hidden(made: Made) -> None:
    """With the counter back in the generation that was ended, its later entries are explained by none."""
    (one, _) = subjects(made)
    turn(made, one, -(1 << 32))
    assert weighed(made).unexplained > 0


def test_a_sweep_that_was_not_declared_is_found(made: Made) -> None:
    """A log secret deleted beside the vault leaves entries that nobody explains and nobody declared."""
    (one, _) = subjects(made)
    explained = weighed(made).explained
    tags = len(Unsealer(made.vault.tenancy()).tags(one))
    made.vault.tenancy().keeping.forget_subjects(made.vault.stores.keys.subjects("main", [one]))
    found = weighed(made)
    assert (found.unexplained, found.explained, found.missing) == (tags, explained - tags, 0)


def test_a_declaration_needs_its_plan(made: Made) -> None:
    """A node that enters orphans on its own is refused: no plan vouches for them."""
    log(made, "s-nobody", secret=b"made up" * 5)
    detail = Whom(detail="plan pl-1 log_secrets=1 orphans=1")
    made.vault.tenancy().journal.log(Happening(kind="erase_begin", who=WHO, whom=detail))
    with pytest.raises(Tampered, match="no plan"):
        weighed(made)


def test_a_sweep_that_died_declares_once(made: Made) -> None:
    """Between declaration and deletion the log is even, no report is made, and none is counted twice."""
    purge(made, date(2032, 1, 1))
    made.clock.advance(days=6 * 366)
    (one, two), before = subjects_known(made), weighed(made)
    plan = made.vault.erasing().plan(made.token("dpo"))
    purger = Purger(made.vault.tenancy())
    for _ in range(2):
        purger._declare([one, two], WHO, plan.id)
        found = weighed(made)
        assert (found.explained, found.orphans_declared) == (before.explained, 0)
    with pytest.raises(NotFound):
        made.vault.auditing().report(made.token("auditor"), one)
    made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    assert weighed(made).orphans_declared == before.explained
    assert made.vault.tenancy().journal.registry().get(Plan, plan.id).swept > 0


def subjects_known(made: Made) -> list[str]:
    """Two subjects whose log secrets are there still, those with the most entries."""
    unsealer = Unsealer(made.vault.tenancy())
    every = [row.subject for row in made.vault.stores.keys.everybody("main", "", 100)]
    return sorted(every, key=lambda one: -len(unsealer.tags(one)))[:2]


def test_entries_that_are_not_the_head_s_are_no_log(made: Made) -> None:
    """An entry changed beside the vault is no ground to balance on."""
    token = made.token("auditor")
    edit(made, "UPDATE entries SET stub = (SELECT stub FROM entries WHERE idx = 1) WHERE idx = 2")
    with pytest.raises(Tampered, match="head"):
        made.vault.auditing().balance(token)


def test_a_sweep_meanwhile_is_told(made: Made) -> None:
    """Entered while the living were asked, a declaration makes the count worthless: run it again."""
    purge(made, date(2032, 1, 1))
    made.clock.advance(days=6 * 366)
    token = made.token("auditor")
    plan = made.vault.erasing().plan(made.token("dpo"))
    purger, done = Purger(made.vault.tenancy()), []

    def meanwhile(_done: int, _total: int) -> None:
        if not done:
            done.append(subjects_known(made))
            purger._declare(done[0], WHO, plan.id)

    with pytest.raises(Unavailable):
        made.vault.auditing().balance(token, progress=meanwhile)
    assert weighed(made).unexplained == 0


@given(
    loose=st.sets(st.integers(0, 30)).map(sorted),
    declared=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=4).map(sorted),
)
def test_a_sweep_explains_only_what_was_before_it(loose: list[int], declared: list[tuple[int, int]]) -> None:
    """As many as can be are matched, each to a declaration behind it; what is left is just the rest."""
    left, short = _matched(loose, declared)
    assert len(loose) - len(left) == sum(count for _, count in declared) - short
    assert set(left) <= set(loose)
    most = 0
    for index in range(32):  # a bound on every matching: those from `index` on have only the later ones
        most = max(most, sum(one >= index for one in loose) - sum(c for at, c in declared if at > index))
    assert len(left) == max(0, most)
