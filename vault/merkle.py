"""The Merkle tree of RFC 6962 section 2.1 over SHA-256 (RFC 9162 has the same tree), pure.

Hashes are 32 raw bytes. A *node* `(level, index)` is the complete subtree over the leaves
`[index * 2**level, (index + 1) * 2**level)`; ragged right edges are combined here, so a caller only ever
stores or supplies complete subtrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, Self

from vault.errors import Invalid, Tampered

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of the empty tree: the hash of nothing (RFC 6962 2.1)."""

Node = Callable[[int, int], bytes]
"""Gives the hash of the complete subtree `(level, index)`."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf, `SHA-256(0x00 || data)` (RFC 6962 2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node, `SHA-256(0x01 || left || right)` (RFC 6962 2.1)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree: all that is needed to append and to know the root.

    It holds one hash for each one-bit of `size`, the widest complete subtree first (a "compact range").

    Args:
        size: The number of leaves.
        hashes: The `size.bit_count()` subtree hashes, left to right.

    Raises:
        Tampered: The hashes don't fit the size.
    """

    __slots__ = ("_hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count() or any(len(item) != HASH_SIZE for item in hashes):
            raise Tampered(
                "the tree's right edge does not fit its size", remedy="rebuild it from the entries"
            )
        self.size = size
        self._hashes = list(hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            Tampered: The length isn't 32 bytes for each one-bit of `size`.
        """
        if size < 0 or len(data) != HASH_SIZE * size.bit_count():
            raise Tampered(
                "the tree's right edge does not fit its size", remedy="rebuild it from the entries"
            )
        return cls(size, [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)])

    def to_bytes(self) -> bytes:
        """The hashes, left to right, end to end: 32 bytes for each one-bit of the size."""
        return b"".join(self._hashes)

    def copy(self) -> Self:
        """A second edge that grows on its own."""
        return type(self)(self.size, self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf by its hash; about one inner hash on average."""
        hashes = self._hashes
        size = self.size
        self.size = size + 1
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)

    def append_many(self, leaves: Iterable[bytes]) -> None:
        """Add leaves by their hashes, in order."""
        append = self.append
        for leaf in leaves:
            append(leaf)

    def root(self) -> bytes:
        """The tree's root: the edge folded from the right (RFC 6962 2.1)."""
        if not self._hashes:
            return EMPTY_ROOT
        *rest, root = self._hashes
        for item in reversed(rest):
            root = node_hash(item, root)
        return root


def _split(width: int) -> int:
    """The largest power of two below `width` (RFC 6962 2.1's k); `width` is at least 2."""
    return 1 << ((width - 1).bit_length() - 1)


def subtree_root(begin: int, end: int, node: Node) -> bytes:
    """MTH(D[begin:end]) from complete subtrees (RFC 6962 2.1).

    Args:
        begin: A multiple of the smallest power of two that is not below `end - begin`.
        end: One past the last leaf.
        node: Where complete subtrees come from.
    """
    width = end - begin
    if width <= 0:
        return EMPTY_ROOT
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return node(level, begin >> level)
    middle = begin + _split(width)
    return node_hash(subtree_root(begin, middle, node), subtree_root(middle, end, node))


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves, leaf's sibling first (RFC 6962 2.1.1).

    Raises:
        Invalid: The tree has no such leaf.
    """
    if not 0 <= index < size:
        raise Invalid(
            "no such leaf in a tree of this size", field="index", remedy="ask for an index below the size"
        )
    begin, end = 0, size
    path = []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(subtree_root(middle, end, node))
            end = middle
        else:
            path.append(subtree_root(begin, middle, node))
            begin = middle
    path.reverse()
    return path


def consistency_path(old: int, new: int, node: Node) -> list[bytes]:
    """The proof that the tree of `new` leaves extends that of `old` leaves (RFC 6962 2.1.2).

    Raises:
        Invalid: Not `0 < old <= new`; anything extends the empty tree, so there is nothing to prove.
    """
    if not 0 < old <= new:
        raise Invalid(
            "no consistency proof between these sizes", field="old", remedy="give sizes with 0 < old <= new"
        )
    begin, end = 0, new
    path = []
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(subtree_root(middle, end, node))
            end = middle
        else:
            path.append(subtree_root(begin, middle, node))
            begin = middle
    if begin:
        path.append(subtree_root(begin, end, node))
    path.reverse()
    return path


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf with this hash stands at `index` in the tree (RFC 9162 2.1.3.2).

    Raises:
        Tampered: It is not proved, whatever the reason; `index` is set.
    """
    failed = Tampered("the inclusion proof does not lead to the root", index=index)
    if not 0 <= index < size or len(leaf) != HASH_SIZE or any(len(item) != HASH_SIZE for item in path):
        raise failed
    at, last = index, size - 1
    for item in path:
        if not last:
            raise failed
        if at & 1 or at == last:
            leaf = node_hash(item, leaf)
            at, last = _climb(at, last)
        else:
            leaf = node_hash(leaf, item)
        at >>= 1
        last >>= 1
    if last or leaf != root:
        raise failed


def check_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree of `new` leaves extends that of `old` leaves (RFC 9162 2.1.4.2).

    Raises:
        Tampered: It is not proved, or `old` is 0, from which nothing follows.
    """
    failed = Tampered("the consistency proof does not join the two roots")
    if not 0 < old <= new or any(len(item) != HASH_SIZE for item in path):
        raise failed
    if old == new:
        if path or old_root != new_root:
            raise failed
        return
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes or _rebuild(old - 1, new - 1, hashes) != (old_root, new_root):
        raise failed


def _rebuild(at: int, last: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The old and the new root that a consistency proof leads to, or None when its length is wrong."""
    while at & 1:
        at >>= 1
        last >>= 1
    old_root = new_root = hashes[0]
    for item in hashes[1:]:
        if not last:
            return None
        if at & 1 or at == last:
            old_root = node_hash(item, old_root)
            new_root = node_hash(item, new_root)
            at, last = _climb(at, last)
        else:
            new_root = node_hash(new_root, item)
        at >>= 1
        last >>= 1
    return None if last else (old_root, new_root)


def _climb(at: int, last: int) -> tuple[int, int]:
    """Skip the levels at which the last node has no sibling (RFC 9162 2.1.3.2, step 4.b)."""
    while at and not at & 1:
        at >>= 1
        last >>= 1
    return at, last
