"""A witness that is not ours: Debian's litewitness cosigns a log that grows, and refuses another history."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from kit import Made, borrowers, make_vault, reopen

from vault.courier import Http
from vault.errors import VaultError
from vault.ledger.cosignature import WitnessKey

NAME: Final = "witness.example/w1"
HTTP: Final = Http(timeout=5)
pytestmark = pytest.mark.nightly


@pytest.fixture
def tools() -> Path:
    """Where litewitness lies: Debian's package torchwood (sid), which runs on Debian 12 too."""
    if shutil.which("litewitness") is None or shutil.which("ssh-agent") is None:
        pytest.skip("litewitness and ssh-agent are not installed: Debian's torchwood, openssh-client")
    return Path(shutil.which("litewitness") or "")


class Witness:
    """litewitness with a key of its own in an ssh-agent."""

    def __init__(self, folder: Path, origin: str, vkey: str) -> None:
        self.folder, key = folder, folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        agent = ["ssh-agent", "-D", "-a", folder / "agent"]
        self.agent = subprocess.Popen(agent, stdout=subprocess.DEVNULL)
        self._wait_for((folder / "agent").exists)
        env = os.environ | {"SSH_AUTH_SOCK": str(folder / "agent")}
        subprocess.run(["ssh-add", "-q", key], env=env, check=True)
        blob = base64.b64decode((folder / "key.pub").read_text("ascii").split()[1])
        self.vkey = WitnessKey(name=NAME, public=blob[-32:]).text()
        for words in (["add-log"], ["add-key", "-key", vkey]):
            self._ctl(*words, "-origin", origin)
        self.port = _free()
        print_ = subprocess.run(["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True)
        command = [
            "litewitness", "-db", folder / "db", "-name", NAME, "-key", print_.stdout.split()[1],
            "-ssh-agent", folder / "agent", "-listen", f"127.0.0.1:{self.port}",
        ]  # fmt: skip
        with (folder / "said").open("wb") as said:
            self.server = subprocess.Popen(command, stdout=said, stderr=said)
        self._wait_for(self._answers)

    def _ctl(self, command: str, *more: str) -> None:
        subprocess.run(["witnessctl", command, "-db", self.folder / "db", *more], check=True)

    @staticmethod
    def _wait_for(ready: object) -> None:
        until = time.monotonic() + 20
        while not ready():  # type: ignore[operator]
            assert time.monotonic() < until
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def policy(self) -> str:
        """The tlog-policy that asks for its cosignature alone."""
        return f"witness w1 {self.vkey} http://127.0.0.1:{self.port}\nquorum w1\n"

    def close(self) -> None:
        """End both."""
        for process in (self.server, self.agent):
            process.terminate()
            process.wait(10)


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A sandbox."""
    made = make_vault(tmp_path)
    made.load(borrowers(2))
    yield made
    made.vault.close()


@pytest.fixture
def witness(tools: Path, made: Made, tmp_path: Path) -> Iterator[Witness]:
    """A witness that knows the log."""
    assert tools
    folder = tmp_path / "w"
    folder.mkdir()
    vkey = made.vault.auditing().vkey
    found = Witness(folder, vkey.name, vkey.text())
    yield found
    found.close()


def test_it_cosigns_a_log_that_grows_and_nothing_else(made: Made, witness: Witness) -> None:
    """Ten growing checkpoints; then the log put back to an earlier day and grown another way is refused."""
    room = made.vault.auditing()
    room.set_witnesses(made.token("admin"), witness.policy, None)
    for _ in range(9):
        done = room.round(HTTP)
        assert (done.witnessed, done.outcomes[0].state) == (True, "cosigned"), done
        made.token("collector")
    made.vault.close()
    backup = {path: path.read_bytes() for path in made.folder.glob("*.db")}
    made = reopen(made)
    made.token("legal")
    assert made.vault.auditing().round(HTTP).witnessed
    assert (
        len(made.vault.auditing().cosigned().splitlines())
        == len(made.vault.auditing().checkpoint().splitlines()) + 1
    )
    made.vault.close()
    for path, data in backup.items():
        path.write_bytes(data)
    (made.folder / "keys" / "main.checkpoint").unlink()  # the pin, which would tell first
    again = reopen(made)
    for _ in range(8):
        again.token("dpo")
    with pytest.raises(VaultError) as refused:
        again.vault.auditing().round(HTTP)
    assert "log recover" in (refused.value.remedy or ""), refused.value
    again.vault.close()
