"""Made-up exports: the same for a seed, importable but for the rows that are meant to be bad."""

from __future__ import annotations

import csv
import itertools
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import synthetic
from vault.access.selection import stage_of
from vault.intake import open_export
from vault.intake.numbers import id_check, luhn
from vault.schema import builtin

TODAY = date(2026, 3, 16)
MANY = 3000


@pytest.fixture(scope="module")
def clean() -> list[list[str]]:
    """Rows without dirt or faults."""
    return list(synthetic.export(MANY, 7, TODAY, clean=True))


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    """A seed and a day give one file, byte for byte; another seed gives another."""
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        assert synthetic.write_csv(path, 200, seed, TODAY) == 200
    a, b, c = (path.read_bytes() for path in paths)
    assert a == b != c


@settings(max_examples=12, deadline=None)
@given(
    borrowers=st.integers(12, 90), seed=st.integers(0, 2**32), encoding=st.sampled_from(["gb18030", "utf-8"])
)
def test_good_rows_import_and_bad_rows_do_not(
    tmp_path_factory: pytest.TempPathFactory, borrowers: int, seed: int, encoding: str
) -> None:
    """Whatever the seed, the rows refused are exactly those named by `bad_rows`."""
    path = tmp_path_factory.mktemp("export") / "export.csv"
    synthetic.write_csv(path, borrowers, seed, TODAY, encoding=encoding)
    rows = list(open_export(path, builtin(), kind="borrower", today=TODAY).rows())
    assert len(rows) == borrowers
    assert {row.number - 1 for row in rows if row.rejections} == set(synthetic.bad_rows(borrowers))
    assert all({"borrower", "loan"} <= {draft.kind for draft in row.drafts} for row in rows if row.drafts)


def test_each_fault_is_refused_for_its_own_reason(tmp_path: Path) -> None:
    """The report names five different causes, so that a first look at it teaches something."""
    path = tmp_path / "export.csv"
    synthetic.write_csv(path, 60, 1, TODAY)
    rows = open_export(path, builtin(), kind="borrower", today=TODAY).rows()
    reasons = [(r.field, r.code, r.remedy) for row in rows for r in row.rejections]
    assert len(reasons) == len(set(reasons)) == len(synthetic.FAULTS)


def test_every_stage_is_there(clean: list[list[str]]) -> None:
    """All stages from M1 to M6+ occur, counted as the vault counts them; the first rows go through them."""
    stages = [stage_of(TODAY - timedelta(days=int(row[9])), TODAY) for row in clean]
    assert stages[:7] == list(synthetic.STAGES)
    assert set(stages) == set(synthetic.STAGES)


def test_numbers_are_valid_and_nobody_shares_one(clean: list[list[str]]) -> None:
    """ID numbers, phones and cards pass their check digits and are all different."""
    for column in (0, 2, 3, 4):
        assert len({row[column] for row in clean}) == MANY
    assert all(id_check(row[2][:17]) == row[2][17] and luhn(row[4]) for row in clean)
    own, contacts = {row[3] for row in clean}, {row[12] for row in clean if row[12]}
    assert not own & contacts


def test_id_number_matches_the_address(clean: list[list[str]]) -> None:
    """One district code stands for one district: of the address as of the ID number."""
    places = {(row[2][:6], row[5].rpartition("区")[0]) for row in clean}
    assert len(places) == len({code for code, _ in places}) == len({name for _, name in places}) > 50


def test_some_rows_are_untidy(tmp_path: Path) -> None:
    """Full-width digits, +86, spaces, ￥ with commas, slashes and a lower-case x all occur in a file."""
    path = tmp_path / "export.csv"
    synthetic.write_csv(path, 2000, 3, TODAY)
    with path.open(encoding="gb18030", newline="") as file:
        text = "\n".join(itertools.chain.from_iterable(csv.reader(file)))
    signs = (r"[０-９]{11}", r"\+86 ", r"[0-9]{4} [0-9]{4}", r"￥[0-9]+,", r"2026/0", r"[0-9]{17}x")
    assert all(re.search(sign, text) for sign in signs)


def test_clean_has_no_faults() -> None:
    """A clean export keeps the good form of every row that the other one spoils."""
    bad = synthetic.bad_rows(60)
    tidy, real = (list(synthetic.export(60, 5, TODAY, clean=c)) for c in (True, False))
    assert len(tidy) == len(real) == 60
    assert all(tidy[n] != real[n] for n in bad)


def test_made_up_people_belong_to_nobody(clean: list[list[str]]) -> None:
    """Sequence codes kept for the very old, and mail domains reserved for examples (RFC 2606)."""
    assert all(row[2][14:17] in {"996", "997", "998", "999"} for row in clean)
    assert all(row[7].split("@")[1] in {"example.com", "example.net", "example.org"} for row in clean)
