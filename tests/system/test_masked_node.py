"""A node that holds only the masked key serves masked reads, and can do and be made to do nothing else."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from kit import Made, attempt, borrowers, leaks, make_vault, promise, reopen, shown, sql, values

from vault.access import tokens
from vault.access.tokens import Limits
from vault.auditing import Question
from vault.crypto import mac
from vault.crypto.bodies import BodyOpener, body_context
from vault.crypto.keys import TenantKeys
from vault.crypto.provider import LocalKeys
from vault.crypto.sealing import open_fields
from vault.crypto.sign import SigningKey, token_bytes
from vault.crypto.wrap import WrappingKey, secret_context, shelf_context
from vault.errors import Denied, Tampered, VaultError
from vault.ledger import stub
from vault.model import COMPARTMENTS, Context, Hold, Sealed
from vault.vault import Vault

ROWS: Final = borrowers(3)


def masked_keys(made: Made) -> Path:
    """A key folder as a masked node gets it: the subset's keys, and the epochs where they are."""
    folder = made.outside / "node"
    if folder.exists():
        return folder
    node = LocalKeys.create(folder)
    (folder / "epochs").rmdir()
    (folder / "epochs.path").write_text("../vault/keys/epochs")
    node.add_tenant(made.vault.provider.tenant("main").subset(frozenset({"masked"})))
    return folder


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Made]:
    """A vault with three borrowers, a note and a promise, and a history."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    made.load([attempt(1, 0)], kind="contact_attempt")
    made.vault.writing().write(made.token("dpo", "subject_request"), [promise(1, 0)])
    made.vault.reading().read(made.token("legal"), made.ids(ROWS))
    yield made
    made.vault.close()


@pytest.fixture
def node(whole: Made) -> Iterator[Vault]:
    """The same vault on a masked node."""
    with Vault.open(whole.folder, keys=masked_keys(whole), clock=whole.clock) as vault:
        yield vault


def test_it_serves_masked_reads(whole: Made, node: Vault) -> None:
    """What a collector sees there is byte for byte what a whole node shows, and is logged the same way."""
    ids, token, before = whole.ids(ROWS), whole.token("collector"), whole.size()
    here, there = node.reading().read(token, ids), whole.vault.reading().read(token, ids)
    assert [values(item) for item in here.items] == [values(item) for item in there.items]
    assert {f.view for item in here.items for f in item.fields.values()} == {"MASKED", "HIDDEN"}
    assert whole.size() == before + 6


def test_a_role_that_may_see_clear_is_shown_masks_there(whole: Made, node: Vault) -> None:
    """A legal token either is refused by a masked node or gets masks: never a clear value."""
    (first,) = whole.ids(ROWS[:1])
    found = node.reading().read(whole.token("legal"), [first])
    assert "CLEAR" not in {f.view for f in shown(found).fields.values()}
    clear = whole.token("legal", limits=Limits(audience=frozenset({"clear"})))
    with pytest.raises(Denied) as caught:
        node.reading().read(clear, [first])
    assert caught.value.code == "audience_denied"


def refusals(whole: Made, node: Vault) -> dict[str, Callable[[], object]]:
    """Everything a masked node must refuse."""
    ids = whole.ids(ROWS)
    legal, auditor, dpo = whole.token("legal"), whole.token("auditor"), whole.token("dpo")
    importer, person = whole.token("importer"), whole.token("dpo", "subject_request")
    plan = whole.vault.erasing().plan(dpo, as_of=date(2032, 1, 1))
    file = whole.file(ROWS)
    return {
        "find": lambda: node.reading().find(legal, field="phone", value=ROWS[0]["手机"]),
        "list": lambda: node.reading().list_records(legal, kind="loan"),
        "write": lambda: node.writing().write(person, [promise(2, 0)]),
        "import": lambda: node.writing().import_file(
            importer, file, kind="borrower", report=whole.outside / "r.jsonl"
        ),
        "issue": lambda: node.granting().issue(whole.identity, role="legal", purpose="legal_action"),
        "principal": lambda: node.granting().add_principal(whole.identity, name="某人", roles=("legal",)),
        "disable": lambda: node.granting().disable(whole.identity, whole.identity.principal),
        "ask": lambda: node.auditing().ask(auditor, Question()),
        "export": lambda: node.auditing().export(auditor, whole.outside / "tiles"),
        "plan": lambda: node.erasing().plan(dpo, as_of=date(2032, 1, 1)),
        "execute": lambda: node.erasing().execute(dpo, plan.id, yes=True),
        "hold": lambda: node.erasing().add_hold(
            dpo, ids, Hold(number="H", authority="法院", until="2050-01-01")
        ),
        "tenant": lambda: node.add_tenant(whole.identity, "third"),
    }


def test_it_refuses_everything_else(whole: Made, node: Vault) -> None:
    """Search, listing, writing, granting, auditing, planning and erasing are `audience_denied`, exit 3."""
    came = {}
    for name, verb in refusals(whole, node).items():
        try:
            verb()
        except VaultError as error:
            came[name] = f"{error.exit_code} {error.code}"
        else:
            came[name] = "done"
    assert came == dict.fromkeys(came, "3 audience_denied")
    assert whole.vault.erasing().holds(whole.token("dpo")) == []
    assert reopen(whole).vault.tenants == ["main"]
    whole.vault.auditing().walk()


def test_its_keys_can_ask_for_nothing_more(whole: Made, node: Vault) -> None:
    """Its key ring has no compartment, index, issuer or audit key to be talked into using."""
    keys = node.provider.tenant("main")
    spec = whole.vault.tenancy().schema.kind("borrower").fields
    wanted: list[Callable[[], object]] = [lambda: keys.issuer, lambda: keys.audit_private]
    wanted += [lambda c=c: keys.compartment(c, 1) for c in COMPARTMENTS if c != "masked"]  # type: ignore[misc]
    for field in spec.values():
        if field.indexed and field.compartment != "masked":
            wanted.append(lambda f=field: keys.index(f.compartment, "borrower", f.name))  # type: ignore[misc]
    for ask in wanted:
        with pytest.raises(Denied) as caught:
            ask()
        assert caught.value.code == "audience_denied"
    assert len(wanted) >= 11
    assert keys.held == {"masked"}
    assert not keys.whole


def material(folder: Path) -> set[bytes]:
    """Every 32-byte string that the files of a key folder hold, decoded in every way they are written."""
    found: set[bytes] = set()
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            words = data.replace(b":", b'"').replace(b",", b'"').split(b'"')
            for word in (*words, data.partition(b"\n")[2], data):
                for raw in (word, _decoded(word)):
                    found |= {raw} if len(raw) == 32 else set()
    return found


def _decoded(word: bytes) -> bytes:
    try:
        return base64.b64decode(word, validate=True)
    except ValueError:
        return b""


def stolen(whole: Made) -> tuple[set[bytes], LocalKeys]:
    """All key material of a masked node and the epochs it shares, and keys derived from it in one step."""
    folder = masked_keys(whole)
    node = LocalKeys(folder)
    keys = node.tenant("main")
    held = material(folder) | material(whole.folder / "keys" / "epochs")
    held |= {keys.facts_key, keys.head_key, keys.handle_key, keys.case_key}
    for key, label in itertools.product(list(held), (*COMPARTMENTS, "index", "audit", "issuer")):
        held.add(mac.derive(key, label))
    return held, node


def secrets(whole: Made, node: LocalKeys) -> dict[str, bytes]:
    """Every record's secret, which a masked node can unwrap: the erasure axis alone opens nothing."""
    tenancy = whole.vault.tenancy()
    found = {}
    for row in tenancy.stores.keys.fetch("main", tenancy.stores.keys.records("main", "", 1000)):
        shelf = tenancy.stores.keys.shelf("main", row.shelf)
        assert shelf is not None
        context = shelf_context("main", shelf.shelf, shelf.generation, shelf.epoch)
        key = WrappingKey(node.unwrap("main", shelf.epoch, shelf.wrapped, context))
        where = secret_context("main", row.shelf, row.generation, row.record, row.version)
        found[row.record] = key.unwrap(row.wrapped, where)
    return found


def test_its_whole_folder_opens_no_other_compartment(whole: Made) -> None:
    """An attacker with the node's files and every store tries all keys on every payload: masks alone open."""
    held, node = stolen(whole)
    by_record = secrets(whole, node)
    opened: dict[str, int] = dict.fromkeys(COMPARTMENTS, 0)
    rows = sql(
        whole,
        "records",
        "SELECT subject, record, kind, version, compartment, generation, suite, sealed FROM payloads",
    )
    text = b""
    for subject, record, kind, version, compartment, generation, suite, blob in rows:
        context = Context(
            tenant="main", subject=subject, record=record, kind=kind, version=version,
            compartment=compartment, generation=generation, suite=suite,
        )  # fmt: skip
        for key in held:
            for secret in (by_record[record], key):
                try:
                    clear = open_fields(Sealed(context=context, blob=blob), secret, key)
                except Tampered:
                    continue
                opened[compartment] += 1
                text += b"".join(map(bytes, clear.values.values()))
    assert opened.pop("masked") == len(by_record)
    assert opened == dict.fromkeys(opened, 0)
    clear_of = [row[name] for row in ROWS for name in ("客户姓名", "证件号", "手机", "银行卡号", "户籍地址")]
    assert leaks(text, clear_of) == []


def test_its_whole_folder_opens_no_entry_body(whole: Made) -> None:
    """Who was looked at stays sealed to the auditing room."""
    held, _ = stolen(whole)
    rows = sql(whole, "ledger", "SELECT b.sealed, e.stub FROM bodies b JOIN entries e USING (tenant, idx)")
    assert len(rows) > 5
    for private in held:
        opener = BodyOpener(private, "main")
        for sealed, leaf in rows:
            with pytest.raises(Tampered):
                opener.open(sealed, b"", body_context("main", stub.decode(leaf).commitment))


def test_its_whole_folder_is_no_guessing_oracle(whole: Made) -> None:
    """None of its keys gives the digest under which a known phone number or ID number is indexed."""
    held, _ = stolen(whole)
    digests = {
        d for (d,) in sql(whole, "index", "SELECT digest FROM blind WHERE field IN ('phone','id_number')")
    }
    guesses: set[Any] = set()
    for key, field in itertools.product(held, ("phone", "id_number", "bank_card")):
        root = mac.index_key(key, "main", "borrower", field)
        for row in ROWS:
            for value in (row["手机"], row["证件号"]):
                guesses |= {mac.index_digest(root, value), mac.index_digest(key, value)}
    assert not digests & guesses


def test_its_whole_folder_issues_no_token(whole: Made, node: Vault) -> None:
    """A token signed with any key it holds is refused by every node."""
    held, _ = stolen(whole)
    (first,) = whole.ids(ROWS[:1])
    keys = whole.vault.tenancy().keys
    for seed in held:
        forged = tokens.issue(
            issuer=SigningKey.from_seed(seed), origin=keys.origin, tenant="main",
            principal=whole.identity.principal, role="legal", purpose="legal_action",
            actions=frozenset({"read"}), limits=Limits(ttl_us=60_000_000),
            policy_hash=whole.vault.tenancy().policy.hash, ticket="", now_us=whole.clock.now,
            holder=SigningKey.generate(), jti=token_bytes(16),
        )  # fmt: skip
        for vault in (whole.vault, node):
            with pytest.raises(Denied) as caught:
                vault.reading().read(forged, [first])
            assert caught.value.code == "token_invalid"


def test_a_subset_without_the_masked_key_is_refused(whole: Made) -> None:
    """Every read starts at the masked compartment, and unknown names are refused."""
    keys: TenantKeys = whole.vault.provider.tenant("main")
    for wrong in (frozenset({"contact"}), frozenset({"masked", "nothing"}), frozenset[str]()):
        with pytest.raises(VaultError) as caught:
            keys.subset(wrong)
        assert caught.value.exit_code == 2


def test_a_node_with_one_more_compartment_opens_that_one_only(whole: Made) -> None:
    """A node for contact data serves phone numbers in clear and can't open the ID number."""
    folder = whole.outside / "contact-node"
    LocalKeys.create(folder).add_tenant(
        whole.vault.provider.tenant("main").subset(frozenset({"masked", "contact"}))
    )
    (folder / "epochs").rmdir()
    (folder / "epochs.path").write_text("../vault/keys/epochs")
    (first,) = whole.ids(ROWS[:1])
    token = whole.token("legal")
    with Vault.open(whole.folder, keys=folder, clock=whole.clock) as node:
        phone = node.reading().read(token, [first], fields=("phone",))
        assert values(shown(phone))["phone"] == ROWS[0]["手机"]
        found = node.reading().read(token, [first], fields=("id_number",))
        assert (found.items, [e.code for e in found.errors]) == ([], ["audience_denied"])
