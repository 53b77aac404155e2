"""Every kind a vault holds: written, sealed and read again, masked where it must be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import kit
import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st

from vault.access.masking import FULL, mask
from vault.access.tokens import Limits
from vault.errors import Invalid
from vault.intake.records import drafts_of
from vault.intake.values import normalise
from vault.schema import builtin

CASE = "AJ-700000"
KINDS = list(builtin().kinds)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kit.Made]:
    """A vault with one borrower and their loan."""
    made = kit.make_vault(tmp_path_factory.mktemp("kinds"))
    made.load(kit.borrowers(1))
    yield made
    made.vault.close()


def write(made: kit.Made, kind: str) -> str:
    """Store a full record of a kind; returns its id."""
    values = samples.sample(builtin().kind(kind), CASE)
    values.pop("outstanding_band", None)
    data = json.dumps({"kind": kind, "values": values, "cases": [CASE]}).encode()
    drafts = drafts_of(data, builtin(), made.vault.tenancy().today())
    (record,) = made.vault.writing().write(made.token("importer"), drafts).records
    return record


def expected(kind: str) -> dict[str, object]:
    """What whoever answers a person sees of a full record."""
    hidden = {"suppression": {"digest"}}.get(kind, set())
    return {
        name: None if name in hidden else value
        for name, value in samples.sample(builtin().kind(kind), CASE).items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_written_and_read(made: kit.Made, kind: str) -> None:
    """What was stored of each field comes back to whoever answers the person it is about."""
    record = write(made, kind)
    item = kit.shown(made.vault.reading().read(made.token("dpo", "subject_request"), [record]))
    assert kit.values(item) == expected(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_masked_for_a_masked_node(made: kit.Made, kind: str) -> None:
    """To a token for masked nodes alone, each field shows its mask, and no sensitive one its value."""
    record = write(made, kind)
    token = made.token("dpo", "subject_request", limits=Limits(audience=frozenset({"masked"})))
    shown = kit.values(kit.shown(made.vault.reading().read(token, [record])))
    for name, value in expected(kind).items():
        field = builtin().kind(kind).fields[name]
        if value is not None:
            wanted = None if field.mask == "hidden" else mask(field.mask, str(value))
            assert shown[name] == wanted, name
        if field.sensitive:
            assert shown[name] is None or shown[name] != value, name


FIELDS = [field for kind in builtin().kinds.values() for field in kind.fields.values()]


@given(st.data())
def test_values_of_every_field(data: st.DataObject) -> None:
    """Whatever is typed for any field: what is taken is canonical, and a mask never shows the whole of it."""
    field = data.draw(st.sampled_from(FIELDS))
    try:
        canonical = normalise(field.type, data.draw(samples.typed(field.type)))
    except Invalid:
        return
    assert normalise(field.type, canonical) == canonical
    if field.mask != "none":
        assert mask(field.mask, canonical) == FULL or mask(field.mask, canonical) != canonical


def test_samples_are_canonical() -> None:
    """The samples are what the vault would keep of them."""
    for kind in builtin().kinds.values():
        for name, value in samples.sample(kind, CASE).items():
            assert normalise(kind.fields[name].type, value) == value


def test_every_layout_is_stored_and_stays_when_imported_again(tmp_path: Path) -> None:
    """Each sample file goes in whole; nothing of it is new when the same file comes again."""
    made = kit.make_vault(tmp_path)
    made.load([{"案件编号": f"AJ-{n}", "客户姓名": "张三"} for n in (1, 2, 3)])
    path = tmp_path / "sample.csv"
    for kind, text in samples.FILES.items():
        path.write_text(text, "utf-8")
        for again in (False, True):
            found = made.vault.writing().import_file(
                made.token("importer"), path, kind=kind, report=tmp_path / "report.jsonl"
            )
            assert (found.rejected, found.unknown) == (0, []), kind
            assert not (again and found.stored), kind
    made.vault.close()
