"""Sampling: entries for review that nobody chose, neither the operator nor the auditor (DESIGN 7).

The bench draws from a signed checkpoint (docs/formats/sample.md) and reads what it drew. A sample is an
entry of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from vault.access.tokens import Credential
from vault.errors import Tampered
from vault.inquiring import Inquiring, Line
from vault.ledger import checkpoint, note, sampling
from vault.ledger.checkpoint import Checkpoint
from vault.merkle import leaf_hash
from vault.model import Happening, Whom, Word
from vault.proving import Proving
from vault.pruning import floor_of
from vault.stores.strata import Column
from vault.tenancy import Tenancy


class Stratum(Word):
    """One part of a sample: what was drawn of how many.

    Attributes:
        name: `column=value`, "" for a sample of the whole log.
        entries: How many there were to draw from.
        indices: What was drawn, in that order.
    """

    name: str
    entries: int
    indices: list[int]


class Sampled(Word):
    """A sample, its lines in the order drawn.

    Attributes:
        size: The checkpoint's.
        first: The entries before it were let go by rule.
        gone: What was drawn of those, and so has no line.
        signers: Who signed the checkpoint, by key name; of them the log's signature alone was checked.
        leaves: Leaf hash (hex) of each line's entry.
    """

    size: int
    first: int
    gone: list[int]
    signers: list[str]
    strata: list[Stratum]
    lines: list[Line]
    leaves: list[str]


class Sampling:
    """Draws samples of the access log."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._asking = Inquiring(tenancy)
        self._proofs = Proving(tenancy)

    def sample(
        self, credential: Credential, seed: str, wanted: int, stratify: Column | None = None
    ) -> Sampled:
        """Draw entries by a checkpoint, and read them.

        Args:
            credential: Must allow to audit.
            seed: The signed checkpoint, whole.
            wanted: How many entries, or of each stratum so many; all where there are fewer.
            stratify: Draw from the entries of each role, or of each purpose, apart.

        Raises:
            Denied: The token doesn't allow to audit.
            Invalid: Too many, or none.
            NotFound: The log's retention has let go every entry of the checkpoint.
            Tampered: The checkpoint isn't this log's, or an entry drawn isn't the one in the tree.
        """
        point = self._checked(seed)
        sampling.draw(b"", 0, wanted)  # refuses a count before anything is an entry
        with self._t.acting(credential, "audit") as (grant, page):
            registry = page.registry
            detail = f"log sample {wanted} of {point.size} {stratify or ''}".rstrip()
            page.add(Happening(kind="search", who=self._t.who(grant), whom=Whom(detail=detail)))
        first = floor_of(registry).entries
        strata = self._strata(seed, (first, point.size), wanted, stratify)
        drawn = [index for part in strata for index in part.indices]
        indices = [index for index in drawn if index >= first]
        rows = self._t.stores.ledger.strata(self._t.name).pick(indices)
        missing = sorted(set(indices) - {row.idx for row in rows})
        if missing:
            raise Tampered("an entry is missing", index=missing[0], remedy="run `cvault log verify`")
        return Sampled(
            size=point.size,
            first=first,
            gone=[index for index in drawn if index < first],
            signers=[name for name, _, _ in note.split(seed)[1]],
            strata=strata,
            lines=self._asking.lines(rows, registry),
            leaves=[leaf_hash(row.stub).hex() for row in rows],
        )

    def _checked(self, seed: str) -> Checkpoint:
        """The checkpoint, if this log signed it and still is the log it speaks of."""
        point = checkpoint.open_checkpoint(seed, self._proofs.vkey)
        if not self._proofs.has(point):
            raise Tampered(
                "the checkpoint is not a state of this log",
                index=point.size,
                remedy="keep it as evidence and run `cvault log verify`",
            )
        return point

    def _strata(self, seed: str, span: tuple[int, int], wanted: int, column: Column | None) -> list[Stratum]:
        if column is None:
            drawn = sampling.draw(sampling.seed_of(seed), span[1], wanted)
            return [Stratum(name="", entries=span[1], indices=drawn)]
        table = self._t.stores.ledger.strata(self._t.name)
        counts = table.counts(column, *span)
        ranks = {
            value: sampling.draw(sampling.seed_of(seed, column, value), count, wanted)
            for value, count in counts.items()
        }
        found = self._at_ranks(column, span, ranks)
        return [
            Stratum(name=f"{column}={value}", entries=counts[value], indices=indices)
            for value, indices in found.items()
        ]

    def _at_ranks(
        self, column: Column, span: tuple[int, int], ranks: Mapping[str, Sequence[int]]
    ) -> dict[str, list[int]]:
        """The indices at these ranks among each value's entries, in one walk over the log."""
        wanted = {value: set(some) for value, some in ranks.items()}
        met: defaultdict[str, int] = defaultdict(int)
        at: dict[tuple[str, int], int] = {}
        for index, value in self._t.stores.ledger.strata(self._t.name).walk(column, *span):
            rank = met[value]
            met[value] += 1
            if rank in wanted.get(value, ()):
                at[value, rank] = index
        if any((value, rank) not in at for value, some in ranks.items() for rank in some):
            raise Tampered("the log changed while it was sampled", remedy="run `cvault log verify`")
        return {value: [at[value, rank] for rank in some] for value, some in ranks.items()}
