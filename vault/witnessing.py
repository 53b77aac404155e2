"""Witnessing: outside parties cosign the log's checkpoints, so that it can't be rewritten behind them.

A bench of the auditing room. A witness (c2sp.org/tlog-witness) sees the log's name, size and root and nothing
else, remembers the last of them, and refuses whatever doesn't extend it. A round asks every witness of the
policy in force; what they said is kept and, as an `anchor` entry, becomes part of the log itself: no entry
after it can claim to be older (docs/witnesses.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import Final

from vault.access.tokens import Credential
from vault.courier import Courier
from vault.errors import Invalid, NotFound, Tampered, Unavailable, VaultError
from vault.ledger import witness as asking
from vault.ledger.checkpoint import MAX_LOG_SIZE, open_checkpoint
from vault.ledger.cosignature import Cosignature
from vault.ledger.note import VKey, split
from vault.ledger.registry import WitnessPolicy
from vault.ledger.tiles import Hashes
from vault.ledger.witness import Answer
from vault.ledger.witness_policy import Policy, Witness, read
from vault.merkle import consistency_path
from vault.model import Happening, Who, Whom, Word
from vault.proving import Source
from vault.pruning import floor_of
from vault.stores.witnessing import ANCHOR, CosignatureRow
from vault.telemetry import logger
from vault.tenancy import Tenancy
from vault.watching import ID, Cosigned, Tail

__all__ = ["Outcome", "Round", "Tail", "Witnessing"]

_KIND: Final = "text/plain; charset=utf-8"
_RECENT: Final = 256
"""Lines looked through for what each witness cosigned last; one that isn't among them is asked itself."""
_AT_ONCE: Final = 8
"""Witnesses asked at the same time."""
_REMEDY: Final = (
    "keep the ledger as it is, as evidence; compare it with its mirror and pins; then cvault log recover"
)


class Outcome(Word):
    """How one witness answered.

    Attributes:
        name: As the policy calls it.
        state: `cosigned`, `had` (before this round), `no_url`, `failed`, `forbidden`, `unknown`, `rewritten`
            (it has seen another history) or `rolled_back` (it has seen a longer log).
        why: `unreachable`, `timeout`, `too_large`, `garbage`, `no_cosignature`, `outrun` (another node's
            round was ahead), `pruned` (what it cosigned last lies below the log's floor) or an HTTP status;
            "" with `cosigned`.
        time: POSIX seconds of its cosignature, 0 without one.
    """

    name: str
    state: str
    why: str = ""
    time: int = 0


class Round(Word):
    """What came of a round.

    Attributes:
        size: The checkpoint's size.
        skipped: Nothing had happened since the last one that would need witnesses.
        witnessed: Whether the checkpoint counts as witnessed now: a quorum, or any where none is asked for.
        anchor: The index of the anchor entry, None if this round made none.
    """

    size: int
    skipped: bool
    witnessed: bool
    anchor: int | None
    outcomes: tuple[Outcome, ...]


class Witnessing:
    """Witnesses of the log: who they are, what they have cosigned, how far behind they are."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

    # --- who they are -----------------------------------------------------------------------------------

    def set_witnesses(self, credential: Credential, text: str, request: str | None = None) -> str:
        """Put a policy of witnesses in force (c2sp.org/tlog-policy); its digest in hex. An entry.

        Takes another person's yes where the policy asks for one of keys (`[approvals.keys]`), given for
        `witness policy` and the file's SHA-256.

        Raises:
            Denied: Not an admin for administration, or nobody else approved it (`approval_required`).
            Invalid: The file is no such policy, is about other logs, takes the log's own key for a witness,
                or has an address that isn't https.
        """
        t, policy, digest = self._t, read(text), sha256(text.encode()).hexdigest()
        self._demand_fit(policy)
        with t.acting(credential, "key") as (grant, page):
            about = f"witness policy {digest}"
            t.use_approval(page, request, "keys", (about,), by=grant.principal)
            page.put(WitnessPolicy(id=ID, text=text, by=grant.principal, at=page.now))
            page.add(Happening(kind="config", who=t.who(grant), whom=Whom(detail=about)))
        return digest

    def _demand_fit(self, policy: Policy) -> None:
        own, problem = _vkey(self._t), ""
        if policy.logs and own not in policy.logs:
            problem = "its logs don't include this one"
        elif any(key.public == own.public for key in policy.keys):
            problem = "the log's own key is no witness"
        if problem:
            raise Invalid(
                problem,
                code="invalid_witness_policy",
                field="policy",
                remedy="cvault log vkey has this log's key",
            )
        for witness in policy.witnesses.values():
            if witness.url:
                asking.endpoint(witness.url)

    def witnesses(self) -> WitnessPolicy | None:
        """The policy in force with who put it there, or None; public."""
        return self._t.journal.registry().find(WitnessPolicy, ID)

    # --- what they have cosigned ------------------------------------------------------------------------

    def tail(self) -> Tail:
        """What witnesses have not cosigned yet.

        Raises:
            Tampered: The log is shorter than what they have.
        """
        t = self._t
        newest = t.watch.newest(t.journal.registry())
        known = t.journal.known  # before the head; and the cosignatures before both: the log may grow
        head = t.journal.checked(t.stores.ledger.head(t.name), known)
        return t.watch.tail(newest, head.size, t.clock())

    def cosigned(self, size: int | None = None) -> str:
        """A signed checkpoint with the cosignatures of the witnesses in force; public.

        Args:
            size: Of this size; None for the newest that counts as witnessed.

        Raises:
            NotFound: There is none.
        """
        return self._cosigned(size).note

    def _cosigned(self, size: int | None) -> Cosigned:
        watch, registry = self._t.watch, self._t.journal.registry()
        policy = watch.policy(registry)
        found = None
        if policy is not None:
            found = watch.newest(registry) if size is None else watch.cosigned(policy, size)
        if found is None:
            raise NotFound(
                "no checkpoint is cosigned", remedy="cvault log witness run; cvault log witness show"
            )
        return found

    def pin(self, *, cosigned: bool = False) -> str:
        """The three lines of the newest checkpoint (or of the newest cosigned one), to be kept outside.

        Whoever keeps them can show later that an export doesn't extend them (docs/witnesses.md).
        """
        note = self.cosigned() if cosigned else self._t.journal.checkpoint()
        return split(note)[0]

    # --- a round ----------------------------------------------------------------------------------------

    def round(self, courier: Courier) -> Round:
        """Ask every witness for a cosignature on the newest checkpoint, and keep what they say.

        Needs no token: what is asked for takes nothing out of the vault, and entries are this node's.

        Raises:
            Invalid: No witnesses are configured.
            Tampered: A witness has seen another or a longer history of this log, or the store's own newest
                cosigned checkpoint says so; an `alarm` entry if the log can still be written.
            LogUnavailable: What they said could not be kept.
        """
        t = self._t
        registry = t.journal.registry()
        policy = t.watch.policy(registry)
        if policy is None or not policy.witnesses:
            raise Invalid(
                "no witnesses are configured",
                code="invalid_witness_policy",
                remedy="cvault log witness policy FILE",
            )
        newest = t.watch.newest(registry)
        note = t.journal.checkpoint()
        one = _Asking(t, policy, note, courier)
        try:
            one.compare(newest)
            if newest is not None and not t.watch.tail(newest, one.size, t.clock()).entries:
                return Round(size=newest.size, skipped=True, witnessed=True, anchor=None, outcomes=())
        except Tampered as fault:
            self._alarm(f"witness: {fault.message}")
            raise
        return self._keep(one, policy)

    def _keep(self, one: _Asking, policy: Policy) -> Round:
        """Ask, then enter what was answered in one page."""
        t = self._t
        outcomes = one.ask(self._idents(policy, one.size))
        anchor = None
        if one.cosignatures:
            with t.journal.page() as page:
                page.tx.checkpoint(one.size, one.note)
                had = self._idents(policy, one.size)  # another node may have asked as well: its line stays
                fresh = [c for c in one.cosignatures if c.witness not in had]
                page.tx.witnessing.put(
                    [CosignatureRow(t.name, one.size, c.witness, c.line, page.now) for c in fresh]
                )
                now = t.watch.cosigned(policy, one.size)
                if now is not None and _counts(policy, now) and not policy.enough(had):
                    anchor = page.first_index
                    page.add(self._anchor(f"cosigned {one.size} {sha256(now.note.encode()).hexdigest()}"))
        t.journal.pin()
        self._refuse(one, outcomes)
        done = t.watch.cosigned(policy, one.size)
        return Round(
            size=one.size,
            skipped=False,
            witnessed=_counts(policy, done),
            anchor=anchor,
            outcomes=tuple(outcomes),
        )

    def _idents(self, policy: Policy, size: int) -> set[str]:
        """Who has cosigned a size, by what verifies."""
        found = self._t.watch.cosigned(policy, size)
        return {one.witness for one in found.by} if found else set()

    def _refuse(self, one: _Asking, outcomes: list[Outcome]) -> None:
        """What a witness says against this log is an alarm; no further answer makes it good."""
        bad = [outcome for outcome in outcomes if outcome.state in {"rewritten", "rolled_back"}]
        if not bad:
            return
        names = ", ".join(outcome.name for outcome in bad)
        what = (
            "has seen another history of this log: it was rewritten"
            if any(outcome.state == "rewritten" for outcome in bad)
            else "has seen a longer log: this one was cut, or is a restored copy"
        )
        self._alarm(f"witness {names} {what}")
        raise Tampered(f"a witness {what}", index=one.size, field="witness", remedy=_REMEDY)

    def _alarm(self, detail: str) -> None:
        try:
            self._t.journal.log(Happening(kind="alarm", who=self._who("witness"), whom=Whom(detail=detail)))
        except VaultError as error:
            logger().error("a witness's alarm could not be entered", tenant=self._t.name, code=error.code)

    def _anchor(self, detail: str) -> Happening:
        return Happening(kind=ANCHOR, who=self._who(), whom=Whom(detail=detail))

    def _who(self, reason: str = "") -> Who:
        t = self._t
        return Who(
            actor=t.config.settings.node, role="", purpose="audit", reason=reason, policy=t.policy.hash[:16]
        )


class _Asking:
    """One round under way: what is asked, of whom, from which size on."""

    def __init__(self, tenancy: Tenancy, policy: Policy, note: str, courier: Courier) -> None:
        self.note = note
        self.size = open_checkpoint(note, _vkey(tenancy)).size
        self.cosignatures: list[Cosignature] = []
        self._t = tenancy
        self._policy = policy
        self._courier = courier
        self._hashes = Hashes(Source(tenancy.stores.ledger, tenancy.name), self.size)
        self._floor = floor_of(tenancy.journal.registry()).entries

    def compare(self, newest: Cosigned | None) -> None:
        """Demand that this log extends what the store itself has cosigned.

        Raises:
            Tampered: It doesn't.
        """
        if newest is None or not self._floor <= newest.size <= self.size:
            return  # a shorter log is the tail's to refuse; of what was pruned no root can be made
        cp = open_checkpoint(newest.note, _vkey(self._t))
        if self._hashes.root_at(cp.size) != cp.root:
            raise Tampered(
                "the log is not the one that witnesses have cosigned", index=cp.size, remedy=_REMEDY
            )

    def ask(self, had: set[str]) -> list[Outcome]:
        """Ask those who haven't cosigned this size; where they know another one, once more from there."""
        asked = {
            name: witness
            for name, witness in self._policy.witnesses.items()
            if witness.url and witness.key.ident not in had
        }
        last = self._last()
        answers = self._all(asked, {name: last.get(w.key.ident, 0) for name, w in asked.items()})
        again = {name: a.size for name, a in answers.items() if a.state == "stale" and a.size <= self.size}
        answers |= self._all({name: asked[name] for name in again}, again)
        return [self._outcome(w, had, answers.get(name)) for name, w in self._policy.witnesses.items()]

    def _last(self) -> dict[str, int]:
        """The size that each witness cosigned last, as far as this store remembers."""
        found: dict[str, int] = {}
        for row in self._t.stores.ledger.witnessing(self._t.name).newest(MAX_LOG_SIZE, _RECENT):
            found.setdefault(row.witness, row.size)
        return found

    def _all(self, witnesses: Mapping[str, Witness], olds: Mapping[str, int]) -> dict[str, Answer]:
        """Ask several at once; proofs are made here, as a store's session is its thread's own."""
        if not witnesses:
            return {}
        calls: dict[str, Callable[[], Answer]] = {}
        for name, witness in witnesses.items():
            old = olds[name] if olds[name] <= self.size else 0
            if 0 < old < self._floor:
                calls[name] = partial(Answer, state="failed", why="pruned")
                continue
            path = consistency_path(old, self.size, self._hashes.node) if 0 < old < self.size else []
            calls[name] = partial(self._one, witness, asking.request(old, path, self.note))
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(calls))) as pool:
            futures = {name: pool.submit(call) for name, call in calls.items()}
            return {name: future.result() for name, future in futures.items()}

    def _one(self, witness: Witness, body: bytes) -> Answer:
        try:
            reply = self._courier.post(asking.endpoint(witness.url), body, kind=_KIND, most=asking.MOST_BYTES)
        except Unavailable as error:
            return Answer(state="failed", why=error.code)
        return asking.read(reply.status, reply.body, self.note, witness.key)

    def _outcome(self, witness: Witness, had: set[str], answer: Answer | None) -> Outcome:
        name = witness.name
        if answer is None:
            return Outcome(name=name, state="had" if witness.key.ident in had else "no_url")
        if answer.state == "cosigned" and answer.cosignature is not None:
            self.cosignatures.append(answer.cosignature)
            return Outcome(name=name, state="cosigned", time=answer.cosignature.time)
        if answer.state == "forged":
            return Outcome(name=name, state="rewritten", why=answer.why)
        if answer.state == "stale":
            return self._stale(name, answer)
        return Outcome(name=name, state=answer.state, why=answer.why)

    def _stale(self, name: str, answer: Answer) -> Outcome:
        """It knows a longer log than was shown: another node's round was ahead, or this log was cut."""
        grown = open_checkpoint(self._t.journal.checkpoint(), _vkey(self._t)).size
        if answer.size <= grown:
            return Outcome(name=name, state="failed", why="outrun")
        return Outcome(name=name, state="rolled_back", why=answer.why)


def _counts(policy: Policy, found: Cosigned | None) -> bool:
    return found is not None and policy.enough({one.witness for one in found.by})


def _vkey(t: Tenancy) -> VKey:
    return VKey(name=t.keys.origin, public=t.keys.log.public)
