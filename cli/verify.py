"""`cvault-verify`: the auditor's own check of an access log. Offline, with public keys alone.

One file that needs Python 3.9 and the package `cryptography`, nothing of the vault: copy it, read it, and run
`python verify.py tree DIR`. It was written from the pages in docs/formats and those of C2SP, apart from the
code that writes logs, so that its faults aren't repeated here. Each check names the rule it enforces.
Exit codes: 0 everything asked for holds; 2 a file is missing or unreadable; 5 something doesn't verify.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import html
import json
import os
import re
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, BinaryIO, NamedTuple, NoReturn, TypeVar

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KINDS = frozenset(  # docs/interface.md, "Closed lists"
    b"read search verify write import export deny login token reserve confirm restrict erase_begin erase_done"
    b" hold approve request key policy principal config alarm incident anchor open".split()
)
STUB = re.compile(  # docs/formats/log-entry.md, "Stub": the whole, i, k, n, t; spelt out, for \w is slower
    rb'(\{"c":"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]","g":(?:"[A-Za-z0-9_-]{21}[AQgw]"|""),"i":([1-9][0-9]{0,15}),'
    rb'"k":"([a-z_]{1,32})","n":"([A-Za-z0-9][A-Za-z0-9._-]{0,63})","r":"[A-Za-z0-9_-]{21}[AQgw]",'
    rb'"t":([1-9][0-9]{0,15}|0),"v":1\})'
)
Found = dict[str, Any]
Shape = dict[str, type]
Visit = Callable[[int, Sequence[bytes]], None]
T = TypeVar("T")
MIB = 1 << 20
URL = b"-_"


class Unreadable(Exception):
    """What the check needs isn't there, or can't be read: exit 2."""


class Refused(Exception):
    """Something doesn't verify: exit 5. `index` is the first entry at fault, where one can be named."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message if index is None else f"entry {index}: {message}")
        self.index = index


def demand(holds: object, message: str, index: int | None = None) -> None:
    """Refuse, unless it holds."""
    if not holds:
        raise Refused(message, index)


def must(found: T | None, message: str, index: int | None = None) -> T:
    """What was looked for, or a refusal."""
    if found is None:
        raise Refused(message, index)
    return found


# --- files and spellings


def opened(path: str) -> BinaryIO:
    """A regular file, open; a pipe or a device could keep an auditor waiting for ever."""
    try:
        if stat.S_ISREG(os.stat(path).st_mode):
            return open(path, "rb")
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path}: {getattr(error, 'strerror', 'no path')}") from None
    raise Unreadable(f"{path}: not a file")


def read(path: str, limit: int = MIB) -> bytes:
    """The bytes of a file, if they aren't too many."""
    with opened(path) as file:  # a buffer of the limit's size costs more than all else
        data = file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)
    demand(len(data) <= limit, f"{path}: longer than {limit} bytes")
    return data


def utf8(data: bytes) -> str:
    """Text, or a refusal."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None


def unbase64(text: str, length: int = -1, alphabet: bytes = b"+/") -> bytes:
    """RFC 4648 4, or 5 without padding (`URL`); of all spellings the canonical one."""
    pad = "=" if alphabet == URL else ""
    try:
        data = base64.b64decode(text + pad * (-len(text) % 4), alphabet, validate=True)
    except ValueError:
        raise Refused("malformed base64") from None
    again = base64.b64encode(data, alphabet).decode()
    demand((again.rstrip(pad) if pad else again) == text, "base64 in another than its one spelling")
    demand(length in (-1, len(data)), "base64 not as long as it must be")
    return data


def decimal(text: str) -> int:
    """C2SP's numbers: no leading zero, no sign, below 2^63."""
    demand(re.fullmatch("0|[1-9][0-9]{0,18}", text) and int(text) < 1 << 63, "malformed number")
    return int(text)


def document(data: bytes) -> object:
    """JSON in which no name stands twice: two readers could take it in two ways."""

    def once(pairs: list[tuple[str, Any]]) -> Found:
        demand(len(dict(pairs)) == len(pairs), "a JSON name stands twice")
        return dict(pairs)

    try:
        return json.loads(utf8(data), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Refused("malformed JSON") from None


def fields(value: object, shape: Shape, index: int | None = None) -> Found:
    """A JSON object of exactly these names, of these types (`object`: text or null)."""
    if isinstance(value, dict) and value.keys() == shape.keys():
        types = [(type(value[name]), kind) for name, kind in shape.items()]
        if all(one is kind or (kind is object and one in (str, type(None))) for one, kind in types):
            return value
    raise Refused(f"not an object of {', '.join(shape)}, each as it must be", index)


# --- the tree: RFC 6962 2.1 (that of RFC 9162 is the same)


def leaf(entry: bytes) -> bytes:
    """`SHA-256(0x00 || entry)`."""
    return sha256(b"\0" + entry).digest()


def subtree(hashes: Sequence[bytes]) -> bytes:
    """The root over neighbours of one size, the last perhaps smaller: in pairs, an odd one carried up."""
    while len(hashes) > 1:
        odd = hashes[len(hashes) & ~1 :]
        pairs = zip(hashes[::2], hashes[1::2])  # noqa: B905  an odd one is carried up instead
        hashes = [*[sha256(b"\1" + left + right).digest() for left, right in pairs], *odd]
    return hashes[0] if hashes else sha256().digest()


def included(at: bytes, index: int, point: Checkpoint, path: Sequence[bytes]) -> None:
    """An inclusion path leads from the leaf's hash to the root: RFC 9162 2.1.3.2."""
    demand(0 <= index < point.size, "the index lies beyond the checkpoint", index)
    here, last = index, point.size - 1
    for one in path:
        demand(last, "the inclusion path is too long", index)
        if here & 1 or here == last:
            at = sha256(b"\1" + one + at).digest()
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            at = sha256(b"\1" + at + one).digest()
        here, last = here >> 1, last >> 1
    demand(last == 0 and at == point.root, "it isn't in the log: its path doesn't lead to the root", index)


# --- keys, signed notes, witnesses


class Key(NamedTuple):
    """A verifier key (c2sp.org/signed-note, "Verifier keys"): kind 1 is a log's, 4 a witness's."""

    name: str
    id: bytes
    kind: int
    public: bytes


def vkey(line: str, kind: int) -> Key:
    """Read `name+hex id+base64(kind || Ed25519 key)`; the id must be the one the key has."""
    try:
        name, said, rest = line.split("+", 2)
        raw = unbase64(rest, 33)
        key = Key(name, sha256(name.encode() + b"\n" + raw).digest()[:4], raw[0], raw[1:])
        demand(said == key.id.hex() and re.fullmatch(r"\S+", name) and key.kind == kind, "malformed")
    except (Refused, ValueError):
        raise Unreadable("a verifier key is malformed, or of a kind that isn't verified here") from None
    return key


def signed(text: str, key: Key, signature: bytes) -> int | None:
    """Check one signature; a cosignature gives the witness's time in s (c2sp.org/tlog-cosignature)."""
    message, at = text.encode(), None
    if key.kind == 4:
        at, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        message = b"cosignature/v1\ntime %d\n" % at + message
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused(f"the signature of {key.name} isn't valid") from None
    demand(at is None or 0 < at < 1 << 63, "a witness's time is 0, or 2^63 or more")
    return at


def open_note(data: bytes, keys: Sequence[Key]) -> tuple[str, dict[Key, int | None]]:
    """Text and verified signers: c2sp.org/signed-note; docs/formats/checkpoint.md, "A reader MUST" 1-5."""
    known, note = {(key.name, key.id): key for key in keys}, utf8(data)
    body, gap, tail = note.rpartition("\n\n")
    lines = tail.split("\n")
    fits = gap and lines.pop() == "" and len(lines) <= 100 and len(data) <= MIB
    demand(fits and not re.search(r"[\0-\x09\x0b-\x1f]", note), "not a signed note")
    signers = {}
    for line in lines:
        hit = must(re.fullmatch(r"— ([^\s+]+) ([\w+/=]+)", line), "a signature line is malformed")
        raw = unbase64(hit[2])
        demand(len(raw) > 4, "a signature line is malformed")
        key = known.get((hit[1], raw[:4]))
        if key:
            signers[key] = signed(body + "\n", key, raw[4:])
    demand(any(key.kind == 1 for key in signers), "no trusted key of the log has signed it")
    return body + "\n", signers


class Trust(NamedTuple):
    """Whom the auditor believes: the log's keys, and who must have cosigned a checkpoint besides."""

    logs: list[Key]
    witnesses: dict[str, Key]
    groups: list[tuple[str, int, list[str]]]
    quorum: list[str]


def policy(data: bytes) -> Trust:
    """c2sp.org/tlog-policy: `log`, `witness`, `group`, `quorum`, a line each, naming earlier lines alone."""
    trust, names, members = Trust([], {}, [], []), ["none"], []
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        word, *rest = re.split("[ \t]+", line.strip(" \t"))
        if word == "log" and len(rest) in (1, 2):
            trust.logs.append(vkey(rest[0], 1))
        elif word == "witness" and len(rest) in (2, 3):
            trust.witnesses[rest[0]] = vkey(rest[1], 4)
            names.append(rest[0])
        elif word == "group" and len(rest) > 2 and set(rest[2:]) <= set(names[1:]):
            need = {"any": "1", "all": str(len(rest) - 2)}.get(rest[1], rest[1])
            trust.groups.append(
                (rest[0], int(need) if re.fullmatch("[1-9][0-9]{0,4}", need) else 0, rest[2:])
            )
            names.append(rest[0])
            members += rest[2:]
        elif word == "quorum" and len(rest) == 1 and rest[0] in names:
            trust.quorum.append(rest[0])
        elif word and not word.startswith("#"):
            raise Unreadable("the policy has a line that c2sp.org/tlog-policy doesn't know")
    publics = [[key.public for key in keys] for keys in (trust.logs, [*trust.witnesses.values()])]
    twice = any(len(set(one)) < len(one) for one in (names, members)) or any(
        len(set(one)) < len(one) for one in publics
    )
    fits = all(1 <= need <= len(group) for _, need, group in trust.groups) and len(trust.quorum) == 1
    if twice or not fits or re.search(rb"[\0-\x08\x0b-\x1f\x7f]", data):
        raise Unreadable(
            "the policy has no quorum or two, a name, key or member twice, or a group that can't be"
        )
    return trust


class Checkpoint(NamedTuple):
    """What a log said of itself, and which witnesses said when (s since 1970) that they saw it."""

    origin: str
    size: int
    root: bytes
    seen: dict[str, int]


def three_lines(text: str) -> Checkpoint:
    """c2sp.org/tlog-checkpoint, "Note text"; docs/formats/checkpoint.md, "A reader MUST" 6."""
    lines = text.split("\n")
    demand(len(lines) > 3 and not lines[-1] and all(lines[:-1]), "not a checkpoint")
    point = Checkpoint(lines[0], decimal(lines[1]), unbase64(lines[2], 32), {})
    demand(point.size or point.root == subtree([]), "size 0, but not the empty tree's root")
    return point


def open_checkpoint(data: bytes, trust: Trust) -> Checkpoint:
    """A checkpoint signed by the log whose name it bears, and cosigned by the quorum."""
    text, signers = open_note(data, [*trust.logs, *trust.witnesses.values()])
    point = three_lines(text)
    demand(
        any(key.kind == 1 and key.name == point.origin for key in signers), "the checkpoint is another log's"
    )
    done = {"none", *(name for name, key in trust.witnesses.items() if key in signers)}
    for name, need, group in trust.groups:
        if len(done.intersection(group)) >= need:
            done.add(name)
    demand(done.issuperset(trust.quorum), "the policy's quorum of witnesses hasn't cosigned it")
    return point._replace(seen={key.name: at for key, at in signers.items() if at is not None})


# --- the exported log: c2sp.org/tlog-tiles, docs/formats/tiles.md


class Tree:
    """Every tile of every level, computed from the entries up and held against its file as it grows."""

    def __init__(self, folder: str, size: int) -> None:
        self.folder, self.size = folder, size
        self.edge: list[list[bytes]] = [
            [] for _ in range(9)
        ]  # of each level, the hashes of the tile that grows
        self.files = [b""] * 9
        self.counts = [0] * 9

    def file(self, level: str, number: int, width: int, limit: int) -> bytes | None:
        """A tile or bundle; None if it isn't there."""
        parts = [f"{number % 1000:03}" + ("" if width == 256 else f".p/{width}")]
        while number := number // 1000:
            parts.insert(0, f"x{number % 1000:03}")
        path = os.path.join(self.folder, "tile", level, *parts)
        return read(path, limit) if os.path.lexists(path) else None

    def tile(self, level: int, number: int) -> bytes:
        """The file of a tile, exactly as wide as the log's size makes it."""
        width = min(256, self.size // 256**level - number * 256)
        data = self.file(str(level), number, width, 1 << 14) or b""
        end = (number * 256 + min(len(data) // 32, width)) * 256**level
        demand(
            len(data) == 32 * width,
            f"tile {number} of level {level} isn't there, or not as long as it must be",
            end,
        )
        return data

    def grow(self, level: int, new: Sequence[bytes]) -> None:
        """Hold computed hashes against their tile; when that is full, its root against the level above.

        Where an entry was forged together with its tile (CVE-2026-56865), the tile above tells, or the root.
        """
        row, count = self.edge[level], self.counts[level]
        if not row:
            self.files[level] = self.tile(level, count // 256)
        there = self.files[level][32 * len(row) : 32 * (len(row) + len(new))]
        if there != b"".join(new):
            bad = next(at for at, one in enumerate(new) if there[32 * at : 32 * at + 32] != one)
            raise Refused(
                f"the hash of {256**level} from here isn't the tile's, level {level}",
                (count + bad) * 256**level,
            )
        row.extend(new)
        self.counts[level] += len(new)
        if len(row) == 256:
            self.edge[level] = []
            self.grow(level + 1, [subtree(row)])

    def root(self, more: Sequence[bytes] = ()) -> bytes:
        """The root over all entries so far; with more leaves, at the start of a tile, over those too."""
        found: list[bytes] = []
        for row in (more or self.edge[0], *self.edge[1:]):
            found = [subtree([*row, *found])] if row or found else []
        return subtree(found)


class Bundle(NamedTuple):
    """The entries of one bundle, and of each the parts that are checked: lists of one length."""

    stubs: Sequence[bytes]
    counters: Sequence[bytes]
    kinds: Sequence[bytes]
    nodes: Sequence[bytes]
    times: Sequence[bytes]


def bundle(data: bytes, first: int, width: int) -> tuple[Bundle, Refused | None]:
    """A bundle's entries, up to the first that isn't canonical; and what is wrong there."""
    apart = STUB.split(data)  # what stands between the stubs, and each stub's groups behind it
    found = Bundle(*(apart[group::6] for group in range(1, 6)))
    lengths = [len(raw).to_bytes(2, "big") for raw in found.stubs]
    if len(lengths) == width and apart[::6] == [*lengths, b""]:
        return found, None  # they spell the file to its last byte; what follows says where they don't
    found, at = Bundle([], [], [], [], []), 0
    for index in range(first, first + width):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if len(data) < max(at + 2, end):
            return found, Refused("the bundle ends before it", index)
        hit = STUB.fullmatch(data, at + 2, end)
        if not hit:
            return found, Refused("not a stub in its one spelling", index)
        found = Bundle(*([*have, one] for have, one in zip(found, hit.groups())))  # noqa: B905  five each
        at = end
    beyond = Refused("the bundle goes on behind its last entry", first + width)
    return found, beyond if at < len(data) else None


class Walk:
    """The whole check of an exported log (docs/formats/log-entry.md, "What a verifier checks")."""

    def __init__(self, folder: str, trust: Trust, allowed: str | None = None) -> None:
        self.point = open_checkpoint(read(os.path.join(folder, "checkpoint")), trust)
        self.allowed = decimal(allowed or "0")
        self.tree = Tree(folder, self.point.size)
        self.minimum, self.first, self.last, self.lowest = 0, 0, 0, False
        self.counters: dict[bytes, int] = {}
        self.kinds: Counter[bytes] = Counter()

    def run(self, notes: list[str], visit: Visit = lambda *_: None, pin: Checkpoint | None = None) -> Found:
        """Hold exactly the checkpoint's entries against order, tiles, pin and root; `visit` what stands."""
        size, agreed = self.point.size, 0
        if pin:
            demand(pin.origin == self.point.origin, "what was pinned is another log's")
            demand(pin.size <= size, f"cut short: what was pinned has {pin.size} entries", size)
        for first in range(0, size, 256):
            entries, fault = self.entries(first, min(256, size - first))
            leaves = [sha256(b"\0" + raw).digest() for raw in entries]  # as `leaf`, without a million calls
            pinned = pin and first < pin.size <= first + 256
            root = self.tree.root(leaves[: pin.size - first]) if pin and pinned and leaves else None
            if leaves:
                self.tree.grow(0, leaves)
            if fault:
                raise fault
            if pin and pinned:
                demand(
                    leaves or pin.size == self.minimum,
                    "where the pin stands, entries are pruned",
                    pin.size - 1,
                )
                demand(
                    (root or self.tree.root()) == pin.root,
                    "what was pinned isn't the log's, from here on",
                    agreed,
                )
                agreed = pin.size
            visit(first, entries)
        demand(
            self.tree.root() == self.point.root,
            "from here on, entries and tiles aren't the checkpoint's",
            agreed,
        )
        if self.minimum:
            notes.append(f"entries before {self.minimum} are pruned: their hashes are taken as they stand")
        kinds = {kind.decode(): self.kinds[kind] for kind in sorted(self.kinds)}
        return told(self.point) | {
            "minimum": self.minimum,
            "first": self.first,
            "last": self.last,
            "kinds": kinds,
        }

    def entries(self, first: int, width: int) -> tuple[Sequence[bytes], Refused | None]:
        """The stubs of a bundle that are in order, and what is wrong with the next one."""
        data = self.tree.file("entries", first // 256, width, 256 * 65537)
        if data is None:
            self.prune(first, width)
            return [], None
        found, fault = bundle(data, first, width)
        try:
            self.in_order(found, first)
        except Refused as earlier:
            return found.stubs[: (earlier.index or first) - first], earlier
        return found.stubs, fault

    def prune(self, first: int, width: int) -> None:
        """tiles.md, "Pruning": a prefix may lack bundles, and tiles of level 0; the lowest there stand."""
        tree, number = self.tree, first // 256
        demand(first == self.minimum and width == 256, "its bundle isn't there", first)
        demand(first < self.allowed, "its bundle isn't there, nor said to be pruned (--minimum N)", first)
        data = tree.file("0", number, 256, 1 << 14)
        self.minimum = first + 256
        if data is not None:
            self.lowest = True
            tree.grow(0, [data[at : at + 32] for at in range(0, len(data), 32)])
            return
        demand(not self.lowest, "its bundle and tile aren't there, but an earlier tile is", first)
        try:
            above = tree.files[1] if number % 256 else tree.tile(1, number // 256)
        except Refused:
            raise Refused("its bundle isn't there, nor what would stand for it", first) from None
        tree.counts[0] += 256
        tree.grow(1, [above[number % 256 * 32 :][:32]])

    def in_order(self, found: Bundle, first: int) -> None:
        """The page's 2, 4, 5: a known kind; time never back; each node's counter from 1, without a gap."""
        if found.stubs and not self.in_plain_order(found):
            self.in_mixed_order(found, first)
        self.first = self.first or (int(found.times[0]) if found.times else 0)
        self.kinds.update(found.kinds)

    def in_plain_order(self, found: Bundle) -> bool:
        """The same for the usual bundle, all of one node and in order; anything else is looked at singly."""
        counts, times, node = [*map(int, found.counters)], found.times, found.nodes[0]
        begins = self.counters.get(node, counts[0] - 1 if self.minimum else 0) + 1
        first, last = int(times[0]), int(times[-1])
        plain = (
            counts == [*range(begins, begins + len(counts))]
            and len({*map(len, times)}) == 1  # numbers of one length are in order if their digits are
            and times == sorted(times)
            and self.last <= first
            and found.nodes.count(node) == len(counts)
            and KINDS.issuperset(found.kinds)
            and max(last, counts[-1]) < 1 << 53
        )
        if plain:
            self.counters[node], self.last = counts[-1], last
        return plain

    def in_mixed_order(self, found: Bundle, first: int) -> None:
        """One entry after the other, so that the first at fault is named."""
        last, counters = self.last, self.counters
        for index, (_, i, kind, node, t) in enumerate(zip(*found), first):  # noqa: B905  lists of one length
            count, at = int(i), int(t)
            if kind not in KINDS:
                raise Refused(f"the kind {kind.decode()} is unknown", index)
            if at < last:
                raise Refused("its time lies before that of the entry before", index)
            if count != counters.get(node, 0) + 1 and (node in counters or not self.minimum):
                raise Refused(f"the counter of node {node.decode()} has a gap or goes back", index)
            if at >= 1 << 53 or count >= 1 << 53:
                raise Refused("a number is 2^53 or more", index)
            counters[node], last = count, at
        self.last = last


# --- one entry: its stub, what was disclosed of it, its receipt; the shapes are those of docs/formats

SIDES: Shape = {side + part: object for side in ("who", "whom") for part in ("", "_salt", "_digest")}
HEAD: Shape = {
    "format": str, "origin": str, "audit": str, "size": int, "first": int, "last": int, "disclose": str,
    "sealed": bool,
}  # fmt: skip
KEY: Shape = {"format": str, "origin": str, "audit": str, "key": str, "ends": str}
REPORT: Shape = {
    "format": str, "origin": str, "checkpoint": str, "made": int, "series": list, "entries": list,
}  # fmt: skip
ENTRY: Shape = {"index": int, "series": int, "number": int, "stub": str, "path": list, **SIDES}


def stub(text: str, index: int) -> re.Match[bytes]:
    """A stub that came alone, in `STUB`'s groups."""
    raw = text.encode("utf-8", "replace")
    hit: re.Match[bytes] = must(STUB.fullmatch(raw), "not a stub in its one spelling", index)
    demand(
        hit[3] in KINDS and max(int(hit[2]), int(hit[5])) < 1 << 53,
        "an unknown kind, or a number too great",
        index,
    )
    return hit


def opens(line: Found, raw: bytes, index: int) -> list[str]:
    """The sides shown; with the digests of those that aren't, they give `c` (log-entry.md, "Commitment")."""
    digests, shown = [], []
    for side in ("who", "whom"):
        text, salt, digest = line[side], line[side + "_salt"], line[side + "_digest"]
        if text is not None and salt is not None and digest is None:
            message = text.encode("utf-8", "surrogatepass")
            digests.append(hmac.digest(unbase64(salt, 16, URL), message, "sha256"))
            shown.append(side)
        else:
            demand(text is None and salt is None, f"{side} is neither shown nor withheld", index)
            digests.append(unbase64(must(digest, f"{side} has no digest", index), 32, URL))
    made = sha256(b"cvault/entry/v1\0" + b"".join(digests)).digest()
    demand(
        made == unbase64(raw[6:49].decode(), 32, URL), "what is said of it isn't what was committed to", index
    )
    return shown


def tag(raw: bytes) -> bytes:
    """A stub's `g`, as it is written."""
    return raw.split(b'"', 8)[7]


def receipt(data: bytes, entry: bytes | None, trust: Trust) -> Found:
    """c2sp.org/tlog-proof; docs/formats/receipt.md. Of `extra` is believed what the tree proves."""
    head, _, note = utf8(data).partition("\n\n")
    first, *lines = head.split("\n")
    extra = unbase64(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else b""
    word, _, number = lines.pop(0).partition(" ") if lines else ("", "", "")
    demand(first == "c2sp.org/tlog-proof@v1" and word == "index", "not a receipt")
    demand(len(lines) <= 63 and len(extra) <= 1 << 16, "not a receipt: too long")
    index, point = decimal(number), open_checkpoint(note.encode(), trust)
    if not (entry or extra):
        raise Unreadable("the receipt holds no entry: give its stub with --entry FILE")
    raw, i, kind, node, t = stub(utf8(entry or extra).rstrip("\n"), index).groups()
    included(leaf(raw), index, point, [unbase64(line, 32) for line in lines])
    what = {"index": index, "kind": kind.decode(), "node": node.decode(), "counter": int(i), "time": int(t)}
    return told(point) | what


class Bodies:
    """docs/formats/audit-bodies.md: a line for each entry from the first on, held against its stub."""

    def __init__(self, file: BinaryIO, key: str | None, point: Checkpoint) -> None:
        self.file, self.shown, self.key = file, Counter[str](), b""
        self.head = head = fields(document(self.line()), HEAD)
        fits = head["format"] == "cvault/bodies/v1" and head["disclose"] in ("who", "whom", "both")
        demand(fits and head["origin"] == point.origin, "the bodies are another log's, or of another format")
        demand(
            0 <= head["first"] <= head["last"] <= head["size"] <= point.size, "the bodies go beyond the log"
        )
        self.at: int = head["first"]
        if head["sealed"]:
            if not key:
                raise Unreadable("the bodies are sealed: give the audit's key with --key FILE")
            said = fields(document(read(key)), KEY)
            same = all(said[name] == head[name] for name in ("origin", "audit"))
            demand(same and said["format"] == "cvault/audit-key/v1", "the key is another audit's")
            self.key = unbase64(said["key"], 32, URL)

    def line(self) -> bytes:
        """The next line."""
        line = self.file.readline(MIB)
        demand(len(line) < MIB, "a line of the bodies is too long")
        return line

    def visit(self, first: int, entries: Sequence[bytes]) -> None:
        """Take the lines of these entries."""
        for index in range(max(first, self.at), min(first + len(entries), self.head["last"])):
            demand(self.at == index, "a line, but its stub is pruned", self.at)
            try:
                data = self.unseal(self.line()) if self.key else self.line()
                line = fields(document(data), {"index": int, **SIDES})
                demand(line["index"] == index, "its line is missing, or in another place")
                self.shown.update(opens(line, entries[index - first], index))
            except Refused as fault:
                raise (Refused(str(fault), index) if fault.index is None else fault) from None
            self.at += 1

    def unseal(self, data: bytes) -> bytes:
        """AES-256-GCM under a key of this entry alone, bound to log, audit and index."""
        line = fields(document(data), {"index": int, "box": str})
        demand(line["index"] == self.at, "its line is missing, or in another place")
        box = unbase64(line["box"], -1, URL)
        key = hmac.digest(self.key, b"cvault/bodies/v1\0" + self.at.to_bytes(8, "big"), "sha256")
        try:
            return AESGCM(key).decrypt(
                box[:12], box[12:], f"{self.head['origin']}\n{self.head['audit']}\n{self.at}".encode()
            )
        except (InvalidTag, ValueError):
            raise Refused("its box doesn't open under this key") from None


class Report:
    """docs/formats/access-report.md: the page as it was signed, and every access in it proved."""

    PAGE, SEAL = b'<pre id="cvault-proof"', b'<pre id="cvault-signature"'
    BEYOND = 64  # numbers past each series' last that the log may not hold
    PRUNED = 1 << 20  # the most that may be let go before a series' first: each is looked for in the log

    def __init__(self, data: bytes, trust: Trust) -> None:
        page, _, seal = data.partition(self.SEAL)
        demand(data.count(self.PAGE) == 1 and data.count(self.SEAL) == 1, "not a report, or with two proofs")
        outer = must(
            re.fullmatch(rb" hidden>([^<>]*)</pre></body></html>\n", seal), "not a report to its last byte"
        )
        inner = must(
            re.search(self.PAGE + rb" hidden>([\w+/=\n]+)</pre>\s*\Z", page),
            "the report's proof is malformed",
        )
        text, signers = open_note(html.unescape(utf8(outer[1])).encode(), trust.logs)
        demand(
            text == f"cvault/report/v1\n{sha256(page).hexdigest()}\n",
            "the page isn't the one that was signed",
        )
        self.said = said = fields(document(unbase64(inner[1].replace(b"\n", b"").decode())), REPORT)
        self.point = open_checkpoint(said["checkpoint"].encode("utf-8", "surrogatepass"), trust)
        same = said["origin"] == self.point.origin and said["origin"] in {key.name for key in signers}
        demand(
            same and said["format"] == "cvault/report/v1",
            "the report, its proof and its checkpoint aren't one log's",
        )
        known = [{"first": 0, **one} if isinstance(one, dict) else one for one in said["series"]]
        series = [fields(one, {"first": int, "key": str, "count": int}) for one in known]
        self.pruned = max((one["first"] for one in series), default=0)
        self.keys = [unbase64(one["key"], 32, URL) for one in series]
        self.numbers: list[set[int]] = [set() for _ in series]
        self.tags: dict[bytes, int] = {}
        self.shown: Counter[str] = Counter()
        for one in said["entries"]:
            self.entry(fields(one, ENTRY))
        self.beyond: set[bytes] = set()
        for at, (one, have) in enumerate(zip(series, self.numbers)):  # noqa: B905  one was made of the other
            first, count = one["first"], one["count"]
            demand(
                0 <= first <= count <= self.point.size
                and first <= self.PRUNED
                and len(have) == count - first,
                "a series has a gap",
            )
            demand(not have or (min(have), max(have)) == (first, count - 1), "a series has a gap")
            others = (*range(first), *range(count, count + self.BEYOND))
            self.beyond.update(self.tag(at, number) for number in others)

    def tag(self, series: int, number: int) -> bytes:
        """The `g` that an entry of this number must bear: log-entry.md, "Body"."""
        made = hmac.digest(self.keys[series], number.to_bytes(8, "big"), "sha256")[:16]
        return base64.urlsafe_b64encode(made).rstrip(b"=")

    def entry(self, one: Found) -> None:
        """One access: in the log at its index, tagged as its series says, opened to its commitment."""
        index, series, number = one["index"], one["series"], one["number"]
        demand(0 <= series < len(self.keys) and 0 <= number < 1 << 32, "its series or number can't be", index)
        raw = stub(one["stub"], index)[1]
        included(leaf(raw), index, self.point, [unbase64(str(step), 32) for step in one["path"]])
        demand(tag(raw) == self.tag(series, number), "its tag isn't that of its series and number", index)
        demand(number not in self.numbers[series], "its number stands twice", index)
        self.numbers[series].add(number)
        self.tags[tag(raw)] = index
        self.shown.update(opens(one, raw, index))

    def visit(self, first: int, entries: Sequence[bytes]) -> None:
        """In the whole log, no other entry bears a tag of these series, nor one of those that come next."""
        for index, raw in enumerate(entries, first):
            mine = tag(raw)
            demand(mine not in self.beyond, "it concerns the borrower, and the report leaves it out", index)
            demand(
                self.tags.get(mine, index) == index, "it bears the tag of another entry of the report", index
            )


# --- the commands


def told(point: Checkpoint) -> Found:
    """What every check says of the checkpoint it rests on."""
    root = base64.b64encode(point.root).decode()
    return {"origin": point.origin, "size": point.size, "root": root, "cosigned": point.seen}


def trusted(options: argparse.Namespace, notes: list[str], beside: str) -> Trust:
    """The keys: `--vkey`, else the policy's logs, else `log.vkey` beside what is checked."""
    trust = policy(read(options.policy)) if options.policy else Trust([], {}, [], [])
    if not options.policy:
        notes.append("no --policy: whether others are shown the same log isn't checked")
    if options.vkey or not trust.logs:
        path = options.vkey or os.path.join(beside, "log.vkey")
        if not options.vkey:
            notes.append(f"the key is {path}: compare it with one that you got by another way")
        keys = [vkey(line, 1) for line in read(path).decode("utf-8", "replace").split()]
        trust = trust._replace(logs=[key for key in keys if key in trust.logs or not trust.logs])
    if not trust.logs:
        raise Unreadable("no key of the log is given, or none that the policy knows")
    if {key.public for key in trust.logs} & {key.public for key in trust.witnesses.values()}:
        raise Unreadable("the policy takes the log's own key for a witness's: the log would vouch for itself")
    if trust.quorum == ["none"]:
        notes.append("the policy's quorum is none: whether others are shown the same log isn't checked")
    return trust


def tree(options: argparse.Namespace, notes: list[str]) -> Found:
    """An exported log: every entry, tile, counter and time; its root; its signatures."""
    return Walk(options.dir, trusted(options, notes, options.dir), options.minimum).run(notes)


def extends(options: argparse.Namespace, notes: list[str]) -> Found:
    """The same, and that the log goes on from what was pinned: three lines, or a whole checkpoint."""
    trust, data = trusted(options, notes, options.dir), read(options.pinned)
    lines = [line.strip() for line in utf8(data).splitlines() if line.strip()]
    text = open_note(data, trust.logs)[0] if b"\n\n" in data else "\n".join([*lines, ""])
    pin = three_lines(text)
    return Walk(options.dir, trust, options.minimum).run(notes, pin=pin) | {"pinned": pin.size}


def proof(options: argparse.Namespace, notes: list[str]) -> Found:
    """A receipt: its entry stands in the log."""
    trust = trusted(options, notes, os.path.dirname(options.file))
    return receipt(read(options.file), read(options.entry) if options.entry else None, trust)


def bodies(options: argparse.Namespace, notes: list[str]) -> Found:
    """Disclosed entries: what is said of them is what they committed to."""
    walk = Walk(options.dir, trusted(options, notes, options.dir), options.minimum)
    with opened(options.file) as file:
        said = Bodies(file, options.key, walk.point)
        found = walk.run(notes, said.visit)
        demand(said.at == said.head["last"], "a line, but its stub is pruned", said.at)
        demand(not file.read(1), "the bodies go on behind their last entry")
    opened_ = {"who": said.shown["who"], "whom": said.shown["whom"]}
    return found | {"audit": said.head["audit"], "entries": said.at - said.head["first"]} | opened_


def report(options: argparse.Namespace, notes: list[str]) -> Found:
    """A borrower's report: the vault's own, each access proved; with --tree, none left out."""
    trust = trusted(options, notes, os.path.dirname(options.file))
    said = Report(read(options.file, 256 * MIB), trust)
    found = {
        "accesses": len(said.tags),
        "who": said.shown["who"],
        "whom": said.shown["whom"],
        "made": said.said["made"],
    }
    if options.tree:
        walk = Walk(options.tree, trust, options.minimum)
        size = walk.point.size
        shorter = f"shorter than the report's log of {said.point.size} entries: an older export, or cut short"
        demand(said.point.size <= size or said.point.origin != walk.point.origin, shorter, size)
        return walk.run(notes, said.visit, said.point) | found
    if said.pruned:
        notes.append("by the report, earlier accesses are pruned from the log")
    notes.append("no --tree: whether an access was left out isn't checked")
    return told(said.point) | found


HELP = {
    "dir": "an exported log: the folder with `checkpoint` and `tile/`",
    "file": "what is checked",
    "pinned": "a pin's three lines, or a whole checkpoint, kept from an earlier time",
    "--entry": "the entry's stub, where the receipt doesn't bring it along",
    "--tree": "an exported log, no older than the report: was an access left out?",
    "--key": "the audit's key file, where the bodies are sealed",
    "--minimum": "the log's retention let entries before this index go; without it, none may be missing",
}


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--vkey", metavar="FILE", help="the log's public key, from somewhere that you trust")
    common.add_argument("--policy", metavar="FILE", help="witnesses and their quorum (c2sp.org/tlog-policy)")
    common.add_argument("--json", action="store_true", help="one JSON document")
    parser = argparse.ArgumentParser(
        "cvault-verify", description="Checks an access log offline.", epilog=__doc__
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    takes = {
        tree: ["dir", "--minimum"], proof: ["file", "--entry"], extends: ["pinned", "dir", "--minimum"],
        report: ["file", "--tree", "--minimum"], bodies: ["dir", "file", "--key", "--minimum"],
    }  # fmt: skip
    for run, names in takes.items():
        command = commands.add_parser(
            run.__name__, parents=[common], help=run.__doc__, description=run.__doc__
        )
        command.set_defaults(run=run)
        for name in names:
            command.add_argument(name, metavar=name.lstrip("-").upper(), help=HELP.get(name))
    return parser


def readable(name: str, value: object) -> str:
    """A value for people: instants as UTC, and nothing that would steer a terminal."""
    if isinstance(value, dict):
        value = ", ".join(
            f"{one} {readable('at' if name == 'cosigned' else '', value[one])}" for one in value
        ) or ("nobody else" if name == "cosigned" else "")
    elif name in ("first", "last", "time", "made", "at") and value:
        seconds = int(str(value)) // (1 if name == "at" else 10**6)
        value = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if 0 <= seconds < 1 << 36 else value
    return "".join(char if char.isprintable() else "?" for char in str(value))


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command; say what holds, or the first thing that doesn't."""
    options, notes = arguments().parse_args(argv), list[str]()
    code, found, error = 0, Found(), Found()
    try:
        found = options.run(options, notes)
    except (Unreadable, OSError) as fault:
        code, error = 2, {"code": "unreadable", "message": str(fault), "index": None}
    except MemoryError:
        code, error = 2, {"code": "unreadable", "message": "too large for this computer", "index": None}
    except Refused as fault:
        code, error = 5, {"code": "integrity", "message": str(fault), "index": fault.index}
    if options.json:
        lines = [json.dumps({"error": error} if code else found | {"notes": notes})]
    elif code:
        lines = [("NOT VERIFIED: " if code == 5 else "can't be checked: ") + readable("", error["message"])]
    else:
        lines = ["VERIFIED", *(f"{name:<9} {readable(name, found[name])}" for name in found)]
        lines += [f"note: {readable('', note)}" for note in notes]
    stream = sys.stderr if code else sys.stdout
    stream.buffer.write("".join(line + "\n" for line in lines).encode("utf-8", "replace"))
    sys.exit(code)


if __name__ == "__main__":
    main()
