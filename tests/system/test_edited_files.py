"""One flipped bit in a file, a token or a certificate, and it is refused by name."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest
from kit import Made, reopen
from msgspec.structs import replace
from system.tampering import ROWS, bits, cuts, verdict

from vault.access.tokens import Credential
from vault.auditing import Question
from vault.crypto.keys import KeyFile
from vault.crypto.sign import SigningKey
from vault.errors import ConfigError, Denied, Invalid, Tampered, VaultError
from vault.ledger.certificate import open_certificate
from vault.vault import Vault


def test_a_flipped_bit_in_an_epoch_is_reported(made: Made) -> None:
    """A damaged epoch key opens no shelf: an error by name, whichever byte it is and however it was cut."""
    (other,) = made.ids(ROWS[1:])
    (path,) = (made.folder / "keys" / "epochs").glob("main-*.epoch")
    good, told = path.read_bytes(), []
    for bad in (*bits(good), *cuts(good), good[:-8], good[:-16]):
        path.write_bytes(bad)
        made = made.reopened()
        told.append(verdict(made, other))
    path.write_bytes(good)
    assert set(told) <= {"integrity", "ConfigError", "invalid_config"}, told
    assert verdict(made.reopened(), other) == "data"


def test_a_flipped_bit_in_the_key_file_never_gives_data_unseen(made: Made) -> None:
    """The vault doesn't open, refuses to read, or its log no longer verifies; it never crashes."""
    ids, path = made.ids(ROWS), made.folder / "keys" / "main.keys"
    token, good, made_vkey = made.token("legal"), path.read_bytes(), made.vault.vkey()
    made.vault.close()
    unseen = []
    for n, bad in enumerate((*bits(good, 160), *cuts(good))):
        path.write_bytes(bad)
        kept = [made.folder / "ledger.db", made.folder / "keys" / "main.checkpoint"]
        before = [(file, file.read_bytes()) for file in kept]
        try:
            vault = Vault.open(made.folder, clock=made.clock)
            try:
                read = vault.reading().read(token, ids)
                vault.auditing().walk()
                vault.auditing().ask(auditor(vault, made), Question())
                same = vault.vkey() == made_vkey and vault.granting().principals(made.identity)
                if read.items and same and not _harmless(good, bad):
                    unseen.append(n)
            finally:
                vault.close()
        except VaultError:
            pass
        for file, data in before:
            file.write_bytes(data)
    path.write_bytes(good)
    assert unseen == []
    assert verdict(reopen(made), ids[0]) == "data"


def auditor(vault: Vault, made: Made) -> Credential:
    """An auditor's token issued by this very vault."""
    return vault.granting().issue(made.identity, role="auditor", purpose="audit")


def _harmless(good: bytes, bad: bytes) -> bool:
    """Whether a file says the same after all: unused bits of base64, or a key that these reads don't need."""
    one, two = (msgspec.json.decode(data.partition(b"\n")[2], type=KeyFile) for data in (good, bad))
    needed = ("masked", "contact", "identity", "account")
    kept = ({name: file.compartments[name] for name in needed} for file in (one, two))
    one, two = (replace(file, compartments=keys) for file, keys in zip((one, two), kept, strict=True))
    return one == two


def test_a_flipped_bit_in_a_certificate_is_reported(made: Made) -> None:
    """Every bit of a certificate is under its signature."""
    room, token = made.vault.erasing(), made.token("dpo")
    done = room.execute(token, room.plan(token, as_of=date(2032, 1, 1)).id, yes=True)
    open_certificate(done.certificate, made.vault.vkey())
    unseen = []
    good = done.certificate.encode()
    for at in range(len(good)):
        bad = good[:at] + bytes([good[at] ^ (1 << at % 7)]) + good[at + 1 :]
        try:
            open_certificate(bad.decode(), made.vault.vkey())
        except Tampered:
            continue
        unseen.append(at)
    assert [good[at - 20 : at + 20] for at in unseen] == []


def test_a_flipped_bit_in_a_token_is_refused(made: Made) -> None:
    """Every character of a token counts, and so does its key."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    good, opened = token.token, []
    for at in range(len(good)):
        bad = good[:at] + chr(ord(good[at]) ^ (1 << at % 7)) + good[at + 1 :]
        if verdict(made, other, msgspec.structs.replace(token, token=bad)) != "Denied":
            opened.append(at)
    assert opened == []
    assert isinstance(token.key, SigningKey)
    for seed in bits(token.key.seed):
        assert (
            verdict(made, other, msgspec.structs.replace(token, key=SigningKey.from_seed(seed))) == "Denied"
        )


def test_a_flipped_bit_in_a_token_file_is_refused(made: Made) -> None:
    """A damaged token file isn't read, isn't honoured, or still says exactly the same token and key."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    for bad in bits(token.to_json(), 400):
        try:
            read = Credential.from_json(bad)
        except Invalid:
            continue
        assert verdict(made, other, read) == "Denied" or (read.token, read.key) == (token.token, token.key)


def test_a_flipped_bit_in_a_principal_file_is_refused(made: Made) -> None:
    """A damaged principal file acts for nobody."""
    good, acted = made.identity.to_json(), []
    for bad in bits(good, len(good)):
        try:
            identity = type(made.identity).from_json(bad)
            made.vault.granting().issue(identity, role="legal", purpose="legal_action")
        except (Invalid, Denied):
            continue
        if identity.signing.public != made.identity.signing.public:
            acted.append(bad)
    assert acted == []


def test_settings_cannot_turn_the_sandbox_on_or_off(made: Made, tmp_path: Path) -> None:
    """Policy, settings and the log's origin must agree on it."""
    made.vault.close()
    for name in ("policy.toml", "vault.toml"):
        path = made.folder / name
        good = path.read_text()
        path.write_text(good.replace("sandbox = true", "sandbox = false"))
        assert path.read_text() != good
        with pytest.raises(ConfigError):
            Vault.open(made.folder, clock=made.clock).reading()
        path.write_text(good)
    assert verdict(reopen(made), "r-none") == "not_found"
