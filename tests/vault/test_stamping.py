"""Time stamps by an authority of `openssl ts`: verified before they are kept, given back as they came."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kit import Made, make_vault
from witnesskit import answer, running

from vault.auditing import Question
from vault.config import Stores
from vault.courier import Http
from vault.crypto import stamps
from vault.errors import ConfigError, Invalid, NotFound, Tampered, Unavailable

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the authority")

CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = {name}
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[tsa]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa_config]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
default_policy = 1.2.3.4
digests = sha256
ordering = no
accuracy = secs:1
signer_digest = sha256
ess_cert_id_alg = sha256
"""


class Authority:
    """A root, a time-stamping certificate under it, and `openssl ts -reply`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.config = folder / "openssl.cnf"
        self.config.write_text(CONFIG.format(name=folder.name, folder=folder), "utf-8")
        self.roots = folder / "root.pem"
        make = (
            "req",
            "-config",
            self.config,
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        )
        self.run(
            *make, "-x509", "-days", "30", "-extensions", "ca", "-keyout", "root.key", "-out", "root.pem"
        )
        self.run(*make, "-subj", f"/CN={folder.name} TSA", "-keyout", "tsa.key", "-out", "tsa.csr")
        self.run("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
                 "-days", "30", "-extfile", self.config, "-extensions", "tsa", "-out", "tsa.pem")  # fmt: skip

    def run(self, *words: object) -> bytes:
        """Run openssl in the folder."""
        done = subprocess.run(["openssl", *map(str, words)], cwd=self.folder, capture_output=True, check=True)
        return done.stdout

    def reply(self, query: bytes) -> bytes:
        """Stamp a query."""
        (self.folder / "q.tsq").write_bytes(query)
        self.run("ts", "-reply", "-config", self.config, "-section", "tsa_config", "-queryfile", "q.tsq",
                 "-out", "r.tsr")  # fmt: skip
        return (self.folder / "r.tsr").read_bytes()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority."""
    return Authority(tmp_path_factory.mktemp("tsa") / "good")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another one."""
    return Authority(tmp_path_factory.mktemp("tsa") / "other")


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """A sandbox on either engine."""
    stores = None
    if request.param == "postgresql":
        pg: Callable[[], str] = request.getfixturevalue("pg")
        stores = Stores(records=pg(), index=pg(), keys=pg(), ledger=pg())
    made = make_vault(tmp_path, stores=stores)
    yield made
    made.vault.close()


def test_a_reply_is_kept_once_verified_and_openssl_agrees(made: Made, authority: Authority) -> None:
    """Though the log has grown since the query; what is given back verifies with openssl."""
    room = made.vault.auditing()
    query, text = room.stamp_query(), room.pin()
    made.token("auditor")
    assert room.pin() != text
    kept = room.take_stamp("good", authority.reply(query), authority.roots.read_bytes())
    assert kept.at is not None
    found = room.stamped()
    assert (found.text, found.reply, found.authority) == (text, kept.reply, "good")
    (authority.folder / "back.tsr").write_bytes(found.reply)
    (authority.folder / "back.txt").write_bytes(found.text.encode())
    assert b"OK" in authority.run(
        "ts", "-verify", "-in", "back.tsr", "-data", "back.txt", "-CAfile", "root.pem"
    )
    (line,) = room.ask(made.token("auditor"), Question(kind="anchor"))
    assert line.detail is not None
    assert line.detail.startswith(f"stamped {found.size} good ")
    assert room.walk().kinds["anchor"] == 1
    with pytest.raises(NotFound):
        room.stamped("nobody")


def test_what_does_not_verify_is_not_kept(made: Made, authority: Authority, stranger: Authority) -> None:
    """Another root, another log's text, a byte changed, no stamp at all: nothing is kept or entered."""
    room, roots = made.vault.auditing(), authority.roots.read_bytes()
    reply = authority.reply(room.stamp_query())
    size = made.size()
    broken = bytearray(reply)
    broken[-5] ^= 1
    with pytest.raises(Tampered):
        room.take_stamp("x", reply, stranger.roots.read_bytes())
    with pytest.raises((Tampered, Invalid)):
        room.take_stamp("x", bytes(broken), roots)
    for bad in (b"", b"nonsense", reply[:-20], reply * 300):
        with pytest.raises(Invalid):
            room.take_stamp("x", bad, roots)
    with pytest.raises(Invalid):
        room.take_stamp("x", reply, b"no certificate")
    with pytest.raises(Invalid):
        room.take_stamp("a name", reply, roots)
    with pytest.raises(NotFound):
        room.take_stamp("x", authority.reply(stamps.query(b"something else")), roots)
    with pytest.raises(NotFound):
        room.stamped()
    assert made.size() == size
    room.take_stamp("x", reply, roots)


def test_over_http(made: Made, authority: Authority) -> None:
    """The query goes out and the reply comes back verified; an error or a redirect is no stamp."""
    room, roots = made.vault.auditing(), authority.roots.read_bytes()
    with running("tsa.example") as (server,):
        server.hook = lambda handler: answer(handler, 503, b"")
        with pytest.raises(Unavailable):
            room.stamp(Http(2), "good", server.url, roots)
        server.raw = lambda handler, body: answer(handler, 200, authority.reply(body))
        server.hook = None
        assert room.stamp(Http(2), "good", server.url, roots).text.startswith(made.vault.vkey().name)
    with pytest.raises(Invalid):
        room.stamp(Http(2), "good", "http://tsa.example/", roots)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else of the vault needs the library."""
    made = make_vault(tmp_path)
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(ConfigError, match="stamp"):
        made.vault.auditing().stamp_query()
    made.vault.auditing().verify()
    made.vault.close()
