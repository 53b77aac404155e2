"""Signed notes against published notes and every malformed form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.sign import SigningKey
from vault.errors import Invalid, Tampered
from vault.ledger import note
from vault.ledger.note import VKey

KEY, OTHER = SigningKey.from_seed(bytes(32)), SigningKey.from_seed(bytes([1]) * 32)
NAME = "vault.example/log"
VKEY, OTHER_VKEY = VKey(name=NAME, public=KEY.public), VKey(name="w.example", public=OTHER.public)
TEXT = "first\n\nthird 案件\n"
SIGNED = note.sign(TEXT, NAME, KEY)
LINE = SIGNED.removeprefix(TEXT + "\n")

FOO = (
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuw"
    "HjG1Yu72IneyaQM=\n"
)
NEUMANN_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
NEUMANN = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6K"
    "E6RyyBwJnAM=\n"
)
PUBLISHED = [
    # c2sp.org/signed-note v1.0.0, section Example
    (
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "This is an example message.\n",
        FOO,
    ),
    # golang.org/x/mod/sumdb/note, the package documentation's example
    ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NEUMANN_TEXT, NEUMANN),
]


@pytest.mark.parametrize(("vkey", "text", "line"), PUBLISHED)
def test_published_notes_open(vkey: str, text: str, line: str) -> None:
    """Third-party notes open under their keys, and not once altered."""
    parsed = VKey.parse(vkey)
    assert parsed.text() == vkey
    assert note.open_note(f"{text}\n{line}", [parsed]) == text
    with pytest.raises(Tampered):
        note.open_note(f"{text.replace('s', 'z')}\n{line}", [parsed])


clean = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=60).map(
    lambda t: t + "\n"
)


@given(clean)
def test_what_is_signed_opens(text: str) -> None:
    """Any clean text opens as it was signed, with one signature or two, under either key."""
    once = note.sign(text, NAME, KEY)
    twice = note.countersign(once, OTHER_VKEY.name, OTHER)
    assert note.open_note(once, [VKEY, OTHER_VKEY]) == text
    for vkeys in ([VKEY], [OTHER_VKEY], [OTHER_VKEY, VKEY]):
        assert note.open_note(twice, vkeys) == text


@pytest.mark.parametrize(
    "malformed",
    {
        "empty": "",
        "no signature": TEXT + "\n",
        "no blank line": "first\n" + LINE,
        "no final newline": SIGNED[:-1],
        "blank after": SIGNED + "\n",
        "hyphen for dash": SIGNED.replace("— ", "- "),
        "no space": SIGNED.replace("— ", "—"),
        "two spaces": SIGNED.replace("— ", "—  "),
        "no name": SIGNED.replace(NAME + " ", ""),
        "plus in name": SIGNED.replace(NAME, "a+b"),
        "unicode space in name": SIGNED.replace(NAME, "a\u00a0b"),
        "no base64": TEXT + "\n— " + NAME + " \n",
        "key id alone": TEXT + "\n— " + NAME + " " + note.to_base64(VKEY.key_id) + "\n",
        "base64 without padding": SIGNED.replace("=\n", "\n"),
        "base64 with spare bits": SIGNED[:-3] + chr(ord(SIGNED[-3]) + 1) + "=\n",
        "base64 with a space": SIGNED.replace("=\n", " =\n"),
        "base64url": TEXT + "\n— " + NAME + " " + "-_" * 46 + "\n",
        "carriage return": SIGNED.replace("\n", "\r\n"),
        "control in text": SIGNED.replace("third", "th\x01rd"),
        "last surrogate": SIGNED.replace("third", "th\udfffrd"),
        "key id of an unknown key alone": SIGNED + "— x AAAAAA==\n",
        "lone surrogate": SIGNED.replace("third", "th\ud800rd"),
        "text after": SIGNED + "more\n",
        "too many": SIGNED + LINE * 100,
        "too long": "x" * (1 << 20) + SIGNED,
        "too long in bytes": "案" * (1 << 19) + SIGNED,
        "signature cut": TEXT + "\n— " + NAME + " " + note.to_base64(VKEY.key_id + bytes(63)) + "\n",
        "signature of zeros": TEXT + "\n— " + NAME + " " + note.to_base64(VKEY.key_id + bytes(64)) + "\n",
    }.items(),
    ids=lambda item: item[0],
)
def test_malformed_notes_are_refused(malformed: tuple[str, str]) -> None:
    """Each malformed form raises."""
    assert malformed[1] != SIGNED
    with pytest.raises(Tampered):
        note.open_note(malformed[1], [VKEY])


def test_sixteen_signatures_and_more_are_read() -> None:
    """The specification's floor of 16 signatures holds; ours is 100."""
    assert note.open_note(SIGNED + LINE * 99, [VKEY]) == TEXT


def test_the_widest_note_is_read() -> None:
    """A note of exactly 1 MiB opens, and one byte more does not."""
    text = "x" * ((1 << 20) - len((TEXT + "\n" + LINE).encode())) + TEXT
    widest = note.sign(text, NAME, KEY)
    assert len(widest.encode()) == 1 << 20
    assert note.open_note(widest, [VKEY]) == text
    with pytest.raises(Tampered):
        note.open_note(note.sign("x" + text, NAME, KEY), [VKEY])


def test_unknown_signatures_are_ignored_alone_or_not() -> None:
    """An unknown key neither vouches nor spoils, though it shares a name or an id with a known one."""
    same_name = note.sign(TEXT, NAME, OTHER).removeprefix(TEXT + "\n")
    same_id = "— elsewhere " + note.to_base64(VKEY.key_id + bytes(64)) + "\n"
    assert note.open_note(SIGNED + same_name + same_id, [VKEY]) == TEXT
    with pytest.raises(Tampered):
        note.open_note(TEXT + "\n" + same_name + same_id, [VKEY])
    with pytest.raises(Tampered):
        note.open_note(SIGNED, [])


def test_a_bad_signature_of_a_known_key_spoils_the_note() -> None:
    """One good signature does not make up for a known key's bad one, before or after it."""
    bad = f"— {OTHER_VKEY.name} " + note.to_base64(OTHER_VKEY.key_id + bytes(64)) + "\n"
    for text in (SIGNED + bad, TEXT + "\n" + bad + LINE):
        assert note.open_note(text, [VKEY]) == TEXT
        with pytest.raises(Tampered):
            note.open_note(text, [VKEY, OTHER_VKEY])


def test_keys_that_could_be_confused_are_refused() -> None:
    """Two keys of one name and id can't both be trusted; the same key twice can."""

    class Twin(VKey):
        """A key that claims another's id."""

        @property
        def key_id(self) -> bytes:
            """The id of `VKEY`."""
            return VKEY.key_id

    with pytest.raises(Invalid):
        note.open_note(SIGNED, [VKEY, Twin(name=NAME, public=OTHER.public)])
    assert note.open_note(SIGNED, [VKEY, VKEY]) == TEXT


@pytest.mark.parametrize("text", ["", "no newline", "a\rb\n", "\x00\n", "\ud800\n"])
def test_unfit_text_is_not_signed(text: str) -> None:
    """What no note may hold is not signed."""
    with pytest.raises(Invalid):
        note.sign(text, NAME, KEY)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x01", "\ud800"])
def test_unfit_names_are_refused(name: str) -> None:
    """A key name with spaces, plus or controls can't be made."""
    with pytest.raises(Invalid):
        VKey(name=name, public=KEY.public)


GOOD = VKEY.text()


@pytest.mark.parametrize(
    "text",
    ["", NAME, GOOD + "\n", " " + GOOD, GOOD.replace("+", "-"), GOOD[:-1], GOOD.replace(NAME, "other"),
     GOOD.replace(VKEY.key_id.hex(), VKEY.key_id.hex().upper()), GOOD.replace(VKEY.key_id.hex(), "00000000"),
     f"{NAME}+{VKEY.key_id.hex()}+{note.to_base64(bytes([2]) + KEY.public)}",
     f"{NAME}+{VKEY.key_id.hex()}+{note.to_base64(bytes([1]) + KEY.public[:31])}",
     f"{NAME}+{VKEY.key_id.hex()}+"],
)  # fmt: skip
def test_malformed_vkeys_are_refused(text: str) -> None:
    """Each malformed verifier key raises, and says what to give."""
    assert text != GOOD
    with pytest.raises(Invalid) as caught:
        VKey.parse(text)
    assert caught.value.remedy


def test_vkey_round_trip() -> None:
    """A key written and read is the same key."""
    assert VKey.parse(GOOD) == VKEY
