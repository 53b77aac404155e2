"""A plain vault run by several people: each command is somebody's, with their principal file and a token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from commands import Ran, run

Token = tuple[str, str]
"""Role and purpose."""


class Desk:
    """Runs commands in one vault as the people whose principal files lie in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, who: str, *command: object, token: Token | None = None, stdin: str | None = None, **env: str
    ) -> Ran:
        """Run a command as somebody; with `token`, a fresh one of theirs. Errors and answers are JSON."""
        words: list[object] = ["--vault", self.folder, "--as", self.file(who), *command]
        if token is not None:
            words += ["--token", self.token(who, *token)]
        return run(*words, "--json", stdin=stdin, **env)

    def said(self, who: str, *command: object, **env: str) -> Ran:
        """The same for people: tables and notes."""
        return run("--vault", self.folder, "--as", self.file(who), *command, **env)

    def file(self, who: str) -> Path:
        """Somebody's principal file."""
        return self.folder / f"{who}.principal"

    def token(self, who: str, role: str, purpose: str, *limits: object) -> Path:
        """A fresh token of theirs; it must be granted."""
        path = self.folder / f"{who}-{role}-{purpose}.token"
        made = self.issue(who, role, purpose, path, *limits)
        assert made.code == 0, made.err
        return path

    def issue(self, who: str, role: str, purpose: str, path: Path, *limits: object) -> Ran:
        """Ask for a token."""
        given = ("--role", role, "--purpose", purpose, "--out", path, "--force")
        return self(who, "token", "issue", *given, *limits)

    def add(self, name: str, roles: str, *more: object) -> str:
        """Add somebody; returns their id."""
        made = self("admin", "principal", "add", "--name", name, "--role", roles, *more)
        assert made.code == 0, made.err
        ident: str = made.json["principal"]
        return ident

    def ask(self, who: str, what: str, *more: object, stdin: str | None = None) -> str:
        """Open a request; returns its id."""
        made = self(who, "request", "open", what, "--reason", "本周工作", *more, stdin=stdin)
        assert made.code == 0, made.err
        ident: str = made.json["request"]
        return ident

    def approve(self, who: str, request: str) -> None:
        """Give a yes that counts."""
        given = self(who, "approve", request)
        assert given.code == 0, given.err

    def person(self, name: str) -> dict[str, Any]:
        """A principal as the list has it."""
        rows = self("auditor", "principal", "list").json["items"]
        (found,) = (row for row in rows if row["name"] == name)
        row: dict[str, Any] = found
        return row

    def borrowers(self) -> list[str]:
        """The record ids of both borrowers."""
        read = self(
            "collector", "read", "--ref", "borrower:AJ00001", "--ref", "borrower:AJ00002",
            token=("collector", "negotiation"),
        )  # fmt: skip
        assert read.code == 0, read.err
        return [item["record"] for item in read.json["items"]]

    def policy(self, old: str, new: str) -> Path:
        """Write another policy into the vault's folder; it comes into force if it may."""
        path = self.folder / "policy.toml"
        text = path.read_text("utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), "utf-8")
        return path
