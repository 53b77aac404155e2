"""Policies of witnesses: read strictly, and a quorum is what the page says it is."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.ledger.cosignature import WitnessKey
from vault.ledger.note import VKey
from vault.ledger.witness_policy import read


def key(name: str) -> WitnessKey:
    """A key for a name; whether it is a point of the curve matters to nobody here."""
    return WitnessKey(name=f"{name}.example", public=sha256(name.encode()).digest())


def lines(*names: str) -> str:
    """Witnesses of these names."""
    return "".join(f"witness {name} {key(name).text()}\n" for name in names)


def idents(*names: str) -> set[str]:
    """As cosignatures name them."""
    return {key(name).ident for name in names}


EXAMPLE = (
    "# two organisations\n\n"
    + lines("X1", "X2", "X3")
    + "group X-witnesses 2 X1 X2 X3\n"
    + " \t" + lines("Y1", "Y2", "Y3")
    + "group Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y \t all X-witnesses Y-witnesses \nquorum X-and-Y\n"
)  # fmt: skip


@pytest.mark.parametrize(
    ("given_", "met"),
    [("", False), ("X1 X2", False), ("X1 Y1", False), ("X1 X2 Y3", True), ("Y1 Y2 Y3 X3", False),
     ("X1 X2 X3 Y1 Y2 Y3", True)],
)  # fmt: skip
def test_the_pages_example(given_: str, met: bool) -> None:  # noqa: FBT001 - a column of the table
    """Two of the X and any of the Y."""
    policy = read(EXAMPLE)
    assert policy.met(idents(*given_.split())) is met
    assert policy.enough(idents(*given_.split())) is met


Tree = st.recursive(
    st.just("leaf"), lambda inner: st.tuples(st.integers(1, 5), st.lists(inner, min_size=1, max_size=4))
)


@given(Tree, st.data())
def test_any_tree_of_groups_counts_its_members(tree: object, data: st.DataObject) -> None:
    """Against a count made on the drawn tree itself; more cosignatures never undo a quorum."""
    names: list[str] = []
    text: list[str] = []
    counter = iter(range(10_000))

    def write(at: object) -> tuple[str, object]:
        if at == "leaf":
            name = f"w{next(counter)}"
            names.append(name)
            return name, name
        least, members = at  # type: ignore[misc]
        made = [write(member) for member in members]
        least = min(least, len(made))
        name = f"g{next(counter)}"
        word = data.draw(
            st.sampled_from([str(least)] + ["all"] * (least == len(made)) + ["any"] * (least == 1))
        )
        text.append(f"group {name} {word} {' '.join(n for n, _ in made)}\n")
        return name, (least, [inner for _, inner in made])

    top, meaning = write(tree)
    if len(names) > 100 or len(text) > 100:
        return
    policy = read(lines(*names) + "".join(text) + f"quorum {top}\n")

    def met(at: object, chosen: set[str]) -> bool:
        if isinstance(at, str):
            return at in chosen
        least, members = at  # type: ignore[misc]
        return sum(met(member, chosen) for member in members) >= least

    chosen = set(data.draw(st.lists(st.sampled_from(names))))
    assert policy.met(idents(*chosen)) is met(meaning, chosen)
    more = chosen | set(data.draw(st.lists(st.sampled_from(names))))
    assert policy.met(idents(*more)) >= policy.met(idents(*chosen))
    assert policy.met(idents(*names))


def test_no_quorum_still_takes_one_witness_to_count() -> None:
    """`quorum none` is met by nothing, which doesn't make a checkpoint witnessed."""
    policy = read(lines("a") + "quorum none\n")
    assert policy.met(())
    assert not policy.enough(())
    assert not policy.enough(idents("stranger"))
    assert policy.enough(idents("a"))
    assert not read("quorum none\n").enough(idents("a"))


def test_logs_urls_and_opaque_names() -> None:
    """A log with and without an address, a witness with one, names told apart by their octets."""
    log = VKey(name="vault.example/log", public=bytes(31) + b"\x02").text()
    policy = read(f"log {log} https://log.example/\nwitness K {key('a').text()} https://w/\n"
                  f"witness \u212a {key('b').text()}\nquorum \u212a\n")  # fmt: skip
    assert [v.text() for v in policy.logs] == [log]
    assert (policy.witnesses["K"].url, policy.witnesses["\u212a"].url) == ("https://w/", "")
    assert policy.met(idents("b"))
    assert not policy.met(idents("a"))


A, B = lines("a"), lines("b")
SAME = f"witness c {WitnessKey(name='elsewhere', public=key('a').public).text()}\n"
LOG = f"log {VKey(name='l', public=bytes(31) + b'2').text()}\n"


@pytest.mark.parametrize(
    "text",
    ["", "\n", A, A + "quorum a", A + "quorum b\n", "quorum a\n" + A, A + "quorum a\nquorum a\n",
     A + "quorum a b\n", A + "quorum\n", A + A + "quorum a\n", A + SAME + "quorum a\n",
     A + "group a any a\nquorum a\n", A + "group none any a\nquorum none\n",
     A + "group g any none\nquorum g\n",
     A + "group g any\nquorum g\n", A + "group g 0 a\nquorum g\n", A + "group g 2 a\nquorum g\n",
     A + "group g 01 a\nquorum g\n", A + "group g -1 a\nquorum g\n", A + "group g ALL a\nquorum g\n",
     A + "group g any a a\nquorum g\n", A + "group g any g\nquorum g\n",
     A + "group g any b\n" + B + "quorum g\n",
     A + "group g any a\ngroup h any a\nquorum g\n", A + "quorum a\r\n", A + "quorum a\n\x00",
     A + "quorum\va\n",
     A + "quorum a # why\n", "Quorum none\n", "witness a\nquorum none\n",
     A[:-1] + " https://w more\nquorum a\n",
     f"witness a {VKey(name='a', public=bytes(31) + b'2').text()}\nquorum a\n", "log x\nquorum none\n",
     LOG + LOG + "quorum none\n", "witness none " + A[10:] + "quorum none\n", A + "quorum a\x7f\n",
     A + "quorum\u00a0a\n",
     "#" * (1 << 17) + "\nquorum none\n"],
)  # fmt: skip
def test_what_the_page_does_not_allow_is_refused(text: str) -> None:
    """Each with the policy named as the field, and none of it taken."""
    with pytest.raises(Invalid) as refused:
        read(text)
    assert refused.value.field == "policy"


def test_a_refusal_names_the_line() -> None:
    """Comments and empty lines are counted."""
    with pytest.raises(Invalid) as refused:
        read("# one\n\nnonsense\nquorum none\n")
    assert refused.value.row == 3


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else happens."""
    try:
        policy = read(text)
    except Invalid:
        return
    assert policy.quorum == "none"
