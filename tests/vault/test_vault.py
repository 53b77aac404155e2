"""Making and opening vaults."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, shown

from vault.auditing import Question
from vault.crypto.provider import LocalKeys
from vault.errors import ConfigError, Denied, NotFound, Tampered
from vault.vault import Vault


def test_a_new_vaults_folder(tmp_path: Path) -> None:
    """The files of INTERFACE, private; the log's key is one line; the first entry opens the log."""
    made = make_vault(tmp_path)
    names = {path.name for path in made.folder.iterdir() if not path.name.endswith(("-wal", "-shm"))}
    assert names == {
        "vault.toml", "policy.toml", "records.db", "index.db", "keys.db", "ledger.db", "log.vkey", "keys",
    }  # fmt: skip
    for path in made.folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (made.folder / "log.vkey").read_text() == made.vault.vkey().text() + "\n"
    (first,) = made.vault.auditing().ask(made.token("auditor"), Question(kind="open"))
    assert (first.index, first.reason) == (0, "sandbox")


def test_not_twice(tmp_path: Path) -> None:
    """A vault is never made over another one."""
    made = make_vault(tmp_path)
    with pytest.raises(ConfigError):
        Vault.init(made.folder)


def test_a_folder_may_move(tmp_path: Path) -> None:
    """All paths are relative: a moved vault opens and reads as before."""
    made = make_vault(tmp_path)
    made.load(borrowers(1))
    ids, token = made.ids(borrowers(1)), made.token("collector")
    made.vault.close()
    shutil.move(made.folder, tmp_path / "elsewhere")
    with Vault.open(tmp_path / "elsewhere", clock=made.clock) as moved:
        assert shown(moved.reading().read(token, ids)).ref


@pytest.mark.parametrize("file", ["policy.toml", "vault.toml"])
@pytest.mark.parametrize("sandbox", [True, False])
def test_sandbox_is_for_life(tmp_path: Path, file: str, sandbox: bool) -> None:  # noqa: FBT001 - a parameter
    """A sandbox can't be set or cleared later: policy, settings and the log's origin must agree."""
    made = make_vault(tmp_path, sandbox=sandbox)
    made.vault.close()
    text = (made.folder / file).read_text("utf-8")
    was, now = f"sandbox = {str(sandbox).lower()}", f"sandbox = {str(not sandbox).lower()}"
    assert was in text
    (made.folder / file).write_text(text.replace(was, now), "utf-8")
    with Vault.open(made.folder, clock=made.clock) as changed, pytest.raises(ConfigError):
        changed.reading()


def test_sandbox_stands_in_the_origin(tmp_path: Path) -> None:
    """The log's own name says that it is a learning vault."""
    assert make_vault(tmp_path / "a").vault.vkey().name.startswith("sandbox.")
    assert not make_vault(tmp_path / "b", sandbox=False).vault.vkey().name.startswith("sandbox.")


def test_an_unsound_policy_does_not_open(tmp_path: Path) -> None:
    """A policy in which an admin sees a borrower is refused before anything is served."""
    made = make_vault(tmp_path)
    made.vault.close()
    path = made.folder / "policy.toml"
    grant = (
        '\n[[grants]]\nid = "x"\nroles = ["admin"]\npurposes = ["administration"]\nactions = ["read"]\n'
        'source = "none"\n[grants.kinds.borrower]\nmasked = ["name"]\n'
    )
    path.write_text(path.read_text("utf-8") + grant, "utf-8")
    with Vault.open(made.folder, clock=made.clock) as changed, pytest.raises(ConfigError):
        changed.reading()


def test_a_changed_policy_is_an_entry(tmp_path: Path) -> None:
    """The first use of another policy leaves an entry with its hash."""
    made = make_vault(tmp_path)
    made.vault.auditing().ask(made.token("auditor"), Question())
    made.vault.close()
    path = made.folder / "policy.toml"
    path.write_text(path.read_text("utf-8") + "\n# reviewed\n", "utf-8")
    again = made.reopened()
    lines = again.vault.auditing().ask(again.token("auditor"), Question(kind="policy"))
    assert len({line.detail for line in lines}) == len(lines) == 2


def test_tenants_are_apart(tmp_path: Path) -> None:
    """Each tenant has its own keys, log and principals; nothing of one opens in another."""
    made = make_vault(tmp_path)
    other = made.vault.add_tenant(made.identity, "xinghe")
    made.load(borrowers(1))
    ids = made.ids(borrowers(1))
    granting = made.vault.granting("xinghe")
    token = granting.issue(other, role="collector", purpose="repayment_reminder")
    assert [e.code for e in made.vault.reading("xinghe").read(token, ids).errors] == [NotFound.default_code]
    with pytest.raises(Denied):
        made.vault.reading("main").read(token, ids)
    with pytest.raises(Denied):
        granting.issue(made.identity, role="collector", purpose="repayment_reminder")
    assert made.vault.tenants == ["main", "xinghe"]
    assert made.vault.vkey("xinghe").name != made.vault.vkey("main").name
    with pytest.raises(Denied):
        made.vault.add_tenant(other, "third")
    with pytest.raises(ConfigError):
        made.vault.reading("nobody")


def test_only_an_admin_adds_a_tenant(tmp_path: Path) -> None:
    """A registered principal without the role is refused: no keys are made, and the refusal is an entry."""
    made = make_vault(tmp_path, sandbox=False)
    dpo = made.vault.granting().add_principal(made.identity, name="d", roles=("dpo", "importer"))
    before = made.size()
    with pytest.raises(Denied) as refusal:
        made.vault.add_tenant(dpo, "xinghe")
    assert refusal.value.code == "role_denied"
    assert made.vault.tenants == ["main"]
    assert made.size() == before + 1
    assert made.vault.add_tenant(made.identity, "xinghe").principal


def test_keys_can_lie_elsewhere(tmp_path: Path) -> None:
    """`--keys DIR` puts them apart from the data, and the settings remember it relatively."""
    vault, _ = Vault.init(tmp_path / "v", keys=tmp_path / "k", passphrase="correct horse")
    vault.close()
    assert not (tmp_path / "v" / "keys").exists()
    with pytest.raises(ConfigError):
        Vault.open(tmp_path / "v")
    with Vault.open(tmp_path / "v", passphrase="correct horse") as again:
        assert again.tenants == ["main"]


def test_a_cut_ledger_is_noticed_while_open(tmp_path: Path) -> None:
    """A node remembers the log's end: an older ledger put back under it stops the next read."""
    made = make_vault(tmp_path)
    made.load(borrowers(1))
    ids, token = made.ids(borrowers(1)), made.token("collector")
    made.vault.stores.ledger.truncate()
    old = {p.name: p.read_bytes() for p in made.folder.glob("ledger.db*")}
    made.vault.reading().read(token, ids)
    _put_back(made, old)
    with pytest.raises(Tampered, match="shortened"):
        made.vault.reading().read(token, ids)


def _put_back(made: Made, files: dict[str, bytes]) -> None:
    """Give the ledger its old content through SQLite, as a DBA would who restores a backup in place."""
    import sqlite3
    from contextlib import closing

    path = made.outside / "old-ledger.db"
    path.write_bytes(files["ledger.db"])
    with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(made.folder / "ledger.db")) as live:
        old.backup(live)


def test_exported_keys_are_the_subset_and_an_entry(tmp_path: Path) -> None:
    """A masked node's folder holds the masked key of every tenant and no more; each tenant's log says so."""
    made = make_vault(tmp_path, tenants=("second",))
    made.vault.export_keys(made.identity, tmp_path / "node", frozenset({"masked"}))
    node = LocalKeys(tmp_path / "node")
    assert node.tenants() == ["main", "second"]
    for tenant in node.tenants():
        keys = node.tenant(tenant)
        assert (keys.held, keys.whole) == (frozenset({"masked"}), False)
        for power in ("issuer", "audit_private"):
            with pytest.raises(Denied):
                getattr(keys, power)
        asked = made.vault.auditing(tenant).ask(made.token("auditor", tenant=tenant), Question(kind="key"))
        assert [line.detail for line in asked] == ["export masked"]


def test_only_an_admin_takes_keys_out(tmp_path: Path) -> None:
    """Whoever isn't admin of `main` gets no key folder, and the try is an entry."""
    made = make_vault(tmp_path, sandbox=False)
    dpo = made.vault.granting().add_principal(made.identity, name="d", roles=("dpo",))
    before = made.size()
    with pytest.raises(Denied) as refusal:
        made.vault.export_keys(dpo, tmp_path / "node", frozenset({"masked"}))
    assert refusal.value.code == "role_denied"
    assert made.size() == before + 1
    assert not (tmp_path / "node").exists()


def test_keys_leave_with_two_persons_yes(tmp_path: Path) -> None:
    """An admin alone gets no key folder; with another's approval of these compartments, one."""
    made = make_vault(tmp_path, sandbox=False)
    granting = made.vault.granting()
    approver = granting.add_principal(made.identity, name="a", roles=("approver",))
    request = granting.ask(made.identity, "keys", ("export masked",), reason="a node for the dialer")
    granting.approve(approver, request.id)
    for compartments, given in (({"masked"}, None), ({"masked", "contact"}, request.id)):
        with pytest.raises(Denied) as refusal:
            made.vault.export_keys(made.identity, tmp_path / "node", frozenset(compartments), request=given)
        assert refusal.value.code == "approval_required"
    made.vault.export_keys(made.identity, tmp_path / "node", frozenset({"masked"}), request=request.id)
    assert LocalKeys(tmp_path / "node").tenants() == ["main"]
    with pytest.raises(Denied):
        made.vault.export_keys(made.identity, tmp_path / "more", frozenset({"masked"}), request=request.id)
