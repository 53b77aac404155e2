"""Items on their way through a read: how a decision lays out what is shown, and how the way ends."""

from __future__ import annotations

import pytest

from vault.errors import Denied, NotFound, Tampered
from vault.items import Item, Layout
from vault.model import Decision, Receipt, ShownField, View
from vault.preparing import REF
from vault.schema import builtin

SPEC = builtin().kind("borrower")


def decision(**views: View) -> Decision:
    """A decision about a borrower."""
    return Decision(
        kind="borrower", views=views, compartments=("masked",), masked_bits=0, clear_bits=0,
        states=frozenset({"ACTIVE"}), policy="p",
    )  # fmt: skip


def test_a_layout_keeps_what_is_granted_and_no_more() -> None:
    """CLEAR comes from the field's own compartment, MASKED from the masked one, HIDDEN from none."""
    layout = Layout(decision(name=View.MASKED, phone=View.CLEAR, id_number=View.HIDDEN), SPEC)
    assert layout.keep == {"masked": {"name", REF}, SPEC.fields["phone"].compartment: {"phone"}}
    assert layout.shown == [("name", "MASKED"), ("phone", "CLEAR")]
    assert layout.hidden == dict.fromkeys(
        ("name", "phone", "id_number"), ShownField(view="HIDDEN", value=None)
    )


def test_a_field_without_a_mask_lies_in_the_masked_compartment() -> None:
    """Shown CLEAR or MASKED, it is opened with the key that every node has."""
    plain = next(name for name, field in SPEC.fields.items() if field.mask == "none")
    assert Layout(decision(**{plain: View.CLEAR}), SPEC).keep == {"masked": {plain, REF}}


def test_nothing_granted_opens_nothing() -> None:
    """Not even the external id is kept where every field is hidden."""
    layout = Layout(decision(name=View.HIDDEN), SPEC)
    assert (layout.keep, layout.shown) == ({}, [])


def test_a_refusal_ends_the_way() -> None:
    """Fields opened before are dropped; whether the whole request is wrong is remembered."""
    item = Item(id="r-1", record="r-1")
    item.fields = {"name": ShownField(view="MASKED", value=None)}
    assert item.granted
    item.refuse(Denied("no", code="case_closed"))
    assert (item.granted, item.fields, item.whole) == (False, {}, False)
    item.refuse(Denied("no", code="role_denied"), whole=True)
    assert item.whole


def test_what_is_forgotten_leaves_no_tag() -> None:
    """Whose it was is gone with it: subject, kind and the secret of the log."""
    item = Item(id="r-1", record="r-1")
    item.log_secret = b"u"
    item.forget(NotFound())
    assert (item.subject, item.kind, item.log_secret, item.log_shelf) == ("", "", b"", "")


def test_nothing_is_shown_that_was_not_opened() -> None:
    """A receipt alone makes no record."""
    with pytest.raises(Tampered):
        Item(id="r-1").shown(Receipt(origin="o", index=0, leaf="00"))
