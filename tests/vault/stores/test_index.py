"""The index store: finding by digest, listing by open attributes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault.errors import Invalid, Unavailable
from vault.stores.errors import Conflict
from vault.stores.index import IndexStore
from vault.stores.rows import AttributeRow, BlindRow


def blind(record: str, digest: bytes, field: str = "phone", tenant: str = "main") -> BlindRow:
    """A digest of a borrower's field."""
    return BlindRow(tenant=tenant, kind="borrower", field=field, digest=digest, record=record)


def attribute(record: str, name: str, value: str, kind: str = "loan") -> AttributeRow:
    """An open attribute."""
    return AttributeRow(tenant="main", kind=kind, name=name, value=value, record=record)


def test_find_by_digest(index: IndexStore) -> None:
    """A digest finds the records of its kind, field and tenant, and no others."""
    index.put(
        "main", [], [blind("r2", b"x"), blind("r1", b"x"), blind("r3", b"y"), blind("r4", b"x", "id")], []
    )
    index.put("b", [], [blind("r9", b"x", tenant="b")], [])
    assert index.find("main", "borrower", "phone", b"x") == ["r1", "r2"]
    assert index.find("main", "loan", "phone", b"x") == []
    assert index.find_many("main", "borrower", "phone", [b"x", b"y", b"z", b"x"]) == {
        b"x": ["r1", "r2"],
        b"y": ["r3"],
    }


def test_put_replaces_only_what_it_names(index: IndexStore) -> None:
    """A record's old rows go with its new ones; an unannounced second indexing is refused whole."""
    index.put(
        "main", [], [blind("r1", b"old"), blind("r2", b"old")], [attribute("r1", "stage", "M1", "borrower")]
    )
    index.put("main", ["r1"], [blind("r1", b"new")], [])
    assert index.find("main", "borrower", "phone", b"old") == ["r2"]
    assert index.find("main", "borrower", "phone", b"new") == ["r1"]
    with pytest.raises(Conflict):
        index.put("main", [], [blind("r3", b"three"), blind("r2", b"two")], [])
    assert index.find("main", "borrower", "phone", b"three") == []


def test_delete_clear_and_count(index: IndexStore) -> None:
    """Records are counted once however many rows they have; clearing spares other tenants."""
    index.put("main", [], [blind("r1", b"x"), blind("r1", b"y", "id")], [attribute("r2", "stage", "M1")])
    index.put("main", [], [], [attribute("r3", "", "", "case")])
    index.put("b", [], [blind("r1", b"x", tenant="b")], [])
    assert (index.count("main"), index.count("main", "loan"), index.count("main", "case")) == (3, 1, 1)
    index.delete("main", ["r1", "none"])
    assert index.count("main") == 2
    index.clear("main")
    assert (index.count("main"), index.count("b")) == (0, 1)


def test_select_pages_conditions_and_order(index: IndexStore) -> None:
    """Conditions are joined by and; records without the sorting attribute come last; each page goes on."""
    rows = {
        "r1": {"stage": "M3", "band": "2"}, "r2": {"stage": "M1", "band": "1"}, "r4": {"band": "2"},
        "r3": {"stage": "M2", "band": "2"}, "r5": {"stage": "M2", "band": "2"},
    }  # fmt: skip
    index.put("main", [], [], [attribute(r, n, v) for r, named in rows.items() for n, v in named.items()])

    def listed(where: list[tuple[str, str, object]], sort: str | None) -> list[str]:
        names, cursor = [], None
        while True:
            page, cursor = index.select("main", "loan", where, sort, cursor, 2)
            assert all(found == rows[name] for name, found in page)
            names += [name for name, _ in page]
            if cursor is None:
                return names

    assert listed([], None) == ["r1", "r2", "r3", "r4", "r5"]
    assert listed([("band", "=", "2")], "stage") == ["r3", "r5", "r1", "r4"]
    assert listed([("band", "=", "2")], "-stage") == ["r1", "r5", "r3", "r4"]
    assert listed([("stage", ">=", "M2"), ("stage", "!=", "M3")], None) == ["r3", "r5"]
    assert listed([("stage", "in", ["M1", "M3"])], "band") == ["r2", "r1"]
    assert index.select("main", "borrower", [], None, None, 2) == ([], None)


@pytest.mark.parametrize("cursor", ["", "!", "bm8=", "WzAsMSwyXQ=="])
def test_a_malformed_cursor_is_refused(index: IndexStore, cursor: str) -> None:
    """A cursor that the store didn't make is an error, never a page."""
    with pytest.raises(Invalid):
        index.select("main", "loan", [], None, cursor, 2)


def test_an_unknown_operator_is_refused(index: IndexStore) -> None:
    """Only the closed list of operators is taken."""
    with pytest.raises(Invalid):
        index.select("main", "loan", [("stage", "like", "M%")], None, None, 2)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.one_of(st.none(), st.text("aB_é贷 0", max_size=3)), max_size=12),
    sort=st.sampled_from([None, "x", "-x"]),
    limit=st.integers(1, 5),
)
def test_paging_meets_every_record_once_in_order(
    index: IndexStore, values: list[str | None], sort: str | None, limit: int
) -> None:
    """Whatever the values, the pages together are the whole sorted list, in byte order on every engine."""
    index.clear("main")
    named = {f"r{n:02}": value for n, value in enumerate(values)}
    index.put(
        "main",
        [],
        [],
        [attribute(r, "x" if v is not None else "", v or "", "loan") for r, v in named.items()],
    )
    having = sorted((v.encode(), r) for r, v in named.items() if v is not None)
    lacking = [r for r, v in named.items() if v is None]
    wanted = {
        None: sorted(named),
        "x": [r for _, r in having] + lacking,
        "-x": [r for _, r in having[::-1]] + lacking,
    }[sort]  # fmt: skip
    got, cursor = [], None
    while True:
        page, cursor = index.select("main", "loan", [], sort, cursor, limit)
        got += [record for record, _ in page]
        if cursor is None:
            break
    assert got == wanted


def test_writers_take_turns(index: IndexStore) -> None:
    """One writer at a time looks and stores; another of the same tenant waits."""
    store = index
    order: list[str] = []
    entered = threading.Event()

    def second() -> None:
        entered.wait()
        with store.turn("main"):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with store.turn("main"):
        entered.set()
        with store.turn("other"):
            order.append("another tenant")
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["another tenant", "first", "second"]


def test_a_turn_ends_with_an_error(index: IndexStore) -> None:
    """A writer that fails gives its turn back."""

    def failing() -> None:
        with index.turn("main"):
            raise Invalid("no")

    with pytest.raises(Invalid):
        failing()
    with index.turn("main"):
        pass


def test_waiting_in_vain(index: IndexStore) -> None:
    """Whoever keeps the turn too long makes others fail, to be retried; nothing waits for ever."""
    index.patience = 0.1
    with index.turn("main"), pytest.raises(Unavailable) as busy, index.turn("main"):
        pass
    assert busy.value.code == "busy"
    with index.turn("main"):
        pass


def test_a_folder_that_cannot_lock(tmp_path: Path) -> None:
    """Where no lock can be had the writer is told so, in the store's own words."""
    store = IndexStore.open(f"sqlite:///{tmp_path}/index.db")
    store.create()
    (tmp_path / "index.db.main.turn").mkdir()
    with pytest.raises(Unavailable), store.turn("main"):
        pass
