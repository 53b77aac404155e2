"""The full walk: a true log passes, and every tampering is told, with the entry where it can be told."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vault.ledger.logs import KEY, ORIGIN, SALT, VKEY, root_of, row, signed
from vault.crypto.sign import SigningKey
from vault.errors import Tampered
from vault.ledger import checkpoint, note, stub
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.note import VKey
from vault.ledger.verify import Row, Verified, verify
from vault.model import Who

ROWS = [row(index, k="deny" if index % 10 == 3 else "read") for index in range(40)]
LIAR = Who(actor="someone else", role="legal", purpose="legal_action")
replace = msgspec.structs.replace


def stubs_of(rows: Sequence[Row]) -> list[bytes]:
    """The entries as the tree holds them."""
    return [one.stub for one in rows]


CHECKPOINTS = [(size, signed(stubs_of(ROWS), size)) for size in (10, 20, 35)]


def walk(
    rows: Sequence[Row],
    *,
    size: int = 40,
    root: bytes | None = None,
    checkpoints: Sequence[tuple[int, str]] = CHECKPOINTS,
    older: Sequence[VKey] = (),
) -> Verified:
    """Walk rows; the head is what these rows make of it, as a forger would have it."""
    head = root_of(stubs_of(rows)) if root is None else root
    return verify(rows, head_size=size, head_root=head, checkpoints=checkpoints, vkey=VKEY, older=older)


def fault(rows: Sequence[Row], **arguments: object) -> Tampered:
    """The fault that a walk finds."""
    with pytest.raises(Tampered) as caught:
        walk(rows, **arguments)  # type: ignore[arg-type]
    assert caught.value.remedy
    return caught.value


def changed(index: int, **changes: object) -> list[Row]:
    """All rows, one of them changed."""
    return [replace(one, **changes) if one.idx == index else one for one in ROWS]


def test_a_true_log_passes() -> None:
    """Size, root, how far signatures reach, times and kinds come back."""
    found = walk(ROWS)
    assert (found.size, found.root, found.signed) == (40, root_of(stubs_of(ROWS)), 35)
    assert (found.first_t, found.last_t, found.kinds) == (1_000_000, 1_000_039, {"read": 36, "deny": 4})


def test_an_empty_log_passes() -> None:
    """No entries, no times; a checkpoint of the empty tree agrees."""
    found = walk([], size=0, checkpoints=[(0, signed([], 0))])
    assert (found.size, found.signed, found.first_t, found.last_t, found.kinds) == (0, 0, None, None, {})


def test_progress_is_told_to_the_end() -> None:
    """The last report is the number of entries."""
    told: list[int] = []
    rows = [row(index) for index in range(4_100)]
    verify(
        rows,
        head_size=4_100,
        head_root=root_of(stubs_of(rows)),
        checkpoints=[],
        vkey=VKEY,
        progress=told.append,
    )
    assert told == [4_096, 4_100]


@given(st.integers(0, 39))
def test_rule_1_a_missing_or_repeated_entry(index: int) -> None:
    """A deleted, doubled or swapped row is told by its index, even when checkpoint and head agree with it."""
    gone = [one for one in ROWS if one.idx != index]
    last = index == 39
    found = fault(gone, checkpoints=[])
    assert (found.index, "missing" in found.message) == (index, True)
    found = fault([*ROWS[: index + 1], *ROWS[index:]], checkpoints=[])
    assert (found.index, "twice" in found.message) == (index, True)
    if not last:
        swapped = [*ROWS[:index], ROWS[index + 1], ROWS[index], *ROWS[index + 2 :]]
        assert fault(swapped, checkpoints=[]).index == index


@given(st.integers(0, 39))
def test_rule_2_a_stub_in_another_spelling(index: int) -> None:
    """A stub that isn't canonical is told, though nothing in it changed its meaning."""
    found = fault(changed(index, stub=ROWS[index].stub.replace(b":", b": ", 1)))
    assert (found.index, "rule 2" in found.message) == (index, True)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"who": LIAR}, None), ({"who_salt": SALT[::-1]}, None), ({"who_salt": b""}, None),
     ({"whom_digest": bytes(32)}, None), ({"t": 5}, "t"), ({"kind": "write"}, "kind"), ({"tag": SALT}, "tag"),
     ({"request": SALT[::-1]}, "request")],
)  # fmt: skip
def test_rule_3_altered_columns(changes: dict[str, object], field: str | None) -> None:
    """Any column beside the stub that isn't what the stub says is told by index."""
    found = fault(changed(17, **changes))
    assert (found.index, "rule 3" in found.message) == (17, True)
    assert field is None or field in found.message
    assert "someone" not in found.message


def whole(index: int, **changes: object) -> Row:
    """An entry of one node with every column that repeats its stub, as a store delivers it."""
    tag = bytes([index]) * 16 if index % 2 else b""
    one = row(index, i=index + 1, n="n0", g=stub.pack(tag))
    columns = {"t": 1_000_000 + index, "kind": "read", "tag": tag, "request": SALT}
    return replace(one, **(columns | changes))  # type: ignore[arg-type]


WHOLE = [whole(index) for index in range(30)]


def walked(rows: Sequence[Row]) -> Verified:
    """Walk rows under a head that a forger made for them."""
    root = root_of(stubs_of(rows))
    return verify(rows, head_size=len(rows), head_root=root, checkpoints=(), vkey=VKEY)


def test_whole_rows_pass_as_they_would_singly() -> None:
    """What is held against its columns at once comes to the same as what is read stub by stub."""
    bare = [replace(one, t=None, kind=None, tag=None, request=None) for one in WHOLE]
    assert walked(WHOLE) == walked(bare)


@pytest.mark.parametrize("index", [0, 17, 18])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("t", 1_000_099), ("t", 1_000_017.5), ("t", -1), ("kind", "deny"), ("kind", "reading"),
        ("kind", b"read"), ("tag", b"t" * 16), ("tag", b"t" * 17), ("tag", "t" * 16), ("request", b"r" * 16),
        ("request", b""), ("who", LIAR), ("who_salt", b""), ("whom_digest", bytes(31)),
        ("stub", WHOLE[19].stub), ("stub", WHOLE[17].stub + b" "),
    ],
)  # fmt: skip
def test_one_altered_column_of_whole_rows_is_told(index: int, name: str, value: object) -> None:
    """Whatever its type, and wherever it stands: the entry is named."""
    rows = [replace(one, **{name: value}) if one.idx == index else one for one in WHOLE]  # type: ignore[arg-type]
    with pytest.raises(Tampered) as caught:
        walked(rows)
    assert caught.value.index == index


def test_columns_that_repeat_the_stub_pass_when_true() -> None:
    """The repeated columns, as a store delivers them, are accepted when they are right."""
    one = stub.decode(ROWS[17].stub)
    walk(changed(17, t=one.t, kind=one.k, tag=b"", request=SALT))


def test_rule_4_back_dating() -> None:
    """An entry dated before the one before it is told; the same instant is not."""
    assert fault([*ROWS[:30], row(30, t=1_000_028), *ROWS[31:]], checkpoints=[]).index == 30
    walk([*ROWS[:30], row(30, t=1_000_029), *ROWS[31:]], checkpoints=[])


@pytest.mark.parametrize(("index", "counter"), [(0, 2), (30, 15), (30, 17), (31, 1)])
def test_rule_5_node_counters(index: int, counter: int) -> None:
    """A node's counter that starts late, repeats or skips is told: an entry of that node was lost."""
    rows = [*ROWS[:index], row(index, i=counter), *ROWS[index + 1 :]]
    found = fault(rows, checkpoints=[])
    assert (found.index, "rule 5" in found.message) == (index, True)


@given(st.integers(0, 39))
def test_rule_6_a_rewritten_entry(index: int) -> None:
    """An entry rewritten with a true commitment and a new head is told at the next checkpoint, as a range."""
    rows = [*ROWS[:index], row(index, who=LIAR), *ROWS[index + 1 :]]
    if index >= 35:
        assert walk(rows).signed == 35
        assert fault(rows, root=root_of(stubs_of(ROWS))).index == 35
        return
    found = fault(rows)
    agreed = max(size for size in (0, 10, 20) if size <= index)
    assert (found.index, "rule 6" in found.message) == (agreed, True)
    until = min(size for size in (10, 20, 35) if size > index) - 1
    assert f"from {agreed} to {until} is" in found.message


def test_a_row_fault_is_told_before_a_root_fault() -> None:
    """When an altered row also spoils the next root, the row is named."""
    assert fault(changed(12, who=LIAR)).index == 12


def foreign(size: int) -> str:
    """A checkpoint that another key signed in this log's name."""
    cp = Checkpoint(origin=ORIGIN, size=size, root=root_of(stubs_of(ROWS)[:size]))
    return checkpoint.sign(cp, SigningKey.from_seed(bytes([9]) * 32))


@pytest.mark.parametrize(
    ("checkpoints", "index"),
    [
        ([CHECKPOINTS[0], (20, foreign(20))], 10),
        ([CHECKPOINTS[0], (20, "garbage")], 10),
        ([CHECKPOINTS[0], (25, CHECKPOINTS[1][1])], 10),
        ([CHECKPOINTS[1], CHECKPOINTS[0]], 20),
        ([(-1, CHECKPOINTS[0][1])], 0),
        ([(20, CHECKPOINTS[1][1].replace("\n20\n", "\n21\n"))], 0),
    ],
)
def test_rule_6_checkpoints_themselves(checkpoints: list[tuple[int, str]], index: int) -> None:
    """A checkpoint forged, malformed, at another size or out of order is told."""
    found = fault(ROWS, checkpoints=checkpoints)
    assert (found.index, "rule 6" in found.message) == (index, True)


def test_two_checkpoints_of_one_size_must_agree() -> None:
    """Both are compared, so a second, different one is told."""
    walk(ROWS, checkpoints=[CHECKPOINTS[0], CHECKPOINTS[0]])
    fork = signed([b"x"] * 10, 10)
    assert "rule 6" in fault(ROWS, checkpoints=[CHECKPOINTS[0], (10, fork)]).message


@pytest.mark.parametrize("size", [39, 36, 35])
def test_rule_7_truncation(size: int) -> None:
    """Rows cut off before the head are told; so are rows beyond it."""
    assert fault(ROWS[:size]).index == size
    assert fault(ROWS, size=size).index == size


def test_rule_7_truncation_with_a_forged_head() -> None:
    """Cut below a signed checkpoint, with the head moved back to match: the checkpoint tells."""
    found = fault(ROWS[:30], size=30)
    assert (found.index, "30 to 34" in found.message) == (30, True)


def test_rule_7_a_wrong_head_root() -> None:
    """A head whose root is not the entries' is told from the last checkpoint on."""
    assert fault(ROWS, root=bytes(32)).index == 35


def test_checkpoints_from_before_a_rotation() -> None:
    """They verify under the older key, if the caller trusts it, and not otherwise."""
    old = SigningKey.from_seed(bytes([9]) * 32)
    checkpoints = [(10, foreign(10)), (20, note.countersign(foreign(20), ORIGIN, KEY)), CHECKPOINTS[2]]
    assert walk(ROWS, checkpoints=checkpoints, older=[VKey(name=ORIGIN, public=old.public)]).signed == 35
    assert fault(ROWS, checkpoints=checkpoints).index == 0
