"""The bench that finds the cases of loans: by selection and order, and those that the book doesn't know."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from casekit import NUMBERS, A, B, C, D, Site, build

from vault.caseload import Caseload
from vault.errors import Invalid


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A vault whose second case is open and whose third is closed; tests only ask."""
    site = build(tmp_path_factory.mktemp("site"))
    site.open(B)
    site.close(C)
    yield site
    site.vault.close()


def handles(site: Site, *numbers: str) -> list[str]:
    """The handles by which facts name these cases."""
    return [site.vault.tenancy().keys.case_handle(number) for number in numbers]


def test_a_selection_gives_each_case_once_in_its_order(site: Site) -> None:
    """By an open attribute, rising or falling; blank is every loan."""
    load = Caseload(site.vault.tenancy())
    assert load.loans() == 4
    assert list(load.matching("", "overdue_since")) == handles(site, D, C, B, A)
    assert list(load.matching("", "-overdue_since")) == handles(site, A, B, C, D)
    assert list(load.matching("overdue_days>=32", "-overdue_since")) == handles(site, C, D)
    assert sorted(load.matching("")) == sorted(handles(site, *NUMBERS))
    assert list(load.matching("stage>=M6")) == []


def test_only_what_the_book_lacks_is_unknown(site: Site) -> None:
    """Open or closed, a case in the book is known; how many loans were looked at is told."""
    load = Caseload(site.vault.tenancy())
    assert list(load.unknown("")) == [(4, sorted({A, D}))]
    assert list(load.unknown("overdue_days>=32")) == [(2, [D])]
    assert list(load.unknown("stage>=M6")) == [(0, [])]


def test_open_cases_that_are_nobodys_wait(site: Site) -> None:
    """With their numbers, by handle."""
    assert Caseload(site.vault.tenancy()).waiting() == {handles(site, B)[0]: (B, "", 0)}


@pytest.mark.parametrize(
    ("where", "sort"), [("phone=1", ""), ("", "outstanding"), ("", "-nonsense"), ("stage", "")]
)
def test_what_cannot_be_selected_or_sorted_by_is_refused(site: Site, where: str, sort: str) -> None:
    """A sealed field is neither, and an unknown one isn't either."""
    load = Caseload(site.vault.tenancy())
    load.check("stage>=M1", "-overdue_since")
    with pytest.raises(Invalid):
        load.check(where, sort)
