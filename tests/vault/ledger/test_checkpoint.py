"""Checkpoints: one spelling, signed under the origin's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.sign import SigningKey
from vault.errors import Invalid, Tampered
from vault.ledger import checkpoint, note
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.note import VKey
from vault.merkle import EMPTY_ROOT

KEY, OLD = SigningKey.from_seed(bytes(32)), SigningKey.from_seed(bytes([1]) * 32)
ORIGIN = "vault.example/log"
VKEY, OLD_VKEY = VKey(name=ORIGIN, public=KEY.public), VKey(name=ORIGIN, public=OLD.public)
ROOT = bytes(range(32))
TEXT = Checkpoint(origin=ORIGIN, size=70, root=ROOT).text()


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_what_is_signed_opens(size: int, root: bytes) -> None:
    """A signed checkpoint opens as it was."""
    cp = Checkpoint(origin=ORIGIN, size=size, root=root)
    assert checkpoint.open_checkpoint(checkpoint.sign(cp, KEY), VKEY) == cp
    assert Checkpoint.parse(cp.text()) == cp


def test_a_real_checkpoint_reads() -> None:
    """The Go checksum database's head, which is tlog-checkpoint's example under another name, opens."""
    vkey = VKey.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    text = "go.sum database tree\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    line = (
        "— sum.golang.org Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+"
        "zyWE+xeMcTOAYQ8=\n"
    )
    cp = Checkpoint.parse(note.open_note(f"{text}\n{line}", [vkey]))
    assert (cp.size, cp.text()) == (20_852_163, text)
    with pytest.raises(Tampered):
        note.open_note(f"{text.replace('20852163', '20852164')}\n{line}", [vkey])
    with pytest.raises(Tampered, match="another log"):
        checkpoint.open_checkpoint(f"{text}\n{line}", vkey)


def test_extension_lines_survive() -> None:
    """Opaque lines after the root are kept, so the text stays what was signed."""
    cp = Checkpoint.parse(TEXT + "more\nand more\n")
    assert cp.extensions == ("more", "and more")
    assert cp.text() == TEXT + "more\nand more\n"


@pytest.mark.parametrize(
    "text",
    ["", "\n", TEXT[:-1], TEXT + "\n", "\n" + TEXT, TEXT.replace(ORIGIN, ""), TEXT.replace("\n70", "\n070"),
     TEXT.replace("\n70", "\n-70"), TEXT.replace("\n70", "\n+70"), TEXT.replace("\n70", "\n 70"),
     TEXT.replace("\n70", "\n7_0"), TEXT.replace("\n70", "\n７０"), TEXT.replace("\n70", "\n"),
     TEXT.replace("\n70", f"\n{2**63}"), TEXT.replace("\n70", "\n" + "9" * 5000), TEXT.replace("\n70", "\n0"),
     TEXT.replace("=\n", "\n"), TEXT.replace("AAEC", "AAE"), ORIGIN + "\n70\n", TEXT + "a\n\nb\n"],
)  # fmt: skip
def test_malformed_checkpoints_are_refused(text: str) -> None:
    """Each malformed form raises."""
    with pytest.raises(Tampered):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "changes",
    [{"origin": ""}, {"origin": "a\nb"}, {"size": -1}, {"size": 2**63}, {"root": b""}, {"size": 0},
     {"extensions": ("",)}],
)  # fmt: skip
def test_an_unfit_checkpoint_is_never_made(changes: dict[str, object]) -> None:
    """What the format can't carry raises at once."""
    with pytest.raises(Invalid):
        Checkpoint(**{"origin": ORIGIN, "size": 70, "root": ROOT, **changes})  # type: ignore[arg-type]


def test_the_empty_tree_has_its_own_root() -> None:
    """Size 0 is written `0` with the hash of nothing."""
    cp = Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT)
    assert Checkpoint.parse(cp.text()) == cp


def test_another_key_does_not_open() -> None:
    """A checkpoint of the same name under another key raises."""
    with pytest.raises(Tampered):
        checkpoint.open_checkpoint(checkpoint.sign(Checkpoint.parse(TEXT), OLD), VKEY)


def test_rotation() -> None:
    """Old checkpoints open when the old key is trusted too; one signed by both opens under either."""
    cp = Checkpoint.parse(TEXT)
    old = checkpoint.sign(cp, OLD)
    assert checkpoint.open_checkpoint(old, VKEY, OLD_VKEY) == cp
    both = note.countersign(old, ORIGIN, KEY)
    assert checkpoint.open_checkpoint(both, VKEY) == checkpoint.open_checkpoint(both, OLD_VKEY) == cp


def test_an_origin_that_is_no_key_name_is_not_signed() -> None:
    """An origin with a space can be read but not signed under."""
    with pytest.raises(Invalid):
        checkpoint.sign(Checkpoint(origin="a b", size=1, root=ROOT), KEY)
