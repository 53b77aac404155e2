"""The stub: one spelling, no personal data, and a commitment that opens by halves."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Invalid, Tampered
from vault.ledger import stub
from vault.model import ENTRY_KINDS, Who, Whom

SALT, OTHER = bytes(range(16)), bytes(range(16, 32))
WHO = Who(
    actor="p-7", role="collector", purpose="repayment_reminder", about="borrower", masked=5, policy="ab12"
)
WHOM = Whom(subject="s-1", record="r-1", case="案2026-17", ticket="工单9")

small = st.integers(0, 2**53 - 1)
stubs = st.builds(
    stub.Stub,
    c=st.binary(min_size=32, max_size=32).map(stub.pack),
    g=st.one_of(st.just(""), st.binary(min_size=16, max_size=16).map(stub.pack)),
    i=st.integers(1, 2**53 - 1),
    k=st.sampled_from(ENTRY_KINDS),
    n=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
    r=st.binary(min_size=16, max_size=16).map(stub.pack),
    t=small,
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def example(**changes: object) -> stub.Stub:
    """A good stub, but for the changes."""
    fields = {
        "c": stub.pack(bytes(32)),
        "g": "",
        "i": 1,
        "k": "read",
        "n": "n1",
        "r": stub.pack(SALT),
        "t": 1,
    }
    return stub.Stub(**{**fields, **changes})  # type: ignore[arg-type]


def canonical(value: object) -> bytes:
    """RFC 8785 for our narrow profile, by the standard library."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


@given(stubs)
def test_a_stub_comes_back_and_is_canonical(one: stub.Stub) -> None:
    """Decoding gives the stub back; the bytes are sorted compact ASCII JSON of its eight fields."""
    data = stub.encode(one)
    assert stub.decode(data) == one
    assert data.isascii()
    assert canonical(json.loads(data)) == data
    assert sorted(json.loads(data)) == ["c", "g", "i", "k", "n", "r", "t", "v"]
    assert (len(one.commitment), len(one.tag), len(one.request)) == (32, 16 if one.g else 0, 16)


@given(stubs, st.data())
def test_any_other_spelling_is_refused(one: stub.Stub, data: st.DataObject) -> None:
    """One byte changed, added or removed gives either an error or another stub that encodes to just that."""
    good = stub.encode(one)
    at = data.draw(st.integers(0, len(good) - 1))
    byte = data.draw(st.binary(max_size=2))
    changed = good[:at] + byte + good[at + data.draw(st.integers(0, 1)) :]
    try:
        again = stub.decode(changed)
    except Tampered:
        return
    assert stub.encode(again) == changed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"v":1', b'"v":2'),
        (b'"v":1', b'"v":1,"v":1'),
        (b'"v":1', b'"v":1.0'),
        (b'"v":1', b'"v": 1'),
        (b'"v":1}', b'"v":1}\n'),
        (b'"i":1,', b'"i":0,'),
        (b'"i":1,', b'"i":01,'),
        (b'"i":1,', b'"i":9007199254740992,'),
        (b'"t":1,', b'"t":-1,'),
        (b'"t":1,', b'"t":9007199254740992,'),
        (b'"k":"read"', b'"k":"stroll"'),
        (b'"k":"read"', b'"k":"\\u0072ead"'),
        (b'"n":"n1"', b'"n":""'),
        (b'"n":"n1"', "“n”:“节点”".encode()),
        (b'A","g"', b'B","g"'),
        (b'{"c"', b'[{"c"'),
    ],
)
def test_known_bad_spellings(old: bytes, new: bytes) -> None:
    """Each malformed form by name: version, duplicate key, spaces, bounds, kind, escapes, spare bits."""
    good = stub.encode(example())
    assert old in good
    with pytest.raises(Tampered):
        stub.decode(good.replace(old, new))


def test_too_long_is_refused() -> None:
    """Nothing wider than a bundle can hold is looked at."""
    with pytest.raises(Tampered):
        stub.decode(b" " * 65_536)


@pytest.mark.parametrize(
    "changes",
    [{"i": 0}, {"i": 2**53}, {"t": -1}, {"t": 2**53}, {"k": "stroll"}, {"n": "节"}, {"n": "a" * 65},
     {"n": 'a"b'}, {"c": "short"}, {"c": "+" * 43}, {"g": "A"}, {"g": "A" * 21 + "B"}, {"r": ""}, {"v": 2}],
)  # fmt: skip
def test_a_bad_stub_is_never_encoded(changes: dict[str, object]) -> None:
    """A field outside the format raises before it can reach the tree."""
    with pytest.raises(Invalid) as caught:
        stub.encode(example(**changes))
    assert caught.value.field == "stub"


@given(texts, texts, small, small)
def test_who_bytes_are_canonical(actor: str, reason: str, masked: int, clear: int) -> None:
    """The who is committed to as canonical JSON of all ten fields."""
    who = Who(actor=actor, role="r", purpose="p", reason=reason, masked=masked, clear=clear)
    fields = {name: getattr(who, name) for name in Who.__struct_fields__}
    assert stub.who_bytes(who) == canonical(fields)
    assert len(fields) == 10


@given(texts, texts)
def test_whom_bytes_are_canonical(case: str, detail: str) -> None:
    """The whom likewise, Chinese text as UTF-8."""
    whom = Whom(subject="s", record="r", case=case, detail=detail)
    assert stub.whom_bytes(whom) == canonical({name: getattr(whom, name) for name in Whom.__struct_fields__})


def test_what_cannot_be_canonical_is_refused() -> None:
    """Bitmaps of 53 bits and lone surrogates have no exact JSON."""
    for masked, clear in ((2**53, 0), (-1, 0), (0, 2**53), (0, -1)):
        with pytest.raises(Invalid):
            stub.who_bytes(Who(actor="", role="", purpose="", masked=masked, clear=clear))
    with pytest.raises(Invalid):
        stub.whom_bytes(Whom(case="\ud800"))


def test_digest_and_commitment_are_what_the_format_says() -> None:
    """HMAC-SHA256 for the digests; SHA-256 over the labelled pair for the commitment."""
    assert stub.digest(SALT, b"x") == hmac.new(SALT, b"x", hashlib.sha256).digest()
    pair = bytes(32), bytes([1]) * 32
    assert stub.commitment(*pair) == hashlib.sha256(b"cvault/entry/v1\x00" + pair[0] + pair[1]).digest()


def test_lengths_are_fixed() -> None:
    """Salts of another length, and digests of another length, raise."""
    with pytest.raises(Invalid):
        stub.digest(SALT[:15], b"")
    for pair in ((bytes(31), bytes(32)), (bytes(32), bytes(33))):
        with pytest.raises(Invalid):
            stub.commitment(*pair)


def test_each_half_opens_alone() -> None:
    """The who checks without the whom and the whom without the who; nothing else checks."""
    who_digest, whom_digest = (
        stub.digest(SALT, stub.who_bytes(WHO)),
        stub.digest(OTHER, stub.whom_bytes(WHOM)),
    )
    one = example(c=stub.pack(stub.commitment(who_digest, whom_digest)))
    stub.check_who(one, WHO, SALT, whom_digest)
    stub.check_whom(one, WHOM, OTHER, who_digest)
    liar = Who(
        actor="p-8", role="collector", purpose="repayment_reminder", about="borrower", masked=5, policy="ab12"
    )
    huge = Who(actor="p-7", role="collector", purpose="repayment_reminder", masked=2**60)
    for who, salt, other in (
        (liar, SALT, whom_digest), (WHO, OTHER, whom_digest), (WHO, SALT, who_digest), (WHO, SALT, b""),
        (WHO, b"", whom_digest), (huge, SALT, whom_digest),
    ):  # fmt: skip
        with pytest.raises(Tampered):
            stub.check_who(one, who, salt, other)
    for whom, salt, other in (
        (Whom(subject="s-2"), OTHER, who_digest), (WHOM, SALT, who_digest), (WHOM, OTHER, whom_digest),
        (WHOM, b"", who_digest), (Whom(case="\ud800"), OTHER, who_digest),
    ):  # fmt: skip
        with pytest.raises(Tampered):
            stub.check_whom(one, whom, salt, other)
