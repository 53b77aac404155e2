"""A policy file as the oracle of test_powers reads it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from vault.model import View


class Rules:
    """A policy file as data, without the vault's own reading of it."""

    def __init__(self, text: str) -> None:
        self.file: dict[str, Any] = tomllib.loads(text)

    def purpose(self, name: str) -> dict[str, Any]:
        """The table of a purpose."""
        found: dict[str, Any] = self.file["purposes"][name]
        return found

    def grants(self, role: str, purpose: str) -> list[dict[str, Any]]:
        """The grants of a role for one of its purposes."""
        if purpose not in self.file["roles"].get(role, {}).get("purposes", ()):
            return []
        return [g for g in self.file["grants"] if role in g["roles"] and purpose in g["purposes"]]

    def actions(self, role: str, purpose: str) -> frozenset[str]:
        """What a role does for a purpose."""
        return frozenset(a for g in self.grants(role, purpose) for a in g["actions"])

    def caps(self, role: str, purpose: str, kind: str, name: str) -> list[int]:
        """Different values a day of a field that may be searched by; none: it may not."""
        finds = [f for g in self.grants(role, purpose) for f in g.get("find", ())]
        return [f["cap"] for f in finds if (f["kind"], f["field"]) == (kind, name)]

    def bound(self, role: str, purpose: str) -> bool:
        """Whether the role sees its own cases alone."""
        return any(g.get("case_bound", False) for g in self.grants(role, purpose))

    def tests(self, grant: Mapping[str, Any], purpose: str) -> set[str]:
        """What must hold of a record before a grant gives anything."""
        asked = {self.file["conditions"][name]["test"] for name in grant.get("when", ())}
        return asked | ({"consent"} if self.purpose(purpose)["basis"] == 1 else set())

    def views(self, role: str, purpose: str, kind: str) -> Iterator[tuple[dict[str, Any], dict[str, View]]]:
        """Each grant with the fields of a kind that it shows."""
        for grant in self.grants(role, purpose):
            shown = grant.get("kinds", {}).get(kind, {})
            masked = dict.fromkeys(shown.get("masked", ()), View.MASKED)
            yield grant, masked | dict.fromkeys(shown.get("clear", ()), View.CLEAR)

    def cells(self, purpose: str) -> set[tuple[str, str, str, View]]:
        """Everything shown for a purpose, and what less it implies."""
        found: set[tuple[str, str, str, View]] = set()
        for role in self.file["roles"]:
            for grant, kind in ((g, k) for g in self.grants(role, purpose) for k in g.get("kinds", {})):
                shown = grant["kinds"][kind]
                clear, masked = shown.get("clear", ()), shown.get("masked", ())
                found |= {(role, kind, name, View.CLEAR) for name in clear}
                found |= {(role, kind, name, View.MASKED) for name in (*clear, *masked)}
        return found
