"""Levers for tests of a vault's own schema: texts of own files, applying them, looking at stores raw."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final

from kit import Made

from vault.crypto.sealing import open_fields
from vault.crypto.wrap import secret_context
from vault.errors import Tampered
from vault.model import Context, Sealed
from vault.resealing import Applied
from vault.stores.rows import PayloadRow

WECHAT: Final = """
[kinds.borrower.fields.x_wechat]
number = 40
type = "text"
zh = "微信号"
en = "WeChat"
classification = "C2"
sensitive = false
source = "JR/T 0171-2020 C2 [S]"
compartment = "contact"
mask = "hidden"
indexed = true
"""
VEHICLE: Final = """
[kinds.x_vehicle]
zh = "车辆"
en = "Vehicle"
owner = "borrower"
ref = "vehicle_no"
keep_like = "contact_attempt"

[kinds.x_vehicle.fields.vehicle_no]
number = 0
type = "ref"
zh = "车辆编号"
en = "Vehicle number"
classification = "C1"
sensitive = false
source = "an internal mark [M]"
compartment = "masked"
mask = "none"
indexed = true

[kinds.x_vehicle.fields.case_number]
number = 1
type = "ref"
zh = "案件编号"
en = "Case number"
classification = "C1"
sensitive = false
source = "an internal mark [M]"
compartment = "masked"
mask = "none"
required = true

[kinds.x_vehicle.fields.plate]
number = 2
type = "text"
zh = "车牌号"
en = "Plate"
classification = "C2"
sensitive = true
source = "PIPL 28, whereabouts [M]"
compartment = "identity"
mask = "hidden"
indexed = true

[kinds.x_vehicle.fields.colour]
number = 3
type = "code"
zh = "颜色"
en = "Colour"
classification = "C1"
sensitive = false
source = "JR/T 0171-2020 C1 [S]"
compartment = "masked"
mask = "none"
open = true
openness = "three words"
"""
DARKER: Final = '[kinds.borrower.overrides.employer]\nmask = "hidden"\n'
UNFOUND: Final = "[kinds.borrower.overrides.phone]\nindexed = false\n"
OPENED: Final = '[kinds.loan.overrides.term]\nopen = true\nopenness = "a span of time [M]"\n'
POLICY: Final = """
[[grants]]
id = "own-kinds"
roles = ["legal"]
purposes = ["legal_action"]
actions = ["read", "find", "list"]
source = "house rule"
[grants.kinds.x_vehicle]
clear = ["vehicle_no", "case_number", "plate", "colour"]
[grants.kinds.borrower]
clear = ["x_wechat"]
[[grants.find]]
kind = "x_vehicle"
field = "plate"
[[grants.find]]
kind = "borrower"
field = "x_wechat"
"""


def own(*parts: str, retired: Iterable[str] = ()) -> str:
    """An own file of these parts."""
    names = ", ".join(f'"{name}"' for name in retired)
    return "\n".join(["version = 1", f"retired = [{names}]" if names else "", *parts])


def without(made: Made, *names: str) -> None:
    """Take fields out of the vault's policy, wherever it names them."""
    path = made.folder / "policy.toml"
    text = path.read_text("utf-8")
    for name in names:
        text = text.replace(f' "{name}",', "")
    path.write_text(text, "utf-8")


def granted(made: Made) -> Made:
    """The vault with a policy that names the own fields; opened again."""
    path = made.folder / "policy.toml"
    path.write_text(path.read_text("utf-8") + POLICY, "utf-8")
    return made.reopened()


def applied(made: Made, text: str | None) -> tuple[Made, Applied]:
    """Put a schema in force; the vault opened again under it, and what was said."""
    done = made.vault.resealing(text).apply(made.token("admin"))
    return made.reopened(), done


def payloads(made: Made) -> list[PayloadRow]:
    """Every payload there is, of every version."""
    t, found, after = made.vault.tenancy(), list[PayloadRow](), ""
    while page := t.stores.records.scan_payloads(t.name, after, 100):
        found, after = found + page, page[-1].record
    return found


def opening(made: Made, rows: Iterable[PayloadRow]) -> bytes:
    """All that opens of payloads with any secret the key store still has of their record; as one text."""
    t, found = made.vault.tenancy(), [b""]
    by_record = itertools.groupby(sorted(rows, key=lambda row: row.record), key=lambda row: row.record)
    for record, mine in by_record:
        secrets = []
        for kept in t.stores.keys.versions(t.name, [record]):
            shelf = t.keeping._shelf_key(kept.shelf, kept.generation)
            context = secret_context(t.name, kept.shelf, kept.generation, record, kept.version)
            secrets.append(shelf.unwrap(kept.wrapped, context))
        for row, secret in itertools.product(mine, secrets):
            place = Context(
                tenant=row.tenant, subject=row.subject, record=row.record, kind=row.kind, version=row.version,
                compartment=row.compartment, generation=row.generation, suite=row.suite,
            )  # fmt: skip
            key = t.keys.compartment(row.compartment, row.generation)
            try:
                values = open_fields(Sealed(context=place, blob=row.sealed), secret, key).values
            except Tampered:
                continue
            found += [bytes(value) for value in values.values()]
    return b"\n".join(found)
