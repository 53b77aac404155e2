"""The Merkle tree against RFC 6962's definition, published roots and published proofs."""

import json
from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault import merkle
from vault.errors import Invalid, Tampered, VaultError

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "rfc6962"
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
"""The eight leaves of the Certificate Transparency reference tests (transparency-dev/merkle testonly)."""

ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The roots of the first 0..8 of `LEAVES`, from the same tests."""

sizes = st.integers(1, 70)


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH as RFC 6962 2.1 defines it, over leaf contents."""
    if len(leaves) <= 1:
        return sha256(b"\x00" + leaves[0]).digest() if leaves else sha256(b"").digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH as RFC 6962 2.1.1 defines it."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return [*naive_path(index, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(index - k, leaves[k:]), naive_root(leaves[:k])]


def naive_proof(old: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF as RFC 6962 2.1.2 defines it."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if old <= k:
        return [*naive_proof(old, leaves[:k], whole=whole), naive_root(leaves[k:])]
    return [*naive_proof(old - k, leaves[k:], whole=False), naive_root(leaves[:k])]


def some_leaves(size: int) -> list[bytes]:
    """Distinct leaves."""
    return [b"leaf %d" % number for number in range(size)]


def node_of(leaves: Sequence[bytes]) -> merkle.Node:
    """Complete subtrees by definition; asking for an incomplete one fails."""

    def node(level: int, index: int) -> bytes:
        part = leaves[index << level : (index + 1) << level]
        assert len(part) == 1 << level
        return naive_root(part)

    return node


def frontier_of(leaves: Sequence[bytes]) -> merkle.Frontier:
    """The edge after appending all leaves."""
    frontier = merkle.Frontier()
    frontier.append_many([merkle.leaf_hash(leaf) for leaf in leaves])
    return frontier


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    """The classic eight-leaf roots come out."""
    assert frontier_of(LEAVES[:size]).root().hex() == ROOTS[size]


@given(st.lists(st.binary(max_size=40), max_size=70))
def test_frontier_root_is_the_definition(leaves: list[bytes]) -> None:
    """Appending leaf by leaf gives MTH of the whole."""
    frontier = frontier_of(leaves)
    assert frontier.root() == naive_root(leaves)
    assert frontier.size == len(leaves)


@given(st.integers(0, 300), st.integers(0, 20))
def test_frontier_bytes_round_trip_and_go_on(size: int, more: int) -> None:
    """A stored edge, read back, goes on as if never stored; a copy grows on its own."""
    leaves = some_leaves(size + more)
    frontier = frontier_of(leaves[:size])
    data = frontier.to_bytes()
    assert len(data) == 32 * size.bit_count()
    again = merkle.Frontier.from_bytes(size, data)
    for other in (again, frontier.copy()):
        other.append_many([merkle.leaf_hash(leaf) for leaf in leaves[size:]])
        assert other.root() == frontier_of(leaves).root()
    assert frontier.to_bytes() == data


@pytest.mark.parametrize(
    ("size", "data"), [(1, b""), (0, bytes(32)), (3, bytes(32)), (2, bytes(33)), (-1, b""), (-1, bytes(32))]
)
def test_frontier_of_wrong_length_is_refused(size: int, data: bytes) -> None:
    """An edge that does not fit its size raises."""
    with pytest.raises(Tampered):
        merkle.Frontier.from_bytes(size, data)


def test_frontier_of_wrong_hashes_is_refused() -> None:
    """So does one made from the wrong number or width of hashes."""
    for size, hashes in ((1, []), (2, [bytes(32)] * 2), (1, [bytes(31)]), (-1, [bytes(32)])):
        with pytest.raises(Tampered):
            merkle.Frontier(size, hashes)


@given(sizes, st.data())
def test_inclusion_paths(size: int, data: st.DataObject) -> None:
    """Paths are the definition's and lead to the root, and from no other leaf, index, size or root."""
    leaves = some_leaves(size)
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_path(index, size, node_of(leaves))
    root, leaf = naive_root(leaves), merkle.leaf_hash(leaves[index])
    assert path == naive_path(index, leaves)
    merkle.check_inclusion(leaf, index, size, path, root)
    wrong = [
        (merkle.leaf_hash(b"other"), index, size, path, root),
        (leaf, index + 1, size, path, root),
        (leaf, index, size, [*path, root], root),
        (leaf, index, size, path, bytes(32)),
        (leaf, -1, size, path, root),
        (leaf, index, size, path[:-1], root) if path else (leaf, index, 0, path, root),
    ]
    for case in wrong:
        with pytest.raises(Tampered):
            merkle.check_inclusion(*case)


@given(sizes, st.data())
def test_consistency_proofs(size: int, data: st.DataObject) -> None:
    """Proofs are the definition's and join the two roots, and no others."""
    leaves = some_leaves(size)
    old = data.draw(st.integers(1, size))
    path = merkle.consistency_path(old, size, node_of(leaves))
    first, second = naive_root(leaves[:old]), naive_root(leaves)
    assert path == naive_proof(old, leaves)
    merkle.check_consistency(old, size, path, first, second)
    wrong = [
        (old, size, path, bytes(32), second),
        (old, size, path, first, bytes(32)),
        (old, size, [*path, first], first, second),
        (0, size, path, first, second),
        (size + 1, size, path, first, second),
    ]
    for case in wrong:
        with pytest.raises(Tampered):
            merkle.check_consistency(*case)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_path_outside_the_tree(index: int, size: int) -> None:
    """Asking for a leaf that is not there raises."""
    with pytest.raises(Invalid):
        merkle.inclusion_path(index, size, node_of(some_leaves(3)))


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_no_proof_between_impossible_sizes(old: int, new: int) -> None:
    """Asking for a proof from nothing, or backwards, raises."""
    with pytest.raises(Invalid):
        merkle.consistency_path(old, new, node_of(some_leaves(3)))


def outcome(check: object, *arguments: object) -> bool:
    """Whether a check raises."""
    try:
        check(*arguments)  # type: ignore[operator]
    except VaultError:
        return True
    return False


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the published proofs are not beside the repository")
def test_published_proofs() -> None:
    """All 196 published proofs, good and bad, come out as transparency-dev/merkle says."""
    seen = 0
    for file in sorted(VECTORS.rglob("*.json")):
        case = json.loads(file.read_text(encoding="utf-8"))
        proof = [b64decode(item) for item in case["proof"] or []]
        if "leafIdx" in case:
            leaf, root = b64decode(case["leafHash"]), b64decode(case["root"])
            failed = outcome(merkle.check_inclusion, leaf, case["leafIdx"], case["treeSize"], proof, root)
        else:
            roots = b64decode(case["root1"]), b64decode(case["root2"])
            failed = outcome(merkle.check_consistency, case["size1"], case["size2"], proof, *roots)
        assert failed == case["wantErr"], file.name
        seen += 1
    assert seen == 196
