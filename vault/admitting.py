"""Admitting: what a draft must fulfil before it is stored; each check names the field and what to do.

The bench behind stocking: pure questions about a draft and what it found.
"""

from __future__ import annotations

from vault.errors import Invalid
from vault.intake.rows import Rejection
from vault.keeping import Held
from vault.matching import Matches
from vault.model import Draft


def rejection(draft: Draft, error: Invalid) -> Rejection:
    """A refusal as it stands in a report: of the draft's row, without a value."""
    return Rejection(
        row=draft.row,
        field=error.field or draft.kind,
        code=error.code,
        message=error.message,
        remedy=error.remedy,
    )


def check_case(draft: Draft) -> None:
    """A record's own case number must be that of the case it is to belong to.

    Raises:
        Invalid: It names another.
    """
    own = draft.values.get("case_number")
    if own is not None and draft.cases and own != draft.cases[0]:
        raise Invalid(
            "case_number and cases name different cases",
            code="invalid_ref",
            field=f"{draft.kind}.case_number",
            remedy="give the same number in both, or leave cases out",
        )


def check_version(draft: Draft, old: Held | None) -> None:
    """Whoever says which version they change must be right about it.

    Raises:
        Invalid: Somebody else has written meanwhile.
    """
    stands = old.row.version if old else 0
    if draft.expect is not None and draft.expect != stands:
        raise Invalid(
            "the record has another version by now",
            code="invalid_version",
            field="version",
            remedy="read it again and decide anew",
        )


def check_once(draft: Draft) -> None:
    """A writer's key stands for one content.

    Raises:
        Invalid: The record it stands for holds another.
    """
    if draft.once:
        raise Invalid(
            "the key was used for another record",
            code="invalid_key",
            field="key",
            remedy="give every new record a key of its own; a retry sends the same record again",
        )


def check_listed(draft: Draft, old: Held | None, matches: Matches) -> None:
    """Who was erased or refused comes back by a new relationship alone, never by an old file (DESIGN 8).

    Nor in the place of another, as the second of two contact persons of whom the first was taken out.

    Raises:
        Invalid: The person is on the suppression list.
    """
    if matches.suppressed(draft, old):
        raise Invalid(
            "this person was erased or has refused",
            code="previously_erased",
            field=draft.kind,
            remedy="leave the row out; for a new relationship with them give its reference: --relationship",
        )


def check_owner(draft: Draft, old: Held | None, subject: str, ref: str | None) -> None:
    """A record that is there already must be the same person's.

    Raises:
        Invalid: It is another's.
    """
    if old is not None and old.row.subject != subject:
        raise Invalid(
            "the case number belongs to another borrower",
            code="invalid_ref",
            field=f"{draft.kind}.{ref}",
            remedy="check the case number; correct the stored record if that one is wrong",
        )
